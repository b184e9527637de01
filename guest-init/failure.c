/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/failure.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Append ": <text>", the first letter small as in the sentences engines look for. */
static void failure_append_errno(struct failure *err)
{
	size_t len = strlen(err->text);
	const char *text = strerrordesc_np(err->code);

	if (!text)
		text = "unknown error";
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %c%s",
		       tolower((unsigned char)text[0]), text + 1);
}

int failure_set(struct failure *err, int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	err->code = code;
	failure_append_errno(err);
	return -code;
}

int failure_invalid(struct failure *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	err->code = EINVAL;
	return -EINVAL;
}

int failure_prefix(struct failure *err, const char *format, ...)
{
	char rest[sizeof(err->text)];
	va_list args;
	size_t len;

	memcpy(rest, err->text, sizeof(rest));
	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	len = strlen(err->text);
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %.*s", (int)sizeof(rest) - 1,
		       rest);
	return -err->code;
}
