/* SPDX-License-Identifier: Apache-2.0 */
/*
 * launch_message.h - what is said on the socket between the command line and the processes of
 * the container it starts (SOCK_SEQPACKET, one message a packet)
 */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"

enum launch_message_type {
	LAUNCH_PREPARED = 1, /* container process -> command line: namespaces and mounts exist */
	LAUNCH_GO_ON,	     /* its answer: the hooks of the runtime's namespaces have run */
	LAUNCH_CREATED,	     /* monitor -> command line: the workload waits for its exec */
	LAUNCH_FAILED,	     /* either -> command line: code and text */
	LAUNCH_COMMIT,	     /* command line -> container process: outlive me */
	LAUNCH_COMMITTED,    /* its answer */
};

struct launch_message {
	uint32_t type; /* enum launch_message_type */
	int32_t code;  /* positive errno value */
	char text[ERROR_TEXT_SIZE];
};

/* Send a message; @err may be NULL. That nobody is there to read is not the sender's business. */
void launch_message_send(int sync_fd, enum launch_message_type type, const struct error *err);

/* Receive one. Returns 1, 0 at the end of the connection, or a negative errno value. */
int launch_message_receive(int sync_fd, struct launch_message *ret_message);
