/* SPDX-License-Identifier: Apache-2.0 */
/*
 * relay.h - bytes between one vsock connection and the host's stream of the same meaning
 *
 * stdin flows to the guest, stdout and stderr come from it, a terminal does both: when it hangs up,
 * so does the guest's. Nothing is buffered here: bytes stay in the connection's buffers, so
 * back-pressure reaches both ends.
 *
 * Thread: the event loop's. Trust: the bytes are the guest's and are not looked at.
 */
#pragma once

#include <stdbool.h>

#include "vmm/backend/host_stream.h"
#include "vmm/session/stream_handler.h"
#include "vmm/virtio/vsock.h"

struct relay {
	struct stream_handler handler;
	struct vsock *vsock;
	struct vsock_connection *connection; /* NULL before it is made and after it ended */
	struct host_stream host;
	bool is_from_guest; /* guest -> host is carried, until the guest's end */
	bool is_finishing;  /* the guest's end is where its bytes in the connection end */
	bool is_flushing;   /* the bytes in the connection are waited for; more may follow */
	bool is_to_guest;   /* host -> guest is carried, until the host's end */
	bool is_held;	    /* nothing is read from the host yet */
	bool passes_end; /* the host's end, a socket, is told of the guest's end; set after init */
	/* The guest's bytes are all written, or cannot be; or those that were waited for are. */
	void (*on_done)(void *context);
	void *context;
};

/* Take @fd (also on failure) as the host's end. @on_done may be NULL. */
int relay_init(struct relay *relay, int fd, bool is_from_guest, bool is_to_guest,
	       struct vsock *vsock, struct event_loop *loop, void (*on_done)(void *context),
	       void *context, struct error *err);

/* The guest made the connection that belongs to this relay. Lock held. */
void relay_connect(struct relay *relay, struct vsock_connection *connection);

/* Carry what the host has, from now on. Lock held. */
void relay_release(struct relay *relay);

/*
 * The workload is gone: what the connection holds is the last of it, whether the guest ended the
 * stream properly or not. @on_done comes when that is written. Lock held.
 */
void relay_finish(struct relay *relay);

/*
 * What the connection holds is what the process wrote before it ended; others may write more.
 * @on_done comes when that is written. Lock held.
 */
void relay_flush(struct relay *relay);

/* Close both ends, if they are open. Lock held while there is a connection. */
void relay_fini(struct relay *relay);
