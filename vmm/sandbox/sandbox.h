/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.h - the processes of a container on their way to as little as possible
 *
 *                      monitor                             container process (serves files)
 *   before config      does not exist                      does not exist
 *   config parsed,     opens nothing but what it maps;     builds the container's tree, runs its
 *   all files open     creates the VM, reads no byte of    hooks, enters the tree
 *                      the guest's
 *   sealing            monitor_seal()                      container_process_seal()
 *                      a user of its own, no capability;   process_capabilities()
 *                      namespaces of its own, empty root;  over the container's tree; its pid,
 *                      Landlock: nothing                   mount, ipc, uts, network namespaces
 *   sealed             every thread loads its filter of system calls (call_filter.h), then the
 *                      guest runs its first instruction, and the first request is served
 *
 * The network process is like the monitor, network_process_seal(), but that it stays in the
 * container's network namespace and keeps the capabilities over it.
 *
 * All: no_new_privs, bounding set and securebits closed, not dumpable, no core file, no locked
 * memory, none of the engine's environment, no descriptor but those they need.
 *
 * Thread: the process has one only until it is sealed.
 */
#pragma once

#include <linux/capability.h>
#include <stdint.h>
#include <sys/types.h>

#include "vmm/base/error.h"

/*
 * For the first lines of a process: malloc() takes memory from the heap alone, for all threads, so
 * that no filter needs mmap(2).
 */
void sandbox_use_heap_only(void);

/*
 * Seal the monitor but for its filters: it becomes user and group @id, and has at most @nr_threads
 * threads.
 */
int monitor_seal(uid_t id, unsigned int nr_threads, struct error *err);

/*
 * Seal the network process but for its filter: it becomes user and group @id, and keeps
 * NETWORK_PROCESS_CAPABILITIES.
 */
int network_process_seal(uid_t id, struct error *err);

#define NETWORK_PROCESS_CAPABILITIES (UINT64_C(1) << CAP_NET_ADMIN | UINT64_C(1) << CAP_NET_RAW)

/*
 * Seal the container process but for its filters, inside the container's tree. @container_caps
 * (bit N: capability N) is what its processes may ever have.
 */
int container_process_seal(uint64_t container_caps, struct error *err);

/*
 * What the container process keeps: for serving files, where the container may even to create
 * device nodes and to set capabilities on files; and to pass signals on to the monitor, another
 * user's process.
 */
uint64_t process_capabilities(uint64_t container_caps);
