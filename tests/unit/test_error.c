/* SPDX-License-Identifier: Apache-2.0 */
/* test_error.c - sentences, prefixes, and texts that are too long */
#include <errno.h>

#include "tests/unit/tap.h"
#include "vmm/base/error.h"

static struct error err;
static char long_text[2 * ERROR_TEXT_SIZE];

static void test_sentences(void)
{
	is_int(error_set(&err, ENOENT, "open %s", "x"), -ENOENT);
	is_int(err.code, ENOENT);
	is_str(err.text, "open x: no such file or directory");
	is_int(error_invalid(&err, "%d is odd", 3), -EINVAL);
	is_int(err.code, EINVAL);
	is_str(err.text, "3 is odd");
}

static void test_prefix(void)
{
	(void)error_set(&err, EACCES, "open %s", "x");
	is_int(error_prefix(&err, "mount %d", 2), -EACCES);
	is_int(err.code, EACCES);
	is_str(err.text, "mount 2: open x: permission denied");
	(void)error_invalid(&err, "100%%s %%n");
	(void)error_prefix(&err, "p");
	is_str(err.text, "p: 100%s %n"); /* a text is no format */
}

static void test_errno_texts(void)
{
	is_str(error_errno_text(EPERM), "operation not permitted");
	is_str(error_errno_text(EIO), "input/output error");
	is_str(error_errno_text(ENOTSUP), "operation not supported");
	is_str(error_errno_text(EDOTDOT), "RFS specific error");
	is_str(error_errno_text(12345), "errno 12345");
	is_str(error_errno_text(-1), "errno -1");
}

/* Of what is too long the beginning is kept, and it always ends. */
static void test_long_texts(void)
{
	memset(long_text, 'x', sizeof(long_text) - 1);
	is_int(error_set(&err, EIO, "%s", long_text), -EIO);
	is_int(strlen(err.text), ERROR_TEXT_SIZE - 1);
	is_int(error_invalid(&err, "%s", long_text), -EINVAL);
	is_int(strlen(err.text), ERROR_TEXT_SIZE - 1);
	is_int(error_prefix(&err, "why"), -EINVAL);
	is_int(strlen(err.text), ERROR_TEXT_SIZE - 1);
	ok(strncmp(err.text, "why: xxx", 8) == 0);
	is_int(error_prefix(&err, "%s", long_text), -EINVAL);
	ok(strchr(err.text, 'w') == NULL);
}

/* Every length of a prefix around the size of the text: the end of the buffer is never passed. */
static void test_lengths_around_the_end(void)
{
	struct {
		struct error err;
		char guard[8];
	} guarded;

	for (int len = ERROR_TEXT_SIZE - 8; len <= ERROR_TEXT_SIZE + 2; len++) {
		memcpy(guarded.guard, "guarded", 8);
		(void)error_set(&guarded.err, EIO, "%.*s", len, long_text);
		(void)error_invalid(&guarded.err, "tail");
		(void)error_prefix(&guarded.err, "%.*s", len, long_text);
		ok(strlen(guarded.err.text) < ERROR_TEXT_SIZE);
		ok(strlen(guarded.err.text) >= ERROR_TEXT_SIZE - 8);
		is_str(guarded.guard, "guarded");
	}
}

int main(void)
{
	test_sentences();
	test_prefix();
	test_errno_texts();
	test_long_texts();
	test_lengths_around_the_end();
	return tap_done();
}
