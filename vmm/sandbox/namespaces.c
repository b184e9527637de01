/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/sandbox/namespaces.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/base/log.h"

#define EMPTY_ATTRIBUTES                                                                           \
	(MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)

pid_t namespaces_fork(struct error *err)
{
	AUTO_CLOSE int own = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	pid_t pid;

	if (own < 0)
		return error_set(err, errno, "open /proc/self/ns/pid");
	if (unshare(CLONE_NEWPID) < 0)
		return error_set(err, errno, "create a pid namespace");
	pid = fork();
	if (pid < 0)
		return error_set(err, errno, "start a process of the container");
	if (pid > 0 && setns(own, CLONE_NEWPID) < 0) {
		int code = errno;

		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		return error_set(err, code, "return to our pid namespace");
	}
	return pid;
}

pid_t namespaces_fork_offline(int *ret_network_fd, struct error *err)
{
	AUTO_CLOSE int own = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	AUTO_CLOSE int empty = -1;
	pid_t pid;

	if (own < 0 || unshare(CLONE_NEWNET) < 0)
		return error_set(err, errno, "create an empty network namespace");
	empty = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	pid = empty < 0 ? error_set(err, errno, "open /proc/self/ns/net") : namespaces_fork(err);
	if (pid != 0 && setns(own, CLONE_NEWNET) < 0) {
		int code = errno;

		if (pid > 0) {
			(void)kill(pid, SIGKILL);
			(void)waitpid(pid, NULL, 0);
		}
		return error_set(err, code, "return to our network namespace");
	}
	if (pid > 0)
		*ret_network_fd = fd_take(&empty);
	return pid;
}

pid_t namespaces_fork_into(int cgroup_fd, bool *ret_is_inside, struct error *err)
{
	struct clone_args arguments = {
		.flags = CLONE_NEWPID | CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = (unsigned int)cgroup_fd,
	};
	pid_t pid = -1;

	*ret_is_inside = cgroup_fd >= 0;
	if (cgroup_fd >= 0)
		pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof(arguments));
	if (pid >= 0)
		return pid;
	/* Before Linux 5.7, or a filter around us; what else is wrong shows again. */
	*ret_is_inside = false;
	return namespaces_fork(err);
}

int namespaces_change_root(int root_fd, struct error *err)
{
	/* Old and new root may be the same place: the old one is then stacked on top. */
	if (fchdir(root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return error_set(err, errno, "pivot_root into another tree");
	if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return error_set(err, errno, "leave the host's tree");
	return 0;
}

static int write_file(int dir_fd, const char *name, const char *text)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		return -errno;
	return 0;
}

/* user_namespaces(7): whoever makes a namespace may map its own two ids, once groups are fixed. */
static int map_own_ids(int proc_fd, struct error *err)
{
	char uid_map[32], gid_map[32];
	int r;

	(void)snprintf(uid_map, sizeof(uid_map), "%u %u 1\n", geteuid(), geteuid());
	(void)snprintf(gid_map, sizeof(gid_map), "%u %u 1\n", getegid(), getegid());
	if (unshare(CLONE_NEWUSER) < 0) {
		log_debug("no user namespace for the monitor: %s", strerrordesc_np(errno));
		return 0;
	}
	r = write_file(proc_fd, "setgroups", "deny");
	if (!r)
		r = write_file(proc_fd, "uid_map", uid_map);
	if (!r)
		r = write_file(proc_fd, "gid_map", gid_map);
	return r < 0 ? error_set(err, -r, "map the monitor's user") : 0;
}

static int enter_user_namespace(struct error *err)
{
	AUTO_CLOSE int proc_fd = -1;
	int r;

	/* The files are root's otherwise. */
	if (prctl(PR_SET_DUMPABLE, 1) < 0)
		return error_set(err, errno, "own /proc/self");
	proc_fd = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0)
		return error_set(err, errno, "open /proc/self");
	r = map_own_ids(proc_fd, err);
	(void)prctl(PR_SET_DUMPABLE, 0);
	return r;
}

/* A file system in which nothing can be created, ever. */
static int make_empty_tree(struct error *err)
{
	AUTO_CLOSE int context = fsopen("tmpfs", FSOPEN_CLOEXEC);
	int tree;

	if (context < 0 || fsconfig(context, FSCONFIG_SET_STRING, "size", "4096", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", "1", 0) < 0 ||
	    fsconfig(context, FSCONFIG_SET_STRING, "mode", "0555", 0) < 0 ||
	    fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return error_set(err, errno, "make an empty file system");
	tree = fsmount(context, FSMOUNT_CLOEXEC, EMPTY_ATTRIBUTES);
	return tree < 0 ? error_set(err, errno, "mount an empty file system") : tree;
}

static int enter_empty_root(struct error *err)
{
	AUTO_CLOSE int tree = -1;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return error_set(err, errno, "make all mounts private");
	tree = make_empty_tree(err);
	if (tree < 0)
		return tree;
	if (move_mount(tree, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return error_set(err, errno, "mount an empty root");
	return namespaces_change_root(tree, err);
}

int namespaces_enter_empty(struct error *err)
{
	int r = enter_user_namespace(err);

	if (r < 0)
		return r;
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) < 0)
		return error_set(err, errno, "create namespaces of the monitor's own");
	return enter_empty_root(err);
}

int namespaces_enter_empty_but_network(struct error *err)
{
	if (unshare(CLONE_NEWNS | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP) < 0)
		return error_set(err, errno, "create namespaces of the network process's own");
	return enter_empty_root(err);
}
