/* SPDX-License-Identifier: Apache-2.0 */
/*
 * card_denials.h - a line for the log about frames that the filter on a tap denied
 *
 * The filter lets denied IP and ARP frames go up as frames for another host. Their protocols ignore
 * those, and packet sockets of these protocols (packet(7)), which come after the filter, get them
 * and nothing else.
 *
 * Thread: the network process's only one.
 * Trust:  the frames are the guest's. Of each card CARD_DENIALS_LINES are told in a window of time;
 *         then nothing is read until it is over, and the rest is a number.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/network/network_state.h"
#include "vmm/oci/network_policy.h"

#define CARD_DENIALS_WINDOW_S 60
#define CARD_DENIALS_LINES 10u
#define CARD_DENIALS_LINE_SIZE 192

struct card_denials;

/* @window_s is CARD_DENIALS_WINDOW_S. */
int card_denials_new(struct card_denials **ret, int window_s, struct error *err);
void card_denials_free(struct card_denials *denials);

/* A descriptor that is readable when card_denials_read() has something to do. */
int card_denials_fd(const struct card_denials *denials);

/*
 * Tell of the tap @tap_ifindex in @slot from now on, which stands for @interface (copied). Called
 * again when that or the policy changes. Needs CAP_NET_RAW over the network namespace for the first
 * card in each slot (network_channel.h).
 */
int card_denials_watch(struct card_denials *denials, uint32_t slot,
		       const struct network_interface *interface, uint32_t tap_ifindex,
		       const struct network_policy *policy, struct error *err);
void card_denials_unwatch(struct card_denials *denials, uint32_t slot);

/* @line has no newline, and stays only during the call. */
typedef void (*card_denials_fn)(void *context, const char *line);

/* Tell of what came. Bounded work, never waits. */
void card_denials_read(struct card_denials *denials, card_denials_fn tell, void *context);
