/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stream_handler.h - who looks after one vsock connection
 *
 * Embedded first in its owner; it is the context of the connection. The callbacks come on the
 * event loop with the vsock device's lock held.
 */
#pragma once

struct stream_handler {
	void (*on_readable)(struct stream_handler *handler);
	void (*on_writable)(struct stream_handler *handler);
	void (*on_closed)(struct stream_handler *handler);
};
