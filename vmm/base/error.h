/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.h - one failure: an errno value and a sentence a person can act on
 *
 * An error lives on the caller's stack; nothing is allocated and nothing needs to be released.
 * Functions that can fail take a `struct error *` last and return a negative errno value; they
 * write the error only when they fail. Only main and the command line print it.
 *
 * Thread: an error belongs to the thread whose stack it is on.
 */
#pragma once

#include <stddef.h>

#define ERROR_TEXT_SIZE 2048

struct error {
	int code;		    /* errno value, positive */
	char text[ERROR_TEXT_SIZE]; /* always terminated */
};

/*
 * Describe a failed operation: "<format>: <text of errno code>".
 *
 * @code is a positive errno value. Returns -@code, so that callers can return it.
 */
int error_set(struct error *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Like error_set() with EINVAL, for failures whose sentence is complete without an errno text. */
int error_invalid(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Put "<format>: " before the text of @err. Returns -@err->code. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * The text of errno value @code with a small first letter ("no such file or directory"), as the
 * runtimes that engines know write it. The string is static.
 */
const char *error_errno_text(int code);
