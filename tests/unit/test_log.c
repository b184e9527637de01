/* SPDX-License-Identifier: Apache-2.0 */
/* test_log.c - levels, formats, and texts that try to be more than one line of JSON */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/file_io.h"
#include "vmm/base/log.h"

static char directory[SCRATCH_DIR_SIZE];
static char path[SCRATCH_DIR_SIZE + 8];
static struct error err;

/* A new log file, empty. */
static void open_log(bool is_json, bool is_debug)
{
	if (log_descriptor() != STDERR_FILENO)
		(void)close(log_descriptor());
	(void)unlink(path);
	is_int(log_open(path, is_json, is_debug, &err), 0);
}

/* What was logged since open_log(), heap. */
static char *logged(void)
{
	char *data = NULL;
	size_t size;

	is_int(file_load(AT_FDCWD, path, 1 << 20, &data, &size, &err), 0);
	return data;
}

static void check_logged(const char *want)
{
	char *text = logged();

	is_str(text, want);
	free(text);
}

/* The message of the only line, which has to be JSON of the expected shape. */
static void check_json(const char *message, const char *want)
{
	char *line, *end;
	json_t *object;

	open_log(true, false);
	log_error("%s", message);
	line = logged();
	end = strchr(line, '\n');
	ok(end && !end[1]); /* one line, and a whole one */
	object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
	is_int(json_object_size(object), 3);
	is_str(json_string_value(json_object_get(object, "level")), "error");
	is_int(strlen(json_string_value(json_object_get(object, "time"))), 20);
	is_str(json_string_value(json_object_get(object, "msg")), want);
	json_decref(object);
	free(line);
}

static void test_text(void)
{
	open_log(false, false);
	log_error("%d apples", 3);
	log_warning("pears");
	log_info("not shown");
	log_debug("nor this");
	check_logged("bulkhead: error: 3 apples\nbulkhead: warning: pears\n");
	open_log(false, true);
	log_info("shown");
	log_debug("and this");
	check_logged("bulkhead: info: shown\nbulkhead: debug: and this\n");
	/* Appended to what is there. */
	is_int(log_open(path, false, false, &err), 0);
	log_error("more");
	check_logged("bulkhead: info: shown\nbulkhead: debug: and this\nbulkhead: error: more\n");
	open_log(false, false);
	log_set_level(LOG_LEVEL_INFO);
	log_info("shown");
	log_debug("not shown");
	log_set_level(LOG_LEVEL_ERROR);
	log_warning("nor this");
	log_error("this");
	check_logged("bulkhead: info: shown\nbulkhead: error: this\n");
}

/* What a taken-over process says ends on somebody's terminal. */
static void test_text_bytes(void)
{
	open_log(false, false);
	log_error("\033[2J\007\r\177 two\n\tlines gr\xc3\xbc\xc3\x9f"
		  "e \xf0\x9f\x98\x80");
	log_error("\x9b 1 \xc2\x9b 2 \xc2\xa9 \xc3");
	check_logged("bulkhead: error: ?[2J??? two\n\tlines gr\xc3\xbc\xc3\x9f"
		     "e \xf0\x9f\x98\x80\nbulkhead: error: ? 1 ?? 2 \xc2\xa9 ?\n");
}

static void test_json(void)
{
	check_json("plain", "plain");
	check_json("", "");
	check_json("say \"hi\" \\ bye", "say \"hi\" \\ bye");
	check_json("two\nlines\r\n\ttab", "two\nlines\r\n\ttab");
	check_json("\001\033[31m\037\177", "\001\033[31m\037\177");
	check_json("\"}\n{\"level\":\"info\",\"msg\":\"forged\"}",
		   "\"}\n{\"level\":\"info\",\"msg\":\"forged\"}");
}

#define REPLACED "\xef\xbf\xbd" /* U+FFFD */

/* A name of a file, or a guest's text, may be any bytes; the line is valid UTF-8. */
static void test_json_bytes(void)
{
	check_json("gr\xc3\xbc\xc3\x9f"
		   "e \xe2\x82\xac \xf0\x9f\x98\x80",
		   "gr\xc3\xbc\xc3\x9f"
		   "e \xe2\x82\xac \xf0\x9f\x98\x80");
	check_json("a\xff"
		   "b",
		   "a" REPLACED "b");
	check_json("\x80", REPLACED);
	check_json("\xbf\xbf", REPLACED REPLACED);
	check_json("\xc3", REPLACED);
	check_json("\xc3\"", REPLACED "\"");
	check_json("\xe2\x82", REPLACED REPLACED);
	check_json("\xc0\xaf", REPLACED REPLACED); /* too long for '/' */
	check_json("\xe0\x80\xaf", REPLACED REPLACED REPLACED);
	check_json("\xed\xa0\x80", REPLACED REPLACED REPLACED); /* half of a pair */
	check_json("\xf4\x90\x80\x80", REPLACED REPLACED REPLACED REPLACED);
	check_json("\xf8\x88\x80\x80\x80", REPLACED REPLACED REPLACED REPLACED REPLACED);
	check_json("\xf4\x8f\xbf\xbf", "\xf4\x8f\xbf\xbf");
}

/* The longest messages are cut, at an end that is still one line of JSON. */
static void test_long_messages(void)
{
	static const char *const units[] = { "x", "\"", "\001", "\n", "\xc3\xbc", "\xff" };
	static char message[3 * ERROR_TEXT_SIZE];

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		size_t unit = strlen(units[i]);
		char *line;
		json_t *object;

		memset(message, 0, sizeof(message));
		for (size_t at = 0; at + unit < sizeof(message); at += unit)
			memcpy(message + at, units[i], unit);
		open_log(true, false);
		log_error("%s", message);
		line = logged();
		object = json_loads(line, 0, NULL);
		ok(json_string_length(json_object_get(object, "msg")) > 700);
		ok(strchr(line, '\n') == line + strlen(line) - 1);
		json_decref(object);
		free(line);
		open_log(false, false);
		log_error("%s", message);
		line = logged();
		ok(strlen(line) > 1000 && line[strlen(line) - 1] == '\n');
		free(line);
	}
}

static void test_no_file(void)
{
	int before = log_descriptor();

	is_int(log_open("/nonexistent/log", true, true, &err), -ENOENT);
	is_str(err.text, "open log file '/nonexistent/log': no such file or directory");
	is_int(log_descriptor(), before);
}

int main(void)
{
	is_int(log_descriptor(), STDERR_FILENO);
	scratch_dir_make(directory);
	(void)snprintf(path, sizeof(path), "%s/log", directory);
	test_text();
	test_text_bytes();
	test_json();
	test_json_bytes();
	test_long_messages();
	test_no_file();
	(void)close(log_descriptor());
	scratch_dir_remove(directory);
	return tap_done();
}
