/* SPDX-License-Identifier: Apache-2.0 */
/* test_mount_tree.c - what of the host a container's tree leads to, as its file server sees it */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/malformed_configs.h"
#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/fd.h"
#include "vmm/container/mount_tree.h"

#define NOT_ENTERED 255

/* In a process of its own, with the tree as its root: 0 or the errno value of opening @path. */
static int open_in_tree(const struct container_config *config, const char *path, int flags)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		uint64_t *binds = calloc(config->nr_mounts, sizeof(*binds));
		size_t nr_binds;
		struct error err;

		int root_fd = !binds || unshare(CLONE_NEWNS) < 0
				      ? -1
				      : mount_tree_build(config, binds, &nr_binds, &err);

		if (root_fd < 0 || mount_tree_enter(root_fd, config, &err) < 0)
			_exit(NOT_ENTERED);
		_exit(open(path, flags | O_CLOEXEC, 0600) < 0 ? errno : 0);
	}
	is_int(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : NOT_ENTERED;
}

static int make_in_tree(const struct container_config *config, const char *path)
{
	return open_in_tree(config, path, O_WRONLY | O_CREAT);
}

static struct container_config *load(const char *change, const char *directory)
{
	AUTO_FREE char *text = changed_config_text(change);
	struct container_config *config = NULL;
	struct error err;

	if (!ok(text && container_config_parse(text, strlen(text), directory, &config, &err) == 0))
		printf("# %s\n", err.text);
	return config;
}

/*
 * A guest's kernel may ignore that a mount is read-only, so that it is read-only here, whatever
 * the guest asks the file server for.
 */
static void test_readonly(const char *directory)
{
	static const char change[] =
		"{'root':{'path':'rootfs','readonly':true},'mounts':["
		"{'destination':'/kept','type':'bind','source':'volume','options':['bind','ro']},"
		"{'destination':'/deep','type':'bind','source':'volume','options':['rbind','ro']},"
		"{'destination':'/open','type':'bind','source':'volume','options':['bind']}]}";
	struct container_config *config = load(change, directory);

	if (!config)
		return;
	is_int(make_in_tree(config, "/new"), EROFS);
	is_int(make_in_tree(config, "/kept/new"), EROFS);
	is_int(make_in_tree(config, "/deep/new"), EROFS);
	is_int(open_in_tree(config, "/kept/old", O_WRONLY), EROFS);
	is_int(open_in_tree(config, "/kept/old", O_RDONLY), 0);
	is_int(open_in_tree(config, "/open/old", O_WRONLY), 0);
	container_config_free(config);
}

/* Device nodes of an image or a volume are not the host's devices, should one ever be opened. */
static void test_devices(const char *directory)
{
	static const char change[] =
		"{'mounts':[{'destination':'/open','type':'bind','source':'volume',"
		"'options':['bind']}]}";
	struct container_config *config = load(change, directory);

	if (!config)
		return;
	is_int(open_in_tree(config, "/null", O_RDONLY), EACCES);
	is_int(open_in_tree(config, "/open/null", O_RDONLY), EACCES);
	container_config_free(config);
}

/*
 * The covers of the guest's own file systems are this host's memory: nothing can be put there,
 * while mount points below them were made, and what is mounted on those can be written.
 */
static void test_covers(const char *directory)
{
	static const char change[] =
		"{'mounts':[{'destination':'/dev','type':'tmpfs','source':'tmpfs'},"
		"{'destination':'/dev/volume','type':'bind','source':'volume','options':['bind']},"
		"{'destination':'/proc','type':'proc','source':'proc'}]}";
	struct container_config *config = load(change, directory);

	if (!config)
		return;
	is_int(make_in_tree(config, "/dev/file"), EROFS);
	is_int(make_in_tree(config, "/proc/file"), EROFS);
	is_int(make_in_tree(config, "/dev/volume/file"), 0);
	is_int(make_in_tree(config, "/file"), 0);
	container_config_free(config);
}

int main(void)
{
	char directory[SCRATCH_DIR_SIZE];
	int fd;

	if (geteuid()) {
		printf("1..0 # skip needs root\n");
		return 0;
	}
	(void)setvbuf(stdout, NULL, _IONBF, 0);
	scratch_dir_make(directory);
	fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	ok(fd >= 0 && mkdirat(fd, "rootfs", 0755) == 0 && mkdirat(fd, "volume", 0755) == 0);
	/* Major 1, minor 3 is /dev/null: opening it would succeed. */
	ok(mknodat(fd, "rootfs/null", S_IFCHR | 0666, 0x103) == 0 &&
	   mknodat(fd, "volume/null", S_IFCHR | 0666, 0x103) == 0 &&
	   mknodat(fd, "volume/old", S_IFREG | 0666, 0) == 0);
	test_covers(directory);
	test_readonly(directory);
	test_devices(directory);
	ok(faccessat(fd, "rootfs/file", F_OK, 0) == 0 &&
	   faccessat(fd, "volume/file", F_OK, 0) == 0);
	(void)close(fd);
	scratch_dir_remove(directory);
	return tap_done();
}
