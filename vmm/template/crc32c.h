/* SPDX-License-Identifier: Apache-2.0 */
/*
 * crc32c.h - the checksum CRC-32C (RFC 3720, appendix B.4): it finds damage, not malice
 *
 * Thread: any.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The checksum of what had @crc (0: of nothing) and @len more bytes. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);
