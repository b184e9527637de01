/* SPDX-License-Identifier: Apache-2.0 */
/* size_argument.h - numbers of bytes as people write them */
#pragma once

#include <stdint.h>

/* "512m", "1GiB", "-1": bytes. Returns 0, or -EINVAL for anything else. */
int size_argument_parse(const char *text, int64_t *ret);
