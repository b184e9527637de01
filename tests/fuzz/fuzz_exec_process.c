/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_exec_process.c - the process of `exec`, as a file or as options to a container
 *
 * What is refused is refused with a sentence; what is taken is a plan that guest-init understands.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "guest-init/exec_plan.h"
#include "guest-init/failure.h"
#include "tests/fuzz/json_edit.h"
#include "tests/unit/malformed_configs.h"
#include "tests/unit/scratch_dir.h"
#include "vmm/base/bug.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/exec_process.h"
#include "vmm/oci/guest_plan.h"

#define FILE_NAME "process.json"
#define OPTIONS_MAX 3
#define TEXT_SIZE 32

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good_text[] =
	"{\"terminal\":true,\"consoleSize\":{\"height\":25,\"width\":80},\"args\":[\"sh\",\"-c\"],"
	"\"env\":[\"A=1\"],\"cwd\":\"/w\",\"noNewPrivileges\":true,\"oomScoreAdj\":5,"
	"\"user\":{\"uid\":5,\"gid\":6,\"umask\":18,\"additionalGids\":[7,8]},"
	"\"capabilities\":{\"bounding\":[\"CAP_KILL\"],\"permitted\":[\"CAP_KILL\"],"
	"\"effective\":[\"CAP_KILL\"],\"inheritable\":[],\"ambient\":[]},"
	"\"rlimits\":[{\"type\":\"RLIMIT_NOFILE\",\"soft\":1,\"hard\":2}],"
	"\"scheduler\":{\"policy\":\"SCHED_BATCH\",\"nice\":3},"
	"\"ioPriority\":{\"class\":\"IOPRIO_CLASS_BE\",\"priority\":4},"
	"\"execCPUAffinity\":{\"initial\":\"0\",\"final\":\"0-1\"},"
	"\"apparmorProfile\":\"p\",\"selinuxLabel\":\"l\"}";

static char directory[SCRATCH_DIR_SIZE];
static char file_path[SCRATCH_DIR_SIZE + sizeof(FILE_NAME) + 1];
static int directory_fd;

static void check_process(const struct container_process *process)
{
	static const struct container_plan container;
	AUTO_FREE char *text = NULL;
	struct failure failure;
	struct exec_plan plan;
	struct error err = { 0 };
	json_t *message;

	BUG_ON(!process->args.count || process->cwd[0] != '/');
	if (container_process_guest_plan(process, &text, &err) < 0) {
		BUG_ON(err.code <= 0 || !err.text[0]);
		return;
	}
	message = json_pack("{s:i, s:o}", "number", 1, "process",
			    json_loads(text, JSON_REJECT_DUPLICATES, NULL));
	BUG_ON(!message || exec_plan_init(&plan, message, &container, &failure) < 0);
	BUG_ON(plan.process.args.len != process->args.count);
	exec_plan_fini(&plan);
	json_decref(message);
}

/* Returns whether it was taken. */
static bool try_file(const char *text, size_t size)
{
	struct container_process process = { 0 };
	struct text_list warnings = { 0 };
	struct error err = { 0 };
	AUTO_CLOSE int fd =
		openat(directory_fd, FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int r;

	BUG_ON(fd < 0 || file_write_full(fd, text, size) < 0);
	r = container_process_load(file_path, &process, &warnings, &err);
	if (r < 0)
		BUG_ON(r != -err.code || !err.text[0]);
	else
		check_process(&process);
	container_process_clear(&process);
	text_list_clear(&warnings);
	return r >= 0;
}

/* A text made of what such options are made of, or NULL. */
static const char *next_text(struct fake_program *program, char text[TEXT_SIZE])
{
	static const char letters[] = "0123456789,:=-+/ aCAP_KILL\x01\xff";
	static const char *const whole[] = { "0",	    "1000:1000", "4294967294",
					     "4294967295",  "1,2,3",	 "CAP_KILL",
					     "CAP_SYSLOG_", "A=1",	 "=",
					     "/",	    "cap_kill",	 "18446744073709551616" };
	uint8_t choice = fake_program_byte(program);
	size_t len = choice % TEXT_SIZE;

	if (choice < 64)
		return NULL;
	if (choice < 160)
		return whole[choice % (sizeof(whole) / sizeof(*whole))];
	for (size_t i = 0; i < len; i++)
		text[i] = letters[fake_program_byte(program) % (sizeof(letters) - 1)];
	text[len] = 0;
	return text;
}

static void fill_list(struct text_list *list, struct fake_program *program)
{
	for (unsigned int i = fake_program_byte(program) % OPTIONS_MAX; i > 0; i--) {
		char buffer[TEXT_SIZE];
		const char *text = next_text(program, buffer);

		BUG_ON(text_list_add(list, "%s", text ? text : "") < 0);
	}
}

static void try_options(const uint8_t *data, size_t size)
{
	struct fake_program program = { data, size };
	char user[TEXT_SIZE], cwd[TEXT_SIZE], name[] = "sh";
	char *args[] = { name };
	struct container_process process = { 0 };
	struct error err = { 0 };
	const struct container_state state = {
		.root_fd = -1, .dir_fd = directory_fd, .id = "c1", .defaults = container_defaults
	};
	struct exec_options options = {
		.args = args,
		.nr_args = 1,
		.cwd = next_text(&program, cwd),
		.user = next_text(&program, user),
		.has_terminal = fake_program_byte(&program) % 2,
	};
	int r;

	fill_list(&options.env, &program);
	fill_list(&options.additional_gids, &program);
	fill_list(&options.capabilities, &program);
	r = exec_process_make(&state, &options, &process, &err);
	if (r < 0) {
		BUG_ON(r != -err.code || strncmp(err.text, "--", 2) != 0);
	} else {
		check_process(&process);
		container_process_clear(&process);
	}
	text_list_clear(&options.env);
	text_list_clear(&options.additional_gids);
	text_list_clear(&options.capabilities);
}

static void clean_up(void)
{
	scratch_dir_remove(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	AUTO_FREE char *config = good_config_text();
	struct error err;

	(void)argc;
	(void)argv;
	scratch_dir_make_in("/dev/shm", directory);
	(void)atexit(clean_up);
	(void)snprintf(file_path, sizeof(file_path), "%s/%s", directory, FILE_NAME);
	directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	BUG_ON(directory_fd < 0 || !config);
	BUG_ON(file_replace(directory_fd, CONTAINER_CONFIG_NAME, config, strlen(config), &err) < 0);
	BUG_ON(!try_file(good_text, strlen(good_text)));
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = 0;
	AUTO_FREE char *text = NULL;

	if (size && data[size - 1] % 2) {
		try_options(data, size - 1);
		return 0;
	}
	text = json_edit_text(good_text, data, size, &len);
	(void)try_file(text, len);
	return 0;
}
