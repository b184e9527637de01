/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dns_message.h - the little of DNS that whoever passes it on has to know
 *
 * Pure. Trust: nobody's messages are believed: every offset stays inside of the message.
 * Spec: RFC 1035, section 4; RFC 6891, section 6.1 (EDNS).
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define DNS_HEADER_SIZE 12u
#define DNS_UDP_SIZE 512u /* of an answer, unless the question allows more */

/* How long an answer to @query may be in a datagram: DNS_UDP_SIZE, or more by EDNS. */
size_t dns_message_answer_size(const uint8_t *query, size_t len);

/*
 * Cut @answer (at least a header) down to its question and mark it as truncated: its receiver asks
 * again, over TCP. Returns the new length.
 */
size_t dns_message_truncate(uint8_t *answer, size_t len);

/* Make of @query (at least a header) the answer that its server failed. Returns its length. */
size_t dns_message_fail(uint8_t *query, size_t len);
