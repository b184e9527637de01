/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/template/crc32c.h"

#include <string.h>

#define POLYNOMIAL UINT32_C(0x82f63b78) /* bits reversed, as they are sent */

#define WORD sizeof(uint64_t)

static uint32_t by_bits(uint32_t crc, const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		crc ^= data[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
	}
	return crc;
}

/* Processors from 2009 on have an instruction for it. */
__attribute__((target("sse4.2"))) static uint32_t by_words(uint32_t crc, const uint8_t *data,
							   size_t len)
{
	uint64_t wide = crc;

	for (; len >= WORD; data += WORD, len -= WORD) {
		uint64_t word;

		memcpy(&word, data, sizeof(word));
		wide = __builtin_ia32_crc32di(wide, word);
	}
	for (crc = (uint32_t)wide; len; len--)
		crc = __builtin_ia32_crc32qi(crc, *data++);
	return crc;
}

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	crc = ~crc;
	return ~(__builtin_cpu_supports("sse4.2") ? by_words(crc, data, len)
						  : by_bits(crc, data, len));
}
