/* SPDX-License-Identifier: Apache-2.0 */
/* spec.h - the config.json that `spec` writes, to be edited by a person */
#pragma once

#include "vmm/base/error.h"

/* Indented JSON with a newline at its end. Heap text of the caller's; NULL without memory. */
char *spec_text(void);

/*
 * Write it as config.json below @dir_fd. Returns -EEXIST and "File config.json exists. Remove it
 * first" when there is one.
 */
int spec_write(int dir_fd, struct error *err);
