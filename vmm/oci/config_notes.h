/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_notes.h - what a configuration asks for that is not done: refused, or without meaning
 *
 * Refusals are gathered while the rest is checked, so that one error names all of them.
 */
#pragma once

#include "vmm/oci/json_fields.h"
#include "vmm/oci/text_list.h"

#define CONFIG_NOTES_MAX 64 /* of each kind; more are not listed */

struct config_notes {
	struct text_list *warnings;
	struct text_list refusals;
};

/* Refuse "<path>: <format>", and without more words: "<path> is not supported". */
int config_refuse_because(struct config_notes *notes, const struct json_field *field,
			  struct error *err, const char *format, ...)
	__attribute__((format(printf, 4, 5)));
int config_refuse(struct config_notes *notes, const struct json_field *field, struct error *err);

/* Refuse each of the @count members of @object that is present and not empty. */
int config_refuse_members(struct config_notes *notes, const struct json_field *object,
			  const char *const *names, size_t count, struct error *err);

/* Note "<path>: <format>" as something that is accepted and not done. */
int config_warn(struct config_notes *notes, const struct json_field *field, struct error *err,
		const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Fail if anything was refused: "<file>: <refusal>; <refusal>…". Forgets the refusals. */
int config_notes_finish(struct config_notes *notes, const char *file, struct error *err);
