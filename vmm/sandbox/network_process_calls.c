/* SPDX-License-Identifier: Apache-2.0 */
/* network_process_calls.c - what the network process calls once it is sealed */
#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "vmm/base/checked_math.h"
#include "vmm/sandbox/call_rules.h"

static const struct call_rule network_process_rules[] = {
	CALL(poll, "wait for news of the namespace, the monitor, connections"),
	CALL(restart_syscall, "a wait that a stop of the process interrupted"),
	CALL(sendto, "requests to rtnetlink"),
	CALL(recvmsg, "its answers and news; the monitor's questions"),
	CALL(sendmsg, "what the monitor is told and given; requests in a batch"),
	CALL_IF(ioctl, "make a tap of a descriptor", IS(1, TUNSETIFF)),
	CALL_IF(ioctl, "the size of its frames' header", IS(1, TUNSETVNETHDRSZ)),
	CALL_IF(ioctl, "its offloads", IS(1, TUNSETOFFLOAD)),
	CALL_IF(ioctl, "whether it is still there", IS(1, TUNGETIFF)),
	CALL(accept4, "connections to the namespace's loopback"),
	CALL(getsockname, "the port that one is for"),
	CALL_IF(socket, "a connection to the engine's resolver", IS(0, AF_INET),
		IS(1, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK)),
	CALL(connect, "the same"),
	CALL_IF(getsockopt, "whether it was made", IS(1, SOL_SOCKET), IS(2, SO_ERROR)),
	CALL(pread64, "who listens in the namespace: whether there is a resolver"),
	CALL(pwrite64, "the ports that the namespace's own sockets use"),
	CALL_IF(socket, "a socket for the frames that a tap's filter denies", IS(0, AF_PACKET),
		IS(1, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK)),
	CALL(bind, "hear of them"),
	CALL_IF(setsockopt, "of them alone", IS(1, SOL_SOCKET), IS(2, SO_ATTACH_FILTER)),
	CALL_IF(setsockopt, "how many may wait", IS(1, SOL_SOCKET), IS(2, SO_RCVBUF)),
	CALL_IF(getsockopt, "how many there were", IS(1, SOL_PACKET), IS(2, PACKET_STATISTICS)),
	CALL(recvfrom, "the frames"),
	CALL(epoll_ctl, "hear of them no more for a while"),
	CALL(timerfd_settime, "how long"),
	CALL(read, "that it is over"),
	CALL(write, "the log"),
	CALL(close, "connections; a tap that is of no more use"),
	CALL(clock_gettime, "the time, where the vDSO does not know it"),
	CALL(brk, "memory for messages"),
	CALL(exit_group, "the end"),
};

const struct call_filter network_process_filter = {
	.role = "network process",
	.rules = network_process_rules,
	.nr_rules = ARRAY_SIZE(network_process_rules),
};
