/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/network_process.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <string.h>

#include "vmm/backend/network_channel.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/clock.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/network/loopback_listener.h"
#include "vmm/network/namespace_files.h"
#include "vmm/network/network_cards.h"
#include "vmm/network/network_scan.h"
#include "vmm/network/resolver_connect.h"
#include "vmm/network/rtnetlink.h"

/* Before others have their turn. */
#define CONNECTIONS_MAX 16
#define NEWS_MAX 64

#define NEWS_SIZE 32768u
#define NEWS_DELAY_MS 20   /* one look for all that an engine does at once */
#define RETRY_DELAY_MS 200 /* after a look that failed */

#define GROUPS                                                                                     \
	(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |               \
	 RTMGRP_IPV6_ROUTE | RTMGRP_NEIGH)

struct network_process {
	int monitor_fd;
	struct mnl_socket *requests;
	struct mnl_socket *news; /* what changes in the namespace */
	struct namespace_files files;
	struct loopback_listener loopback;
	struct resolver_connect resolver;
	struct network_cards *cards;
	char *text; /* of a message, and of news */
	bool has_limited_ports;
	bool has_warned;    /* of a look that failed */
	bool is_blocked;    /* the monitor's channel was full */
	bool owes_answer;   /* to SCAN */
	int64_t look_at_ms; /* when to look at the namespace; -1: not before there are news */
};

enum { POLL_MONITOR, POLL_NEWS, POLL_IPV4, POLL_IPV6, POLL_DENIALS, POLL_RESOLVER };
#define POLLFDS_MAX (POLL_RESOLVER + RESOLVER_CONNECTS_MAX + 1)

static void process_fini(struct network_process *process)
{
	network_cards_free(process->cards);
	resolver_connect_fini(&process->resolver);
	loopback_listener_close(&process->loopback);
	namespace_files_close(&process->files);
	if (process->news)
		mnl_socket_close(process->news);
	if (process->requests)
		mnl_socket_close(process->requests);
	fd_close(&process->monitor_fd);
	free(process->text);
}

static int process_open(struct network_process *process,
			const struct network_process_config *config, struct error *err)
{
	struct error loopback_err;

	process->text = malloc(NETWORK_STATE_MAX + 1);
	if (!process->text)
		return error_set(err, ENOMEM, "network");
	process->requests = rtnetlink_open(0, err);
	if (!process->requests)
		return -err->code;
	process->news = rtnetlink_open(GROUPS, err);
	if (!process->news)
		return -err->code;
	namespace_files_open(&process->files);
	if (loopback_listener_open(&process->loopback, &loopback_err) < 0)
		log_info("network: ports of the container cannot be reached by the loopback of "
			 "its network namespace: %s",
			 loopback_err.text);
	return network_cards_new(&process->cards, process->monitor_fd, process->requests,
				 config->policy, err);
}

/* --- the namespace ---------------------------------------------------------------------------- */

/*
 * An engine's resolver asks by the interfaces, so without any there is none. To know costs more
 * than all the rest of a look: the kernel walks the connections of the whole host.
 */
static void look_for_resolver(struct network_process *process)
{
	bool has_resolver = network_cards_have_interface(process->cards) &&
			    namespace_files_have_resolver(&process->files);
	struct error err;

	network_cards_set_resolver(process->cards, has_resolver);
	if (has_resolver && !process->has_limited_ports) {
		process->has_limited_ports = true;
		if (namespace_files_limit_ports(&process->files, &err) < 0)
			log_warning("network: the engine's resolver may get no answers: %s",
				    err.text);
	}
}

static void look(struct network_process *process)
{
	struct error err;

	process->look_at_ms = -1;
	if (network_cards_scan(process->cards, &err) == 0) {
		look_for_resolver(process);
		return;
	}
	if (!process->has_warned)
		log_warning("network: %s", err.text);
	process->has_warned = true;
	process->look_at_ms = clock_now_ms() + RETRY_DELAY_MS;
}

/* Returns whether a look is due after these @len bytes of news. */
static bool take_news(struct network_process *process, size_t len)
{
	const struct nlmsghdr *message = (const void *)process->text;
	bool has_news = false;
	int left = (int)len;

	for (; mnl_nlmsg_ok(message, left); message = mnl_nlmsg_next(message, &left)) {
		const struct ifinfomsg *link = mnl_nlmsg_get_payload(message);

		if (message->nlmsg_type == RTM_DELLINK &&
		    mnl_nlmsg_get_payload_len(message) >= sizeof(*link))
			network_cards_forget(process->cards, (uint32_t)link->ifi_index);
		has_news |= network_scan_is_news(message);
	}
	return has_news;
}

static void read_news(struct network_process *process)
{
	bool has_news = false;

	for (unsigned int i = 0; i < NEWS_MAX; i++) {
		ssize_t n = mnl_socket_recvfrom(process->news, process->text, NEWS_SIZE);

		if (n < 0 && errno != ENOBUFS && errno != ENOSPC)
			break;
		/* What was lost may have been anything. */
		has_news |= n < 0 || take_news(process, (size_t)n);
	}
	if (has_news && process->look_at_ms < 0)
		process->look_at_ms = clock_now_ms() + NEWS_DELAY_MS;
}

/* --- the monitor ------------------------------------------------------------------------------ */

/* Returns 0, or a negative errno value. */
static int tell(struct network_process *process)
{
	const struct network_message scanned = { .type = NETWORK_SCANNED };
	int r = network_cards_update(process->cards);

	if (!r && process->owes_answer) {
		r = network_channel_send(process->monitor_fd, &scanned, NULL, -1);
		process->owes_answer = r < 0;
	}
	process->is_blocked = r == -EAGAIN;
	return process->is_blocked ? 0 : r;
}

/* The same in the words of serve(). */
static int tell_monitor(struct network_process *process)
{
	int r = tell(process);

	if (r == -EPIPE || r == -ECONNRESET)
		return 0;
	return r < 0 ? r : 1;
}

/* Returns 1, 0 when the monitor is gone, or a negative errno value. */
static int hear(struct network_process *process)
{
	struct network_message message;
	AUTO_CLOSE int passed_fd = -1;
	int r = network_channel_receive(process->monitor_fd, &message, process->text, &passed_fd);

	if (r == -EAGAIN)
		return 1;
	if (r != 1)
		return r;
	if (message.type != NETWORK_SCAN)
		return -EPROTO;
	process->owes_answer = true;
	read_news(process);
	look(process);
	return 1;
}

static void pass_connections(struct network_process *process, int fd)
{
	struct network_message message = { .type = NETWORK_INCOMING };

	for (unsigned int i = 0; i < CONNECTIONS_MAX; i++) {
		AUTO_CLOSE int connection_fd = loopback_listener_accept(fd, &message.port);

		if (connection_fd == -EAGAIN)
			return;
		/* Without room for it at the monitor it ends here. */
		if (connection_fd >= 0)
			(void)network_channel_send(process->monitor_fd, &message, NULL,
						   connection_fd);
	}
}

/* --- all -------------------------------------------------------------------------------------- */

static int timeout_ms(const struct network_process *process)
{
	int64_t left;

	if (process->look_at_ms < 0)
		return -1;
	left = process->look_at_ms - clock_now_ms();
	return left > 0 ? (int)left : 0;
}

static size_t prepare(const struct network_process *process, struct pollfd *pollfds)
{
	/* A monitor that does not read what it was told has nothing to ask. */
	const short monitor = process->is_blocked ? POLLOUT : POLLIN;

	pollfds[POLL_MONITOR] = (struct pollfd){ process->monitor_fd, monitor, 0 };
	pollfds[POLL_NEWS] = (struct pollfd){ mnl_socket_get_fd(process->news), POLLIN, 0 };
	pollfds[POLL_IPV4] = (struct pollfd){ process->loopback.ipv4_fd, POLLIN, 0 };
	pollfds[POLL_IPV6] = (struct pollfd){ process->loopback.ipv6_fd, POLLIN, 0 };
	pollfds[POLL_DENIALS] =
		(struct pollfd){ network_cards_denials_fd(process->cards), POLLIN, 0 };
	return POLL_RESOLVER +
	       resolver_connect_prepare(&process->resolver, pollfds + POLL_RESOLVER);
}

/* Returns 1, 0 when the monitor is gone, or a negative errno value. */
static int serve(struct network_process *process)
{
	struct pollfd pollfds[POLLFDS_MAX];
	size_t nr = prepare(process, pollfds);
	bool is_told = !process->is_blocked;

	if (poll(pollfds, nr, timeout_ms(process)) < 0)
		return errno == EINTR ? 1 : -errno;
	if (pollfds[POLL_MONITOR].revents & POLLIN) {
		int r = hear(process);

		if (r <= 0)
			return r;
		is_told = false;
	} else if (pollfds[POLL_MONITOR].revents & (POLLHUP | POLLERR | POLLNVAL)) {
		return 0;
	}
	if (pollfds[POLL_NEWS].revents)
		read_news(process);
	if (pollfds[POLL_IPV4].revents)
		pass_connections(process, process->loopback.ipv4_fd);
	if (pollfds[POLL_IPV6].revents)
		pass_connections(process, process->loopback.ipv6_fd);
	if (pollfds[POLL_DENIALS].revents)
		network_cards_read_denials(process->cards);
	resolver_connect_serve(&process->resolver);
	if (process->look_at_ms >= 0 && process->look_at_ms <= clock_now_ms()) {
		look(process);
		is_told = false;
	}
	return is_told ? 1 : tell_monitor(process);
}

int network_process_run(const struct network_process_config *config, struct error *err)
{
	struct network_process process = {
		.monitor_fd = config->monitor_fd,
		.files = { -1, -1 },
		.loopback = { -1, -1, -1 },
		.look_at_ms = -1,
	};
	int r;

	resolver_connect_init(&process.resolver, config->resolver_fd);
	r = process_open(&process, config, err);
	if (!r)
		r = config->seal(config->context, err);
	if (r < 0) {
		process_fini(&process);
		return r;
	}
	look(&process);
	r = tell_monitor(&process);
	while (r > 0)
		r = serve(&process);
	process_fini(&process);
	return r < 0 ? error_set(err, -r, "network") : 0;
}
