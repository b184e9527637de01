/* SPDX-License-Identifier: Apache-2.0 */
/* descriptor_limit.h - how many descriptors this process may have open */
#pragma once

#include "vmm/base/error.h"

#define DESCRIPTOR_LIMIT_MAX 1048576

/*
 * Raise the limit on open descriptors of this process as far as it goes, at most to
 * DESCRIPTOR_LIMIT_MAX.
 */
int descriptor_limit_raise(struct error *err);
