/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup_tree.h - a control group in one hierarchy, with all below it
 *
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* The inode number of the directory, which the kernel does not give to a later one. 0: none. */
uint64_t cgroup_tree_inode(const char *path);

/* True when a process is in it or below. */
bool cgroup_tree_is_populated(const char *path);

/* SIGKILL to every process in it and below, once; frozen ones die too. */
void cgroup_tree_kill(const char *path);

/*
 * Remove the directory and those below it. Returns 0, also when there is none, or a negative errno
 * value: -EBUSY while there are processes.
 */
int cgroup_tree_remove(const char *path);
