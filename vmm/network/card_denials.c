/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/network/card_denials.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/network/denied_frame.h"

#define NR_SOCKETS 3
#define READS_MAX 64u	       /* frames of a card in one call */
#define WINDOW_READS_MAX 1024u /* and in a window, also when there is nothing to tell of them */
#define RECEIVE_BUFFER 16384

static const uint16_t protocols[NR_SOCKETS] = { ETH_P_IP, ETH_P_IPV6, ETH_P_ARP };

struct watched {
	int fds[NR_SOCKETS];
	bool is_watched, is_silent, is_heard;
	struct denied_card card;
	unsigned int nr_lines, nr_reads; /* in this window */
	unsigned int nr_taken;		 /* read since the kernel's count was reset */
};

struct card_denials {
	int epoll_fd, timer_fd;
	int window_s;
	bool is_timed; /* a window has begun */
	struct watched slots[NETWORK_SLOTS];
};

/* When there is a card, not before: the end of each such socket waits for the whole machine. */
static int open_slot(struct watched *slot, struct error *err)
{
	for (size_t i = 0; i < NR_SOCKETS && slot->fds[i] < 0; i++) {
		const int size = RECEIVE_BUFFER;
		/* Of no protocol: it gets nothing until it is bound. */
		int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

		if (fd < 0)
			return error_set(err, errno, "packet socket");
		slot->fds[i] = fd;
		if (setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size)) < 0)
			return error_set(err, errno, "packet socket");
	}
	return 0;
}

int card_denials_new(struct card_denials **ret, int window_s, struct error *err)
{
	struct card_denials *denials = calloc(1, sizeof(*denials));
	struct epoll_event event = { .events = EPOLLIN };
	int r = 0;

	if (!denials)
		return error_set(err, ENOMEM, "denied frames");
	denials->window_s = window_s;
	for (uint32_t i = 0; i < NETWORK_SLOTS; i++)
		for (size_t j = 0; j < NR_SOCKETS; j++)
			denials->slots[i].fds[j] = -1;
	denials->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	denials->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (denials->epoll_fd < 0 || denials->timer_fd < 0 ||
	    epoll_ctl(denials->epoll_fd, EPOLL_CTL_ADD, denials->timer_fd, &event) < 0)
		r = error_set(err, errno, "denied frames");
	if (r < 0) {
		card_denials_free(denials);
		return r;
	}
	*ret = denials;
	return 0;
}

void card_denials_free(struct card_denials *denials)
{
	if (!denials)
		return;
	for (uint32_t i = 0; i < NETWORK_SLOTS; i++)
		for (size_t j = 0; j < NR_SOCKETS; j++)
			fd_close(&denials->slots[i].fds[j]);
	fd_close(&denials->epoll_fd);
	fd_close(&denials->timer_fd);
	free(denials);
}

int card_denials_fd(const struct card_denials *denials)
{
	return denials->epoll_fd;
}

/*
 * Whether what comes to the slot wakes us up. One that does not is not in the set at all: there,
 * the error of a tap that went would wake us up all the time.
 */
static void listen_to(const struct card_denials *denials, struct watched *slot, bool is_heard)
{
	if (slot->is_heard == is_heard)
		return;
	slot->is_heard = is_heard;
	for (size_t i = 0; i < NR_SOCKETS; i++) {
		struct epoll_event event = { .events = EPOLLIN };

		(void)epoll_ctl(denials->epoll_fd, is_heard ? EPOLL_CTL_ADD : EPOLL_CTL_DEL,
				slot->fds[i], &event);
	}
}

/* Keep the first bytes of frames for other hosts, or nothing. */
static int set_filter(int fd, bool takes)
{
	struct sock_filter program[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OTHERHOST, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, takes ? DENIED_FRAME_SIZE : 0),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog filter = { ARRAY_SIZE(program), program };

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ? -errno
											 : 0;
}

static int watch_socket(int fd, uint16_t protocol, uint32_t tap_ifindex)
{
	const struct sockaddr_ll address = { .sll_family = AF_PACKET,
					     .sll_protocol = htons(protocol),
					     .sll_ifindex = (int)tap_ifindex };
	int r = set_filter(fd, true);

	if (!r && bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		r = -errno;
	return r;
}

/* Forget what came. Returns how many of all that came since the last time were not read. */
static unsigned int drain(struct watched *slot)
{
	unsigned int count = 0, nr_taken = slot->nr_taken;

	for (size_t i = 0; i < NR_SOCKETS; i++) {
		struct tpacket_stats statistics = { 0 };
		socklen_t size = sizeof(statistics);
		char byte;

		/* The buffer holds few; that more come meanwhile is no reason to stay. */
		for (unsigned int j = 0; j < READS_MAX; j++)
			if (recv(slot->fds[i], &byte, sizeof(byte), 0) < 0 && errno != ENETDOWN)
				break;
		if (getsockopt(slot->fds[i], SOL_PACKET, PACKET_STATISTICS, &statistics, &size) ==
		    0)
			count += statistics.tp_packets;
	}
	slot->nr_taken = 0;
	return count > nr_taken ? count - nr_taken : 0;
}

int card_denials_watch(struct card_denials *denials, uint32_t slot_index,
		       const struct network_interface *interface, uint32_t tap_ifindex,
		       const struct network_policy *policy, struct error *err)
{
	struct watched *slot = &denials->slots[slot_index];
	int r;

	memcpy(slot->card.name, interface->name, sizeof(slot->card.name));
	memcpy(slot->card.mac, interface->mac, sizeof(slot->card.mac));
	memcpy(slot->card.addresses, interface->addresses, sizeof(slot->card.addresses));
	slot->card.nr_addresses = interface->nr_addresses;
	slot->card.allows_spoofing = policy->allows_spoofing;
	slot->card.has_allow_list = policy->has_allow_list;
	r = open_slot(slot, err);
	if (r < 0)
		return r;
	for (size_t i = 0; !r && i < NR_SOCKETS; i++)
		r = watch_socket(slot->fds[i], protocols[i], tap_ifindex);
	if (r < 0) {
		card_denials_unwatch(denials, slot_index);
		return error_set(err, -r, "watch what %s denies", interface->name);
	}
	slot->is_watched = true;
	if (!slot->is_silent)
		listen_to(denials, slot, true);
	return 0;
}

void card_denials_unwatch(struct card_denials *denials, uint32_t slot_index)
{
	struct watched *slot = &denials->slots[slot_index];

	for (size_t i = 0; i < NR_SOCKETS; i++)
		(void)set_filter(slot->fds[i], false);
	(void)drain(slot);
	listen_to(denials, slot, false);
	slot->is_watched = false;
	slot->is_silent = false;
	slot->nr_lines = 0;
	slot->nr_reads = 0;
}

static void begin_window(struct card_denials *denials)
{
	const struct itimerspec once = { .it_value.tv_sec = denials->window_s };

	denials->is_timed =
		denials->is_timed || timerfd_settime(denials->timer_fd, 0, &once, NULL) == 0;
}

static void end_window(struct card_denials *denials, card_denials_fn tell, void *context)
{
	char line[CARD_DENIALS_LINE_SIZE];

	denials->is_timed = false;
	for (uint32_t i = 0; i < NETWORK_SLOTS; i++) {
		struct watched *slot = &denials->slots[i];

		if (slot->is_silent) {
			unsigned int count = drain(slot);

			(void)snprintf(line, sizeof(line), "%s: denied %u more frames",
				       slot->card.name, count);
			tell(context, line);
			slot->is_silent = false;
			listen_to(denials, slot, slot->is_watched);
		}
		slot->nr_lines = 0;
		slot->nr_reads = 0;
	}
}

static void read_slot(struct card_denials *denials, struct watched *slot, card_denials_fn tell,
		      void *context)
{
	unsigned int nr_left = READS_MAX;

	for (size_t i = 0; i < NR_SOCKETS && !slot->is_silent; i++) {
		while (nr_left && !slot->is_silent) {
			char line[CARD_DENIALS_LINE_SIZE];
			uint8_t frame[DENIED_FRAME_SIZE];
			ssize_t size = recv(slot->fds[i], frame, sizeof(frame), 0);

			/* Otherwise there is nothing, or the tap went; told once, that is over. */
			if (size < 0)
				break;
			nr_left--;
			slot->nr_reads++;
			slot->nr_taken++;
			begin_window(denials);
			if (denied_frame_describe(&slot->card, frame, (size_t)size, line,
						  sizeof(line))) {
				tell(context, line);
				slot->nr_lines++;
			}
			slot->is_silent = slot->nr_lines == CARD_DENIALS_LINES ||
					  slot->nr_reads == WINDOW_READS_MAX;
		}
	}
	if (slot->is_silent)
		listen_to(denials, slot, false);
}

void card_denials_read(struct card_denials *denials, card_denials_fn tell, void *context)
{
	uint64_t expirations;

	if (read(denials->timer_fd, &expirations, sizeof(expirations)) == sizeof(expirations))
		end_window(denials, tell, context);
	for (uint32_t i = 0; i < NETWORK_SLOTS; i++)
		if (denials->slots[i].is_watched && !denials->slots[i].is_silent)
			read_slot(denials, &denials->slots[i], tell, context);
}
