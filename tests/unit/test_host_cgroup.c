/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_host_cgroup.c - a container's control group in directories that stand for hierarchies
 *
 * Here directories have no control files but those that a test makes.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/host_cgroup/cgroup_file.h"
#include "vmm/host_cgroup/host_cgroup.h"

static char top[SCRATCH_DIR_SIZE];
static struct cgroup_layout layout;
static struct host_cgroup cgroup;
static struct error err;

static void write_file(const char *path, const char *text)
{
	char full[256];
	FILE *file;

	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	file = fopen(full, "w");
	ok(file && fputs(text, file) >= 0);
	if (file)
		(void)fclose(file);
}

static void make_dir(const char *path)
{
	char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	ok(mkdir(full, 0755) == 0);
}

static bool exists(const char *path)
{
	char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	return access(full, F_OK) == 0;
}

static void file_is(const char *path, const char *want)
{
	char text[256] = "";

	is_int(cgroup_file_read(top, path, text, sizeof(text)), 0);
	is_str(text, want);
}

/* Remove a file, or an empty directory. */
static void drop(const char *path)
{
	char full[256];

	(void)snprintf(full, sizeof(full), "%s/%s", top, path);
	ok(remove(full) == 0);
}

/* @mounts is a mountinfo in which '@' stands for the test's directory. */
static void set_up(const char *self_cgroup, const char *mounts)
{
	char text[1024] = "";

	scratch_dir_make(top);
	for (; *mounts; mounts++)
		(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s",
			       *mounts == '@' ? top : (const char[]){ *mounts, 0 });
	ok(cgroup_layout_parse(self_cgroup, text, NULL, &layout, &err) == 0);
}

#define UNIFIED_SELF "0::/own/run\n"
#define UNIFIED_MOUNTS "1 0 0:1 / @ rw - cgroup2 none rw\n"
#define HYBRID_SELF "2:cpuset:/\n1:memory:/own\n0::/\n"
#define HYBRID_MOUNTS                                                                              \
	"1 0 0:1 / @/cpuset rw - cgroup none rw,cpuset\n"                                          \
	"2 0 0:2 / @/memory rw - cgroup none rw,memory\n"                                          \
	"3 0 0:3 / @/unified rw - cgroup2 none rw\n"

static void tear_down(void)
{
	host_cgroup_clear(&cgroup);
	cgroup_layout_clear(&layout);
	scratch_dir_remove(top);
}

static int plan(enum cgroup_manager manager, const char *path)
{
	const struct host_cgroup_request request = { .manager = manager,
						     .cgroups_path = path,
						     .id = "box" };

	host_cgroup_clear(&cgroup);
	return host_cgroup_plan(&request, &layout, &cgroup, &err);
}

/* The path of directory @index, without what is the test's. */
static const char *planned(size_t index)
{
	return cgroup.dirs[index].path + strlen(top);
}

static void test_plan(void)
{
	set_up(UNIFIED_SELF, UNIFIED_MOUNTS);
	is_int(plan(CGROUP_MANAGER_CGROUPFS, "/a/b"), 0);
	is_int(cgroup.nr_dirs, 1);
	is_str(planned(0), "/a/b");
	is_str(cgroup.oom.path + strlen(top), "/a/b.oom");
	is_int(plan(CGROUP_MANAGER_CGROUPFS, NULL), 0);
	is_str(planned(0), "/own/box"); /* beside the caller's, which has processes in it */
	is_int(plan(CGROUP_MANAGER_SYSTEMD, "m.slice:p:n"), 0);
	is_str(planned(0), "/m.slice/p-n.scope");
	is_int(plan(CGROUP_MANAGER_SYSTEMD, "/a"), -EINVAL);
	is_int(plan(CGROUP_MANAGER_CGROUPFS, "/"), -EINVAL);
	tear_down();

	set_up(HYBRID_SELF, HYBRID_MOUNTS);
	is_int(plan(CGROUP_MANAGER_CGROUPFS, NULL), 0);
	is_int(cgroup.nr_dirs, 3);
	is_str(planned(0), "/cpuset/box");
	is_str(planned(1), "/memory/own/box");
	is_str(planned(2), "/unified/box");
	ok(!cgroup.oom.path);
	tear_down();
}

static void test_make_unified(void)
{
	set_up(UNIFIED_SELF, UNIFIED_MOUNTS);
	write_file("cgroup.controllers", "memory pids\n");
	write_file("cgroup.subtree_control", "");
	make_dir("a");
	write_file("a/cgroup.subtree_control", "");
	is_int(plan(CGROUP_MANAGER_CGROUPFS, "/a/b/c"), 0);
	is_int(host_cgroup_make(&cgroup, &err), 0);
	file_is("cgroup.subtree_control", "+pids"); /* one after the other */
	file_is("a/cgroup.subtree_control", "+pids");
	ok(exists("a/b/c"));
	ok(cgroup.dirs[0].inode != 0);
	ok(!exists("a/b/c.oom")); /* no memory controller to be seen in the new one */
	is_int(host_cgroup_remove(&cgroup, 0, &err), 0);
	ok(!exists("a/b/c") && exists("a/b"));
	is_int(host_cgroup_remove(&cgroup, 0, &err), 0);
	tear_down();
}

static void test_make_hybrid(void)
{
	set_up(HYBRID_SELF, HYBRID_MOUNTS);
	make_dir("cpuset");
	make_dir("memory");
	make_dir("unified");
	make_dir("cpuset/a");
	write_file("cpuset/cpuset.cpus", "0-3\n");
	write_file("cpuset/cpuset.mems", "0\n");
	write_file("cpuset/a/cpuset.cpus", "\n");
	write_file("cpuset/a/cpuset.mems", "1\n");
	is_int(plan(CGROUP_MANAGER_CGROUPFS, "/a/b"), 0);
	/* The directory itself has no cpuset files here: that failure takes back what was made. */
	ok(host_cgroup_make(&cgroup, &err) < 0);
	ok(strstr(err.text, "create control group") && strstr(err.text, "cpuset/a/b"));
	ok(!exists("cpuset/a/b") && !exists("memory/a"));
	file_is("cpuset/a/cpuset.cpus", "0-3\n"); /* what was empty is the parent's */
	file_is("cpuset/a/cpuset.mems", "1\n");
	tear_down();
}

static void test_undo(void)
{
	set_up("2:freezer:/\n1:memory:/\n", "1 0 0:1 / @/freezer rw - cgroup none rw,freezer\n"
					    "2 0 0:2 / @/memory rw - cgroup none rw,memory\n");
	make_dir("freezer");
	make_dir("memory");
	write_file("memory/a", "not a directory");
	is_int(plan(CGROUP_MANAGER_CGROUPFS, "/a/b/c"), 0);
	is_int(host_cgroup_make(&cgroup, &err), -ENOTDIR);
	ok(!exists("freezer/a/b/c"));
	drop("memory/a");
	make_dir("memory/a");
	make_dir("memory/a/b");
	make_dir("memory/a/b/c");
	write_file("memory/a/b/c/cgroup.procs", "1\n");
	is_int(host_cgroup_make(&cgroup, &err), -EBUSY);
	ok(strstr(err.text, "container's cgroup is not empty: ") != NULL);
	ok(exists("memory/a/b/c") && !exists("freezer/a/b/c"));
	tear_down();
}

/* An empty one of the same path is no obstacle, and is ours alone afterwards. */
static void test_replace(void)
{
	uint64_t inode;
	struct stat st;

	set_up("1:memory:/\n", "1 0 0:1 / @ rw - cgroup none rw,memory\n");
	make_dir("box");
	make_dir("box/inner");
	is_int(plan(CGROUP_MANAGER_CGROUPFS, "/box"), 0);
	is_int(host_cgroup_make(&cgroup, &err), 0);
	ok(!exists("box/inner"));
	inode = cgroup.dirs[0].inode;
	ok(stat(cgroup.dirs[0].path, &st) == 0 && st.st_ino == inode);

	/* What somebody else has put in its place stays, and cannot be joined. */
	make_dir("other");
	write_file("other/cgroup.procs", "");
	drop("box");
	ok(rename(strcat(strcpy((char[256]){ 0 }, top), "/other"), cgroup.dirs[0].path) == 0);
	ok(host_cgroup_join(&cgroup, false, &err) < 0);
	file_is("box/cgroup.procs", "");
	is_int(host_cgroup_remove(&cgroup, 0, &err), 0);
	ok(exists("box"));
	tear_down();
}

static void test_join(void)
{
	set_up("1:memory:/\n", "1 0 0:1 / @ rw - cgroup none rw,memory\n");
	is_int(plan(CGROUP_MANAGER_CGROUPFS, "/box"), 0);
	ok(host_cgroup_join(&cgroup, false, &err) < 0); /* not made yet */
	is_int(host_cgroup_make(&cgroup, &err), 0);
	write_file("box/cgroup.procs", "");
	is_int(host_cgroup_join(&cgroup, false, &err), 0);
	file_is("box/cgroup.procs", "0");
	tear_down();
}

static void test_json(void)
{
	struct host_cgroup loaded;
	json_t *json;

	set_up(UNIFIED_SELF, UNIFIED_MOUNTS);
	is_int(plan(CGROUP_MANAGER_CGROUPFS, "/a/b"), 0);
	cgroup.dirs[0].inode = UINT64_C(0x7123456789abcdef);
	cgroup.dirs[0].controllers = CGROUP_MEMORY | CGROUP_IO;
	cgroup.oom.inode = 7;
	json = host_cgroup_to_json(&cgroup);
	ok(json != NULL);
	is_int(host_cgroup_from_json(json, &loaded, &err), 0);
	is_int(loaded.nr_dirs, 1);
	is_str(loaded.dirs[0].path, cgroup.dirs[0].path);
	is_int(loaded.dirs[0].inode, 0x7123456789abcdef);
	is_int(loaded.dirs[0].controllers, CGROUP_MEMORY | CGROUP_IO);
	ok(loaded.dirs[0].is_unified);
	is_str(loaded.oom.path, cgroup.oom.path);
	is_int(loaded.oom.inode, 7);
	host_cgroup_clear(&loaded);
	json_decref(json);
	is_int(host_cgroup_from_json(NULL, &loaded, &err), 0);
	ok(loaded.nr_dirs == 0 && !loaded.oom.path);
	is_int(host_cgroup_remove(&loaded, 0, &err), 0);
	tear_down();
}

static void test_damaged_json(void)
{
	static const char *const texts[] = {
		"{'directories':[{}]}",
		"{'directories':[{'path':7}]}",
		"{'directories':[{'path':'relative'}]}",
		"{'directories':[{'path':'/x','inode':-1}]}",
		"{'directories':[{'path':'/x','controllers':1e9}],'oom':{}}",
		"{'directories':[{'path':'/x','controllers':65536}]}",
		"{'directories':[1]}",
		"{'directories':[0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]"
		"}",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		char text[256];
		struct host_cgroup loaded;
		json_t *json;

		(void)snprintf(text, sizeof(text), "%s", texts[i]);
		for (char *c = text; *c; c++)
			if (*c == '\'')
				*c = '"';
		json = json_loads(text, 0, NULL);
		ok(json != NULL);
		is_int(host_cgroup_from_json(json, &loaded, &err), -EINVAL);
		is_str(err.text, "the record of the control group is damaged");
		host_cgroup_clear(&loaded);
		json_decref(json);
	}
}

int main(void)
{
	test_plan();
	test_make_unified();
	test_make_hybrid();
	test_undo();
	test_replace();
	test_join();
	test_json();
	test_damaged_json();
	return tap_done();
}
