/* SPDX-License-Identifier: Apache-2.0 */
/* The tasks are words, in the file that comes as the initramfs; they are done in that order. */
#include "tests/guests/attack.h"
#include "tests/guests/endings.h"
#include "tests/guests/processor.h"
#include "tests/guests/runtime.h"

#define WORD_MAX 32
#define END "end-"

static void await_card(void)
{
	report_result(device_await_card(), "network", "a card comes");
}

static const struct {
	const char *name;
	void (*run)(void);
} tasks[] = {
	{ "card", await_card },
	{ "rings", attack_rings },
	{ "registers", attack_registers },
	{ "addresses", attack_addresses },
	{ "processor", attack_processor },
	{ "vsock", attack_vsock },
	{ "balloon", attack_balloon },
	{ "files", attack_files },
	{ "names", attack_names },
	{ "races", race_rings },
	{ "floods", flood },
	{ "console", flood_console },
	{ "storm", storm },
};

_Noreturn void first_main(const void *boot_params);

static void run_task(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(tasks); i++)
		if (text_equals(tasks[i].name, name)) {
			tasks[i].run();
			return;
		}
	if (memcmp(name, END, strlen(END)) == 0)
		end_by(name + strlen(END));
	report_result(false, "task that does not exist", name);
}

static void run_tasks(const char *text, size_t size)
{
	char word[WORD_MAX + 1];
	size_t len = 0;

	for (size_t i = 0; i < size; i++) {
		if (text[i] > ' ' && len < WORD_MAX) {
			word[len++] = text[i];
			continue;
		}
		word[len] = 0;
		if (len)
			run_task(word);
		len = 0;
	}
}

_Noreturn void first_main(const void *boot_params)
{
	const char *text;
	size_t size;

	runtime_init(boot_params);
	devices_init();
	text = initramfs(&size);
	run_tasks(text, size);
	second_processor_stop();
	report("1..%u\ndone\n", report_count());
	halt();
}
