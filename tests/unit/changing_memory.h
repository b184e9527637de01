/* SPDX-License-Identifier: Apache-2.0 */
/*
 * changing_memory.h - memory whose content is another one after each instruction that touches it
 *
 * A guest's other processors may write to memory while a device reads it. Here they always do, and
 * at the worst moment: right after an access. Whoever reads a value once gets what was there;
 * whoever reads it again gets something else. No threads, no luck: an access faults, its
 * instruction is run alone, and then the bytes change.
 */
#pragma once

#include <stddef.h>

/*
 * From now on the @grain bytes around each byte that is accessed in [@start, @start + @len) become
 * 0xff after the access. @start and @len are multiples of @grain, a power of two; other memory of
 * the same pages stays as it is. One area per call, at most 4, until changing_memory_end().
 */
void changing_memory_begin(void *start, size_t len, size_t grain);

/* Memory behaves again. Returns how many accesses changed something. */
unsigned int changing_memory_end(void);
