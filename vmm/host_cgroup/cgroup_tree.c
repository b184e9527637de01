/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/host_cgroup/cgroup_tree.h"

#include <errno.h>
#include <fts.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/host_cgroup/cgroup_file.h"

uint64_t cgroup_tree_inode(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0 && S_ISDIR(st.st_mode) ? st.st_ino : 0;
}

/*
 * Call @visit for each directory of the tree, those inside first. Returns the first value that is
 * not 0, or 0; -ENOENT and the like are for the caller to find.
 */
static int walk(const char *path, int (*visit)(const char *directory))
{
	AUTO_FREE char *copy = strdup(path);
	char *const roots[] = { copy, NULL };
	FTS *tree = copy ? fts_open(roots, FTS_PHYSICAL | FTS_XDEV | FTS_NOCHDIR, NULL) : NULL;
	FTSENT *entry;
	int r = tree ? 0 : -ENOMEM;

	/* NOLINTNEXTLINE(concurrency-mt-unsafe): a tree is one thread's */
	while (!r && (entry = fts_read(tree)))
		if (entry->fts_info == FTS_DP)
			r = visit(entry->fts_path);
	if (tree)
		(void)fts_close(tree);
	return r;
}

/* Call @action for each process in the control group itself. Returns how many there are. */
static int for_each_process(const char *directory, void (*action)(pid_t pid))
{
	char path[PATH_MAX];
	char line[32];
	int count = 0;
	FILE *file;

	if (snprintf(path, sizeof(path), "%s/cgroup.procs", directory) >= (int)sizeof(path))
		return 0;
	file = fopen(path, "re");
	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file)) {
		/* 0: it is in a pid namespace that we cannot see. */
		long pid = strtol(line, NULL, 10);

		count++;
		if (action && pid > 0)
			action((pid_t)pid);
	}
	(void)fclose(file);
	return count;
}

static int visit_count(const char *directory)
{
	return for_each_process(directory, NULL) > 0;
}

bool cgroup_tree_is_populated(const char *path)
{
	uint64_t is_populated;

	if (cgroup_file_read_key(path, "cgroup.events", "populated", &is_populated) == 0)
		return is_populated;
	return walk(path, visit_count) > 0;
}

static void kill_process(pid_t pid)
{
	(void)kill(pid, SIGKILL);
}

/* Frozen they cannot fork, so that none is missed; and in version 1 they die when thawed. */
static int visit_kill(const char *directory)
{
	(void)cgroup_file_write(directory, "freezer.state", "FROZEN");
	(void)for_each_process(directory, kill_process);
	(void)cgroup_file_write(directory, "freezer.state", "THAWED");
	return 0;
}

void cgroup_tree_kill(const char *path)
{
	if (cgroup_file_write(path, "cgroup.kill", "1") < 0)
		(void)walk(path, visit_kill);
}

static int visit_remove(const char *directory)
{
	return rmdir(directory) < 0 && errno != ENOENT ? -errno : 0;
}

int cgroup_tree_remove(const char *path)
{
	/* Nearly always there is nothing below. */
	if (rmdir(path) == 0 || errno == ENOENT)
		return 0;
	return walk(path, visit_remove);
}
