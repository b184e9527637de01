/* SPDX-License-Identifier: Apache-2.0 */
/* close_descriptors.h - leave a process with the descriptors it is meant to have */
#pragma once

#include <stddef.h>

/*
 * Close every descriptor from 3 on that is not among the @nr_keep of @keep; entries of -1 are
 * allowed. Sorts @keep.
 */
void close_descriptors_except(int *keep, size_t nr_keep);
