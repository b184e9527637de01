/* SPDX-License-Identifier: Apache-2.0 */
/* monitor_calls.c - what the monitor's threads call once it is sealed */
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "vmm/base/checked_math.h"
#include "vmm/sandbox/call_rules.h"

/*
 * Memory comes from the heap alone (memory_from_heap() of sandbox.h): neither mmap nor mprotect is
 * among these, so nothing that is not executable becomes so.
 */
static const struct call_rule event_loop_rules[] = {
	CALL(epoll_wait, "wait for doorbells, streams, requests"),
	CALL(epoll_ctl, "watch a stream that begins, or is full, or ends"),
	CALL(read, "eventfds, signals, standard streams"),
	CALL(write, "eventfds, standard streams, the log"),
	CALL(readv, "frames for the guest, from a network card's tap"),
	CALL(writev, "frames of the guest, to a network card's tap"),
	CALL(recvfrom, "the file server's answers; streams that are sockets"),
	CALL(sendto, "requests to the file server; answers to command lines"),
	CALL(recvmsg, "requests of command lines, with the streams of an exec"),
	CALL(sendmsg, "ask the container process for a connection to a socket"),
	CALL(accept4, "command lines, on the control socket"),
	CALL(shutdown, "end one direction of a stream that is a socket"),
	CALL_IF(poll, "whether a pipe that blocks would", IS(1, 1), IS(2, 0)),
	CALL(close, "streams, connections"),
	CALL_IF(fcntl, "whether a stream of an exec blocks", IS(1, F_GETFL)),
	CALL_IF(statx, "what kind of file a stream is", IS(2, AT_EMPTY_PATH)),
	CALL(pread64, "the text of a request"),
	CALL_IF(ioctl, "the size of the terminal's window", IS(1, TIOCGWINSZ)),
	CALL_IF(ioctl, "interrupts", IS(1, KVM_IRQ_LINE)),
	CALL(getrandom, "the guest's entropy device"),
	CALL(futex, "the locks of devices"),
	CALL_IF(tgkill, "call a processor out of the guest", IS(2, SIGPIPE)),
	CALL(brk, "memory for messages"),
	CALL_IF(madvise, "free pages that the guest reports go back", IS(2, MADV_DONTNEED)),
	CALL(clock_gettime, "the time in a log line, where the vDSO does not know it"),
	CALL(exit_group, "the end"),
};

const struct call_filter event_loop_filter = {
	.role = "event loop",
	.rules = event_loop_rules,
	.nr_rules = ARRAY_SIZE(event_loop_rules),
};

static const struct call_rule vcpu_rules[] = {
	CALL_IF(ioctl, "run the guest", IS(1, KVM_RUN)),
	CALL_IF(ioctl, "interrupts of devices that fail", IS(1, KVM_IRQ_LINE)),
	CALL_IF(ioctl, "tell the guest's clock of a pause", IS(1, KVM_KVMCLOCK_CTRL)),
	CALL(write, "eventfds: the loop's wake-ups; the log"),
	CALL(futex, "the locks of devices; the gate of a pause, and of the end"),
	CALL(rt_sigreturn, "the signal that calls it out of the guest"),
	CALL(clock_gettime, "the time in a log line, where the vDSO does not know it"),
};

const struct call_filter vcpu_filter = {
	.role = "vCPU",
	.rules = vcpu_rules,
	.nr_rules = ARRAY_SIZE(vcpu_rules),
};
