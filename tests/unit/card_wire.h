/* SPDX-License-Identifier: Apache-2.0 */
/*
 * card_wire.h - a network namespace with an interface, eth0, of a container, the other end of its
 * wire, and a tap: for tests of the filter between them
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "tests/unit/frame.h"
#include "vmm/network/card_denials.h"
#include "vmm/network/card_filter.h"

#define WIRE_MAC "02:00:00:00:00:02"
#define WIRE_PEER_MAC "02:00:00:00:00:01"
#define WIRE_IPV4 "10.0.0.2"
#define WIRE_IPV6 "2001:db8::2"
#define WIRE_LINES_MAX 64

struct wire {
	struct mnl_socket *netlink;
	int tap_fd, peer_fd; /* peer: a packet socket */
	uint32_t tap_ifindex, peer_ifindex;
	struct network_interface interface; /* eth0, with WIRE_IPV4 and WIRE_IPV6 */
	struct card_denials *denials;
	char lines[WIRE_LINES_MAX][CARD_DENIALS_LINE_SIZE]; /* what was told */
	size_t nr_lines;
};

/*
 * Move to a new namespace and make all that. False, and the plan of a skipped program is printed,
 * where that is impossible; @needs_all makes that a failure.
 */
bool wire_open(struct wire *wire, bool needs_all);

/* Another tap in place of the former, which is gone. */
void wire_new_tap(struct wire *wire);

/* Run a command of iproute2. */
bool wire_run(const char *command);

void wire_add_address(struct wire *wire, const char *text, uint8_t prefix);
void wire_set(struct wire *wire, const struct network_policy *policy, bool passes_resolver);

/*
 * Send the frame out of the VM, or to it, and see whether it arrives, unchanged, at the other side.
 * A second one, which always does, tells when to look no longer.
 */
bool wire_passes_out(struct wire *wire, const struct frame *frame);
bool wire_passes_in(struct wire *wire, const struct frame *frame);

/* Send it; how many arrived since, when for a while there are no more. */
void wire_send_out(struct wire *wire, const struct frame *frame);
void wire_send_in(struct wire *wire, const struct frame *frame);
unsigned int wire_count_out(struct wire *wire);
unsigned int wire_count_in(struct wire *wire);

/* Whether this frame is among those that arrived, when for a while there are no more. */
bool wire_has_out(struct wire *wire, const struct frame *frame);

/* The last line that was told since the last call, or "". */
const char *wire_told(struct wire *wire);
