/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/error.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

const char *error_errno_text(int code)
{
	static _Thread_local char text[96];
	const char *description = strerrordesc_np(code);

	if (!description) {
		(void)snprintf(text, sizeof(text), "errno %d", code);
		return text;
	}
	(void)snprintf(text, sizeof(text), "%s", description);
	/* "RFS specific error" and the like keep their capitals. */
	if (islower((unsigned char)text[1]))
		text[0] = (char)tolower((unsigned char)text[0]);
	return text;
}

int error_set(struct error *err, int code, const char *format, ...)
{
	va_list args;
	size_t len;

	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	len = strlen(err->text);
	(void)snprintf(err->text + len, sizeof(err->text) - len, ": %s", error_errno_text(code));
	err->code = code;
	return -code;
}

int error_invalid(struct error *err, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(err->text, sizeof(err->text), format, args);
	va_end(args);
	err->code = EINVAL;
	return -EINVAL;
}

int error_prefix(struct error *err, const char *format, ...)
{
	char text[ERROR_TEXT_SIZE];
	va_list args;
	size_t len;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	len = strlen(text);
	(void)snprintf(text + len, sizeof(text) - len, ": %.*s",
		       (int)(sizeof(text) - len > 3 ? sizeof(text) - len - 3 : 0), err->text);
	memcpy(err->text, text, sizeof(text));
	return -err->code;
}
