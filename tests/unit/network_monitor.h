/* SPDX-License-Identifier: Apache-2.0 */
/* network_monitor.h - a network process in a child, and the monitor that it talks to, played */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/backend/network_channel.h"
#include "vmm/oci/network_policy.h"

#define NETWORK_MONITOR_TOLD_MAX 4096

struct network_monitor {
	pid_t process;
	int fd;		 /* of network_channel.h */
	int resolver_fd; /* of socket_channel.h */
	/* What has come: "A0" ATTACH to slot 0, "D0", "S" STATE, "I" INCOMING, with spaces. */
	char told[NETWORK_MONITOR_TOLD_MAX];
	char state[NETWORK_STATE_MAX + 1]; /* the last one */
	int taps[NETWORK_SLOTS];	   /* -1: no card */
	uint8_t macs[NETWORK_SLOTS][6];
	int incoming_fd; /* the last one, else -1 */
	uint16_t incoming_port;
	unsigned int nr_faults; /* messages that do not follow from those before */
};

/* Start a process in the namespace that the caller is in. Aborts when the host fails. */
void network_monitor_start(struct network_monitor *monitor, const struct network_policy *policy);

/*
 * Take what comes until a message of @type has come, @part is in the state (unless NULL), or
 * nothing comes for 20 s. Forgets what was in .told before. Returns whether it came.
 */
bool network_monitor_wait(struct network_monitor *monitor, enum network_message_type type,
			  const char *part);

/* Have it look, and take all that it tells. Returns whether it did. */
bool network_monitor_scan(struct network_monitor *monitor);

/*
 * Part from it, and wait for its end. Returns its exit code: 0, or the errno value that it failed
 * with, or what the sanitizer made of it.
 */
int network_monitor_stop(struct network_monitor *monitor);
