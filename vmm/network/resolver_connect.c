/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/resolver_connect.h"

#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "vmm/backend/network_channel.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"

#define MESSAGES_MAX 32 /* before others have their turn */
#define ADDRESS 0x7f00000bu
#define PORT 53

void resolver_connect_init(struct resolver_connect *resolver, int channel_fd)
{
	*resolver = (struct resolver_connect){ .channel_fd = channel_fd };
}

void resolver_connect_fini(struct resolver_connect *resolver)
{
	for (size_t i = 0; i < resolver->nr_connects; i++)
		fd_close(&resolver->fds[i]);
	resolver->nr_connects = 0;
	fd_close(&resolver->channel_fd);
}

size_t resolver_connect_prepare(const struct resolver_connect *resolver, struct pollfd *pollfds)
{
	size_t nr = 0;

	pollfds[nr++] = (struct pollfd){ .fd = resolver->channel_fd, .events = POLLIN };
	for (size_t i = 0; i < resolver->nr_connects; i++)
		pollfds[nr++] = (struct pollfd){ .fd = resolver->fds[i], .events = POLLOUT };
	return nr;
}

/* A monitor that does not read its answers does not get any. */
static void answer(const struct resolver_connect *resolver, uint32_t request, int code, int fd)
{
	const struct socket_message message = { .type = SOCKET_CONNECTED,
						.socket = NETWORK_RESOLVER,
						.request = request,
						.code = code };

	(void)socket_channel_send(resolver->channel_fd, &message, code ? -1 : fd);
}

/* Returns 0, or a positive errno value. */
static int begin(struct resolver_connect *resolver, uint32_t request)
{
	const struct sockaddr_in address = { .sin_family = AF_INET,
					     .sin_addr.s_addr = htonl(ADDRESS),
					     .sin_port = htons(PORT) };
	AUTO_CLOSE int fd = -1;

	if (resolver->nr_connects == RESOLVER_CONNECTS_MAX)
		return EAGAIN;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);
	if (fd < 0)
		return errno;
	/* When it is there at once it is ready at once: no case of its own. */
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 &&
	    errno != EINPROGRESS)
		return errno;
	resolver->requests[resolver->nr_connects] = request;
	resolver->fds[resolver->nr_connects++] = fd_take(&fd);
	return 0;
}

/* Returns false when there is nothing more to do now. */
static bool serve_one(struct resolver_connect *resolver)
{
	struct socket_message message;
	AUTO_CLOSE int passed_fd = -1;
	int r = socket_channel_receive(resolver->channel_fd, &message, &passed_fd);

	if (r == -EAGAIN)
		return false;
	if (r == 1 && message.type == SOCKET_CONNECT && passed_fd < 0) {
		int code = message.socket == NETWORK_RESOLVER ? begin(resolver, message.request)
							      : ENOENT;

		if (code)
			answer(resolver, message.request, code, -1);
		return true;
	}
	if (r != 0)
		log_warning("network: the monitor's question for the resolver is none");
	resolver_connect_fini(resolver);
	return false;
}

static void finish(struct resolver_connect *resolver)
{
	for (size_t i = 0; i < resolver->nr_connects;) {
		struct pollfd pollfd = { .fd = resolver->fds[i], .events = POLLOUT };
		socklen_t size = sizeof(int);
		int code = 0;

		if (poll(&pollfd, 1, 0) <= 0) {
			i++;
			continue;
		}
		if (getsockopt(resolver->fds[i], SOL_SOCKET, SO_ERROR, &code, &size) < 0)
			code = errno;
		answer(resolver, resolver->requests[i], code, resolver->fds[i]);
		fd_close(&resolver->fds[i]);
		resolver->nr_connects--;
		resolver->fds[i] = resolver->fds[resolver->nr_connects];
		resolver->requests[i] = resolver->requests[resolver->nr_connects];
	}
}

void resolver_connect_serve(struct resolver_connect *resolver)
{
	for (unsigned int i = 0; i < MESSAGES_MAX && resolver->channel_fd >= 0; i++)
		if (!serve_one(resolver))
			break;
	finish(resolver);
}
