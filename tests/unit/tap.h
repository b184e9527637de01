/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap.h - the few words of a unit test, printing the Test Anything Protocol
 *
 * A test program is a main() that calls test functions and returns tap_done(). A failed check
 * prints where it stands and is counted; it never stops the program.
 */
#pragma once

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

static unsigned int tap_checks;
static unsigned int tap_failures;

static inline bool tap_report(bool is_ok, const char *file, int line, const char *what)
{
	tap_checks++;
	if (!is_ok)
		tap_failures++;
	printf("%s %u - %s (%s:%d)\n", is_ok ? "ok" : "not ok", tap_checks, what, file, line);
	return is_ok;
}

static inline bool tap_report_int(int64_t got, int64_t want, const char *file, int line,
				  const char *what)
{
	bool is_ok = tap_report(got == want, file, line, what);

	if (!is_ok)
		printf("# got %" PRId64 ", want %" PRId64 "\n", got, want);
	return is_ok;
}

static inline bool tap_report_str(const char *got, const char *want, const char *file, int line,
				  const char *what)
{
	bool is_ok = tap_report(got && want && !strcmp(got, want), file, line, what);

	if (!is_ok)
		printf("# got \"%s\", want \"%s\"\n", got ? got : "(null)", want ? want : "(null)");
	return is_ok;
}

#define ok(condition) tap_report((condition), __FILE__, __LINE__, #condition)
#define is_int(got, want)                                                                          \
	tap_report_int((int64_t)(got), (int64_t)(want), __FILE__, __LINE__, #got " == " #want)
#define is_str(got, want) tap_report_str((got), (want), __FILE__, __LINE__, #got " == " #want)

/* The plan and the exit status. A program without a check has failed. */
static inline int tap_done(void)
{
	printf("1..%u\n", tap_checks);
	return tap_checks == 0 || tap_failures > 0;
}
