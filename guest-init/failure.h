/* SPDX-License-Identifier: Apache-2.0 */
/*
 * failure.h - why something did not work: an errno value and one sentence for the user
 *
 * A failure lives on the caller's stack and has the size of the sentence that a protocol frame
 * carries. Functions that can fail take a `struct failure *` last and return a negative errno
 * value; they write the failure only when they fail. Nothing is printed here.
 */
#pragma once

#include "guest-init/protocol.h"

struct failure {
	int code;		       /* errno value, positive */
	char text[PROTOCOL_TEXT_SIZE]; /* always terminated; cut when too long */
};

/*
 * Describe a failed operation: "<format>: <text of errno code>".
 *
 * @code is a positive errno value. Returns -@code.
 */
int failure_set(struct failure *err, int code, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Like failure_set() with EINVAL, for a sentence that is complete without an errno text. */
int failure_invalid(struct failure *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Put "<format>: " before the text of @err. Returns -@err->code. */
int failure_prefix(struct failure *err, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
