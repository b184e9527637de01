/* SPDX-License-Identifier: Apache-2.0 */
/*
 * protocol.h - what the monitor and guest-init say to each other over vsock
 *
 * guest-init connects to the host (CID 2) on PROTOCOL_PORT_CONTROL and sends a HELLO frame. Its
 * connections, this one and those below, come from source ports below PROTOCOL_SOURCE_PORTS, which
 * take a privilege (CAP_NET_BIND_SERVICE): others are refused, since every process of the guest can
 * make some. From then on:
 *
 *   host -> guest   a 32-bit little-endian length, then that many bytes of JSON: the trusted
 *                   direction. One object with a member "type":
 *     "create"  everything about the container, see below; answered by CREATED or ERROR
 *     "start"   let process 0 exec; answered by STARTED or ERROR
 *     "exec"    {"number": N, "process": object as below}: run another process in the container,
 *               with the seccomp filter of "create"; answered by STARTED or ERROR of process N
 *     "signal"  {"process": N, "signal": S}; N is -1 for every process there is
 *     "resize"  {"process": N, "rows": R, "columns": C}
 *     "update"  {"checkMemory": bool, "resources": object as below, "devices" without effect}:
 *               change the container's control group; refused when "checkMemory" is true and more
 *               memory is in use than the new limit. Answered by DONE
 *     "statistics"  {}: what the container uses; answered by PARTs and DONE, see below
 *     "socket"  {"id": N}: listen in the place of a socket of the host, see below; no answer
 *     "socketGone"  {"id": N}: listen there no more
 *     "network"  {"interfaces": [..], "resolver": bool}: what the container's network is from now on,
 *               see below; no answer but ERROR before "start", WARNING after it
 *     "incoming"  {"id": N, "port": P}: connect to port P of the container's loopback and, from
 *               there, to port PROTOCOL_PORT_INCOMING + N of the host; no answer
 *
 * The machine may have been saved before the connection was accepted, and be one of many that go on
 * from there. So entropy and time come first: before anything else of "create" is done the pool has
 * the one, and CLOCK_REALTIME is the other. Nothing before that draws a random number which is
 * kept, and /proc/sys/kernel/random/boot_id, made when it is first read, is not read.
 *
 * A process has a number: 0 for the container's first, others as the host chooses. A number is free
 * again once its process has been reported EXITED (or its ERROR was) and its streams have ended.
 *
 *   guest -> host   struct protocol_frame, fixed size: the hostile direction.
 *
 * The bytes of a process's standard streams have a vsock connection each, made by guest-init to
 * port protocol_stream_port(process, stream) before it reports CREATED, or STARTED of a process
 * that "exec" asked for. EOF travels as a vsock shutdown of the sending direction. Stream
 * PROTOCOL_STDIN flows host -> guest, STDOUT and STDERR guest -> host, TERMINAL (alone, instead of
 * the three) both ways.
 *
 * Unix sockets of the host inside of bind mounts: the shared tree shows them as sockets, to which
 * nobody listens in the guest. When a process is about to use one, the file server offers it under
 * a number ("socket"). guest-init then
 *   1. binds a unix socket to the name PROTOCOL_SOCKET_NAME in the root of the shared tree. The
 *      file server answers with the node of the host's socket, so that the new socket is found by
 *      whoever connects to that node, under all of its names and with its owner and mode;
 *   2. listens, and looks the name up again, in vain: the file server then lets the process go on;
 *   3. for each connection makes one to port PROTOCOL_PORT_SOCKETS + N of the host, and passes on
 *      bytes and the end of either direction.
 * The numbers are random, and no process but guest-init is told of them: so nobody goes around the
 * permissions of the socket.
 *
 * The network: the card of slot N is the device PROTOCOL_CARD_NAME of the bus "platform", which its
 * driver is bound to when it is named here and unbound from when it no longer is. Each "network"
 * message is the whole state; guest-init does what makes the difference to the one before. Members
 * of an interface (always present unless marked ?):
 *   "card": N, "name": "eth0", "mac": "02:42:ac:11:00:02", "mtu": bytes, "up": bool
 *   "addresses": [{"address": "172.17.0.2", "prefix": 16, "broadcast"?: "172.17.255.255",
 *                  "scope": RT_SCOPE_…, "noPrefixRoute"?: true}], IPv4 and IPv6; the last is for
 *      an address without the route to its neighbours that the kernel would make
 *   "routes": [{"family": AF_…, "destination"?: "10.0.0.0" (absent: default), "prefix": 8,
 *               "gateway"?: "172.17.0.1", "source"?: address, "metric"?: n, "scope": RT_SCOPE_…,
 *               "type": RTN_…, "flags": RTNH_F_ONLINK or 0, "mtu"?: bytes}] of the main table, those
 *      that the kernel makes of addresses left out
 *   "neighbours": [{"address": "172.17.0.1", "mac": ".."}], permanent ones
 * With "resolver" true guest-init answers at 127.0.0.11, port 53, of the container (UDP and TCP), by
 * connections to PROTOCOL_PORT_RESOLVER of the host, where DNS is spoken as over TCP (RFC 1035,
 * section 4.2.2).
 *
 * A PART of statistics is text: the name of a file of the container's control group, then what is
 * in it, words divided by white space; a file with many lines has several parts. "memory.bound" is
 * not such a file: it is the most that the guest gives, whatever "memory.max" says.
 *
 * When process 0 has ended, guest-init ends every process it left behind, drains the streams to
 * their end, detaches the shared tree (nothing in it waits to be written) and then sends EXITED;
 * the monitor ends the VM. EXITED of another process comes when what it wrote has been sent; its
 * streams may go on, since processes that it left behind may hold them.
 *
 * The "create" object (members are always present unless marked ?):
 *   "time": nanoseconds since 1970 by the host's clock, when the message was sent
 *   "entropy": 128 hex digits for the kernel's random pool
 *   "hostname"?, "domainname"?: strings
 *   "namespaces": ["pid","mount","ipc","uts","cgroup","network","user","time"], those to unshare
 *   "uidMappings"?, "gidMappings"?: [{"containerID", "hostID", "size"}], of the user namespace: ids
 *      of the container and what they are in the guest, which is what the shared tree has. All
 *      other ids of this object are the container's
 *   "readonlyRootfs": bool (true: remount the root read-only after the mounts are made)
 *   "rootfsPropagation": MS_SHARED, MS_SLAVE, … or 0
 *   "mounts": [{"destination": absolute path, "type": string, "source": string,
 *               "flags": MS_… bits for mount(2), "clearFlags": MS_… bits,
 *               "propagation": MS_… bits or 0, "data": comma-separated file system options,
 *               "recursiveReadonly": bool, "copyUp": bool, "isFile": bool}]
 *      in order. "type" "bind" means: the host has put the source at the same path of the shared
 *      tree already; bind it onto itself (or from the shared tree over what covers it) with the
 *      flags. Others are mounted in the guest.
 *   "devices": [{"path", "type": "c"|"b"|"p", "major", "minor", "mode", "uid", "gid"}]
 *   "sysctl": {"name": "value"}
 *   "timeOffsets"?: [{"clock": "monotonic"|"boottime", "seconds": n, "nanoseconds": n}], those of
 *      the time namespace
 *   "maskedPaths", "readonlyPaths": [paths]
 *   "resources": {
 *      "controls": [{"file": name, "value": text, "field": path in config.json}]
 *          files of the container's control group (version 2) to write, in order; an error names
 *          the field
 *      "devices": [{"allow": bool, "type": "a"|"b"|"c", "major", "minor": number or -1 for any,
 *                   "access": BPF_DEVCG_ACC_… bits}]
 *          of each kind of access the last rule for a device decides; without one it is denied
 *   }
 *   "startContainer"?: {"state": the container's state, which gets a member "pid",
 *                       "hooks": [{"path", "args": [..], "env": [..],
 *                                  "timeout": seconds (0: none)}]}
 *      programs to run in the container's process, as its user, right before its program
 *   "process": {
 *      "terminal": bool, "rows": R, "columns": C (0: not given),
 *      "args": [..], "env": [..], "cwd": path,
 *      "uid", "gid": numbers, "additionalGids": [..], "umask": number,
 *      "capabilities": {"bounding": mask, "effective": mask, "inheritable": mask,
 *                       "permitted": mask, "ambient": mask}?   (bit N = capability N)
 *      "rlimits": [{"resource": RLIMIT_…, "soft": n, "hard": n}]  (-1: infinity)
 *      "noNewPrivileges": bool, "oomScoreAdj"?: number,
 *      "personality"?: PER_… for personality(2),
 *      "scheduler"?: {"policy", "flags", "nice", "priority", "runtime", "deadline", "period"}
 *          as in struct sched_attr
 *      "ioPriority"?: number for ioprio_set(2),
 *      "initialCpus"?, "finalCpus"?: masks of the processors for an exec
 *      "seccomp": {"flags": SECCOMP_FILTER_FLAG_… bits, "filter": [..]}   (empty: no filter)
 *          an instruction is code << 48 | jt << 40 | jf << 32 | k of struct sock_filter }
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define PROTOCOL_VERSION 4
#define PROTOCOL_PORT_CONTROL 1024u
#define PROTOCOL_PORT_STREAMS 65536u
#define PROTOCOL_JSON_MAX (8u << 20) /* bytes of one host -> guest message */
#define PROTOCOL_TIME_MAX 64u	     /* of them for "time" */
#define PROTOCOL_TEXT_SIZE 1008
#define PROTOCOL_PROCESSES_MAX 256u

#define PROTOCOL_PORT_SOCKETS 0x40000000u
#define PROTOCOL_PORT_RESOLVER 1025u
#define PROTOCOL_PORT_INCOMING 0x20000000u
#define PROTOCOL_INCOMING_MAX 64u	 /* connections at a time; their numbers are below */
#define PROTOCOL_CARD_NAME "%08x.virtio" /* as Linux names nodes of the device tree */
#define PROTOCOL_CARD_BASE 0xd0004000u	 /* its number, slot 0 */
#define PROTOCOL_CARD_STRIDE 0x1000u
#define PROTOCOL_CARDS 4u
#define PROTOCOL_SOCKET_ID_MAX 0x3fffffffu	 /* from 1 */
#define PROTOCOL_SOCKETS_MAX 256u		 /* sockets of the host on offer at a time */
#define PROTOCOL_SOCKET_CONNECTIONS_MAX 64u	 /* to all of them together */
#define PROTOCOL_SOCKET_NAME ".bulkhead-socket-" /* its number in decimal follows */
#define PROTOCOL_TEMPLATE_ARGUMENT "template"	 /* of guest-init, when the machine is saved */
#define PROTOCOL_SOURCE_PORTS 1024u
#define PROTOCOL_PARTS_MAX 64u /* of one answer */

enum protocol_stream {
	PROTOCOL_STDIN,
	PROTOCOL_STDOUT,
	PROTOCOL_STDERR,
	PROTOCOL_TERMINAL,
	PROTOCOL_NR_STREAMS,
};

enum protocol_frame_type {
	PROTOCOL_HELLO = 1, /* code: PROTOCOL_VERSION */
	PROTOCOL_CREATED,   /* everything up to, not including, execve is done */
	PROTOCOL_STARTED,   /* execve succeeded */
	PROTOCOL_ERROR,	    /* code: errno value or 0; text: one sentence for the user */
	PROTOCOL_EXITED,    /* code: exit code, or signal number with is_signal */
	PROTOCOL_OOM,	    /* code: how many processes the OOM killer has ended so far */
	PROTOCOL_PART,	    /* text: a part of an answer, DONE ends it */
	PROTOCOL_DONE,	    /* code: 0, or errno value; text: one sentence for the user */
	PROTOCOL_WARNING,   /* text: one sentence for the host's log */
};

/* Guest to host. Little-endian, as both sides are. */
struct protocol_frame {
	uint32_t type;	  /* enum protocol_frame_type */
	uint32_t process; /* 0: the container's first process */
	uint32_t code;
	uint32_t is_signal;	       /* 0 or 1 */
	char text[PROTOCOL_TEXT_SIZE]; /* NUL-terminated; the host checks */
};
_Static_assert(sizeof(struct protocol_frame) == 1024, "frames have a fixed size");

static inline uint32_t protocol_stream_port(uint32_t process, enum protocol_stream stream)
{
	return PROTOCOL_PORT_STREAMS + process * PROTOCOL_NR_STREAMS + (uint32_t)stream;
}

/* Whether @port of the host stands for a socket on offer. */
static inline bool protocol_is_socket_port(uint32_t port)
{
	return port > PROTOCOL_PORT_SOCKETS &&
	       port - PROTOCOL_PORT_SOCKETS <= PROTOCOL_SOCKET_ID_MAX;
}
