/* SPDX-License-Identifier: Apache-2.0 */
/* The console: whatever the driver writes, the log keeps the last of it, and only what is text. */
#include <string.h>

#include "tests/fuzz/device_target.h"
#include "vmm/base/bug.h"
#include "vmm/virtio/console.h"

#define TRANSMIT_QUEUE 1
#define WRITTEN_SIZE 0x20000

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return device_target_init();
}

/* The last lines, in a buffer of any size: text, and no more of it than was asked for. */
static void check_log(struct boot_log *log, unsigned int nr_lines, size_t size)
{
	static char text[BOOT_LOG_SIZE + 1];
	size_t len = boot_log_tail(log, nr_lines, text, size);
	unsigned int nr_newlines = 0;

	BUG_ON(len >= size || strlen(text) != len || log->len > BOOT_LOG_SIZE);
	for (size_t i = 0; i < len; i++) {
		BUG_ON((text[i] < ' ' || text[i] > '~') && text[i] != '\n' && text[i] != '\t');
		nr_newlines += text[i] == '\n';
	}
	BUG_ON(nr_newlines && nr_newlines >= nr_lines);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fake_program program = { data, size };
	uint8_t nr_lines = fake_program_byte(&program);
	static struct fake_driver driver;
	static struct console console;
	static struct boot_log log;
	struct error err;

	boot_log_init(&log, -1, 0);
	fake_driver_init(&driver);
	memset(fake_driver_bytes(&driver, FAKE_BUFFERS, WRITTEN_SIZE), fake_program_byte(&program),
	       WRITTEN_SIZE);
	BUG_ON(console_init(&console, &log, &driver.memory, &driver.loop, driver.transport, &err) <
	       0);
	driver.device = &console.device;
	device_target_run(&driver, &program, TRANSMIT_QUEUE, NULL);
	check_log(&log, nr_lines, sizeof(log.bytes) + 1);
	check_log(&log, nr_lines + 1u, 1u + nr_lines * 16u);
	console_fini(&console, &driver.loop);
	fake_driver_fini(&driver);
	boot_log_fini(&log);
	return 0;
}
