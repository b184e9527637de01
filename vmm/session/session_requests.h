/* SPDX-License-Identifier: Apache-2.0 */
/*
 * session_requests.h - what the clients of the control socket ask of a session
 *
 * Thread: the event loop's; the vsock device's lock is taken here.
 */
#pragma once

#include "vmm/session/control_socket.h"

/* Callbacks of struct control_server, whose context is the session. */
void session_on_request(void *context, struct control_client *client,
			const struct control_request *request);
void session_on_client_gone(void *context, struct control_client *client);

/*
 * The text in the regular file @fd, which a request came with, as a string of the caller's heap. An
 * error when the guest takes no message of that size.
 */
int session_request_text(int fd, char **ret_text, struct error *err);

/* What a start waited for: the guest knows its network. @context is the session. */
void session_on_network_scanned(void *context);
