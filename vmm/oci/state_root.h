/* SPDX-License-Identifier: Apache-2.0 */
/* state_root.h - where containers are kept, and what they may be called */
#pragma once

#include "vmm/base/error.h"
#include "vmm/oci/text_list.h"

#define CONTAINER_ID_MAX 255 /* characters */

/*
 * The state root when --root is not given: /run/bulkhead for the host's root,
 * $XDG_RUNTIME_DIR/bulkhead for others (/run/bulkhead as well when that is unset or empty).
 * Heap text of the caller's; NULL without memory.
 */
char *container_state_default_root(void);

/* Likewise where templates are kept: that path with "-templates" behind. */
char *template_default_directory(void);

/* Check the form of @id: [A-Za-z0-9_+.-], 1 to CONTAINER_ID_MAX characters, not "." or "..". */
int container_id_check(const char *id, struct error *err);

/* Append the ids of the containers below @root to @ids, sorted; none when there is no @root. */
int container_state_list(const char *root, struct text_list *ids, struct error *err);
