/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json_edit.h - JSON that is right but for a few places
 *
 * Random bytes are hardly ever JSON, and random JSON hardly ever says what a parser looks for. A
 * good document with a few members replaced, removed, doubled or made up gets to the last check.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "tests/unit/fake_program.h"

/* Make up to @max_edits changes to @document, an object or array, as @program has it. */
void json_edit(json_t *document, struct fake_program *program, unsigned int max_edits);

/*
 * The text to try: input that begins with a control character is a program for json_edit() of
 * @good; any other is the text itself. Heap text, which need not end with a NUL, and its size.
 */
char *json_edit_text(const char *good, const uint8_t *data, size_t size, size_t *ret_size);
