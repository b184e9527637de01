/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/config_notes.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "vmm/base/fd.h"

#define NOTE_SIZE 768
#define PATH_SIZE 256

/* Add "<path><separator><text>", unless there are enough. */
static int add_note(struct text_list *list, const struct json_field *field, const char *separator,
		    const char *text, struct error *err)
{
	char path[PATH_SIZE];

	if (list->count >= CONFIG_NOTES_MAX)
		return 0;
	if (text_list_add(list, "%s%s%s", json_field_path(field, path, sizeof(path)), separator,
			  text) < 0)
		return error_set(err, ENOMEM, "%s", path);
	return 0;
}

int config_refuse_because(struct config_notes *notes, const struct json_field *field,
			  struct error *err, const char *format, ...)
{
	char text[NOTE_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return add_note(&notes->refusals, field, ": ", text, err);
}

int config_refuse(struct config_notes *notes, const struct json_field *field, struct error *err)
{
	return add_note(&notes->refusals, field, " ", "is not supported", err);
}

int config_refuse_members(struct config_notes *notes, const struct json_field *object,
			  const char *const *names, size_t count, struct error *err)
{
	int r = 0;

	for (size_t i = 0; !r && i < count; i++) {
		struct json_field member = json_field_member(object, names[i]);

		if (!json_field_is_empty(&member))
			r = config_refuse(notes, &member, err);
	}
	return r;
}

int config_warn(struct config_notes *notes, const struct json_field *field, struct error *err,
		const char *format, ...)
{
	char text[NOTE_SIZE];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return add_note(notes->warnings, field, ": ", text, err);
}

int config_notes_finish(struct config_notes *notes, const char *file, struct error *err)
{
	AUTO_FREE char *text = NULL;

	if (!notes->refusals.count)
		return 0;
	text = text_list_join(&notes->refusals, "; ");
	text_list_clear(&notes->refusals);
	if (!text)
		return error_set(err, ENOMEM, "%s", file);
	return error_invalid(err, "%s: %s", file, text);
}
