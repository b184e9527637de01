/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/launch_message.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

void launch_message_send(int sync_fd, enum launch_message_type type, const struct error *err)
{
	struct launch_message message = { .type = type };

	if (err) {
		message.code = err->code;
		(void)snprintf(message.text, sizeof(message.text), "%s", err->text);
	}
	(void)send(sync_fd, &message, sizeof(message), MSG_NOSIGNAL);
}

int launch_message_receive(int sync_fd, struct launch_message *ret_message)
{
	ssize_t n;

	do
		n = recv(sync_fd, ret_message, sizeof(*ret_message), 0);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	if (n == 0)
		return 0;
	if (n != (ssize_t)sizeof(*ret_message))
		return -EPROTO;
	ret_message->text[sizeof(ret_message->text) - 1] = 0;
	return 1;
}
