/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/state_json.h"

static char scratch[SCRATCH_DIR_SIZE];
static struct error err;

/* A container whose process is this one (or none), locked. */
static struct container_state *make(const char *id, const char *bundle, pid_t pid)
{
	struct container_state_record record = {
		.config_text = "{}",
		.bundle = bundle,
		.rootfs = "/r",
	};
	struct container_state *state = NULL;

	if (!ok(container_state_create(scratch, id, &state, &err) == 0 &&
		container_state_init(state, &record, pid, &err) == 0 &&
		container_state_set_running(state, &err) == 0))
		exit(tap_done());
	return state;
}

static void test_state(void)
{
	struct container_state *state = make("x1", "/b", getpid());
	AUTO_FREE char *want = NULL;
	AUTO_FREE char *text = state_json_text(state);
	json_t *json;

	ok(asprintf(&want,
		    "{\n  \"ociVersion\": \"1.3.0\",\n  \"id\": \"x1\",\n  \"pid\": %d,\n"
		    "  \"status\": \"running\",\n  \"bundle\": \"/b\",\n  \"rootfs\": \"/r\",\n"
		    "  \"created\": \"%s\",\n  \"annotations\": {},\n  \"owner\": \"\"\n}",
		    (int)getpid(), state->created) > 0);
	is_str(text, want);
	free(text);

	/* Stopped: no pid. */
	state->pid_start_time++;
	text = state_json_text(state);
	json = text ? json_loads(text, 0, NULL) : NULL;
	is_str(json_string_value(json_object_get(json, "status")), "stopped");
	ok(json_is_integer(json_object_get(json, "pid")));
	is_int(json_integer_value(json_object_get(json, "pid")), 0);
	json_decref(json);
	container_state_free(state);
}

/* The list in @format. */
static char *list(enum state_list_format format, struct text_list *problems)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	is_int(state_list_print(out, scratch, format, problems, &err), 0);
	(void)fclose(out);
	return text;
}

static void test_list(void)
{
	struct container_state *long_one =
		make("long-container-name", "/a/bundle/with/a/long/path", getpid());
	struct container_state *damaged = make("damaged", "/b", 0);
	struct text_list problems = { 0 };
	AUTO_FREE char *quiet = NULL;
	AUTO_FREE char *table = NULL;
	AUTO_FREE char *json_text = NULL;
	json_t *json;

	is_int(file_replace(damaged->dir_fd, "state.json", "{", 1, &err), 0);
	container_state_free(damaged);
	container_state_free(long_one);

	quiet = list(STATE_LIST_QUIET, &problems);
	is_str(quiet, "long-container-name\nx1\n");
	is_int(problems.count, 1);
	ok(strstr(problems.items[0], "container damaged: state.json: ") == problems.items[0]);

	json_text = list(STATE_LIST_JSON, &problems);
	json = json_text ? json_loads(json_text, 0, NULL) : NULL;
	is_int(json_array_size(json), 2);
	is_str(json_string_value(json_object_get(json_array_get(json, 1), "id")), "x1");
	is_str(json_string_value(json_object_get(json_array_get(json, 1), "status")), "running");
	if (geteuid() == 0)
		is_str(json_string_value(json_object_get(json_array_get(json, 1), "owner")),
		       "root");
	json_decref(json);

	table = list(STATE_LIST_TABLE, &problems);
	ok(table && strstr(table, "ID                    PID         STATUS      "
				  "BUNDLE                       CREATED") == table);
	ok(table && strstr(table, "\nlong-container-name   "));
	text_list_clear(&problems);
}

static void test_leftover_without_record(void)
{
	struct container_state *state = NULL;
	struct text_list problems = { 0 };
	AUTO_FREE char *text = NULL;

	is_int(container_state_create(scratch, "a", &state, &err), 0);
	container_state_free(state);
	text = list(STATE_LIST_JSON, &problems);
	ok(text && strstr(text, "\"id\":\"a\",\"pid\":0,\"status\":\"stopped\",\"bundle\":\"\","
				"\"rootfs\":\"\",\"created\":\"0001-01-01T00:00:00Z\""));
	text_list_clear(&problems);
}

static void test_nothing_to_list(void)
{
	struct text_list problems = { 0 };
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	is_int(state_list_print(out, "/no/such/root", STATE_LIST_JSON, &problems, &err), 0);
	(void)fclose(out);
	is_str(text, "[]\n");
	is_int(problems.count, 0);
	free(text);
}

static void test_full_disk(void)
{
	struct text_list problems = { 0 };
	FILE *out = fopen("/dev/full", "w");

	if (!ok(out != NULL))
		return;
	ok(state_list_print(out, scratch, STATE_LIST_JSON, &problems, &err) < 0);
	is_str(err.text, "write the list: no space left on device");
	(void)fclose(out);
	text_list_clear(&problems);
}

int main(void)
{
	scratch_dir_make(scratch);
	test_nothing_to_list();
	test_state();
	test_list();
	test_leftover_without_record();
	test_full_disk();
	scratch_dir_remove(scratch);
	return tap_done();
}
