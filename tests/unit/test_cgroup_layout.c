/* SPDX-License-Identifier: Apache-2.0 */
/* test_cgroup_layout.c - hierarchies of hosts of every kind, as their kernels describe them */
#include <stdlib.h>

#include "tests/unit/tap.h"
#include "vmm/host_cgroup/cgroup_layout.h"

static struct cgroup_layout layout;
static struct error err;

static bool parse(const char *self_cgroup, const char *mountinfo)
{
	cgroup_layout_clear(&layout);
	return ok(cgroup_layout_parse(self_cgroup, mountinfo, NULL, &layout, &err) == 0);
}

static void check(size_t index, bool is_unified, unsigned int controllers, const char *mount_point,
		  const char *own)
{
	const struct cgroup_hierarchy *hierarchy = &layout.hierarchies[index];

	if (!ok(index < layout.nr_hierarchies))
		return;
	is_int(hierarchy->is_unified, is_unified);
	is_int(hierarchy->controllers, controllers);
	is_str(hierarchy->mount_point, mount_point);
	if (own)
		is_str(hierarchy->own, own);
	else
		ok(!hierarchy->own);
}

static void test_unified(void)
{
	parse("0::/user.slice/user-1000.slice/session-2.scope\n",
	      "22 28 0:20 / /proc rw,nosuid - proc proc rw\n"
	      "28 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
	      "33 25 0:28 / /sys/fs/cgroup rw,nosuid,nodev,noexec shared:9 - cgroup2 cgroup2 "
	      "rw,nsdelegate,memory_recursiveprot\n");
	is_int(layout.nr_hierarchies, 1);
	ok(cgroup_layout_is_unified(&layout));
	check(0, true, 0, "/sys/fs/cgroup", "/user.slice/user-1000.slice/session-2.scope");
}

static const char hybrid_mounts[] =
	"32 23 0:27 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,size=4096k,mode=755\n"
	"33 32 0:28 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw,nsdelegate\n"
	"34 32 0:29 / /sys/fs/cgroup/systemd rw shared:11 - cgroup cgroup rw,xattr,name=systemd\n"
	"37 32 0:32 / /sys/fs/cgroup/cpu,cpuacct rw shared:15 - cgroup cgroup rw,cpu,cpuacct\n"
	"38 32 0:33 / /sys/fs/cgroup/cpuset rw shared:16 - cgroup cgroup rw,cpuset\n"
	"39 32 0:34 / /sys/fs/cgroup/memory rw shared:17 - cgroup cgroup rw,memory\n"
	"40 32 0:35 / /sys/fs/cgroup/blkio rw shared:18 - cgroup cgroup rw,blkio\n"
	"41 32 0:36 / /sys/fs/cgroup/net_cls,net_prio rw - cgroup cgroup rw,net_cls,net_prio\n"
	"42 32 0:37 / /sys/fs/cgroup/pids rw shared:20 - cgroup cgroup rw,pids\n"
	"43 32 0:38 / /sys/fs/cgroup/freezer rw shared:21 - cgroup cgroup rw,freezer\n";
static const char hybrid_self[] = "12:pids:/user.slice/user-0.slice\n"
				  "11:freezer:/\n"
				  "10:net_cls,net_prio:/\n"
				  "9:blkio:/user.slice\n"
				  "8:name=elogind:/3\n"
				  "7:memory:/user.slice/user-0.slice\n"
				  "6:rdma:/\n"
				  "5:cpuset:/\n"
				  "4:cpu,cpuacct:/user.slice\n"
				  "1:name=systemd:/user.slice/user-0.slice/session-1.scope\n"
				  "0::/user.slice/user-0.slice/session-1.scope\n";

static void test_hybrid(void)
{
	parse(hybrid_self, hybrid_mounts);
	/* Without rdma, which is not mounted, and the hierarchy of another service manager. */
	is_int(layout.nr_hierarchies, 9);
	ok(!cgroup_layout_is_unified(&layout));
	check(0, false, CGROUP_PIDS, "/sys/fs/cgroup/pids", "/user.slice/user-0.slice");
	check(1, false, CGROUP_FREEZER, "/sys/fs/cgroup/freezer", "/");
	check(2, false, 0, "/sys/fs/cgroup/net_cls,net_prio", "/");
	check(3, false, CGROUP_IO, "/sys/fs/cgroup/blkio", "/user.slice");
	check(4, false, CGROUP_MEMORY, "/sys/fs/cgroup/memory", "/user.slice/user-0.slice");
	check(5, false, CGROUP_CPUSET, "/sys/fs/cgroup/cpuset", "/");
	check(6, false, CGROUP_CPU | CGROUP_CPUACCT, "/sys/fs/cgroup/cpu,cpuacct", "/user.slice");
	check(7, false, 0, "/sys/fs/cgroup/systemd", "/user.slice/user-0.slice/session-1.scope");
	check(8, true, 0, "/sys/fs/cgroup/unified", "/user.slice/user-0.slice/session-1.scope");
}

/* Version 1 alone, and each controller on its own: "cpu" is not taken for "cpuacct" or "cpuset". */
static void test_version_1(void)
{
	parse("4:memory:/x\n3:cpuset:/\n2:cpuacct:/\n1:cpu:/\n0::/\n",
	      "1 0 0:1 / /cg/cpuset rw - cgroup cgroup rw,cpuset\n"
	      "2 0 0:2 / /cg/cpuacct rw - cgroup none rw,cpuacct\n"
	      "3 0 0:3 / /cg/cpu rw - cgroup none rw,cpu\n"
	      "4 0 0:4 / /cg/memory rw - cgroup none rw,memory\n");
	is_int(layout.nr_hierarchies, 4);
	check(0, false, CGROUP_MEMORY, "/cg/memory", "/x");
	check(1, false, CGROUP_CPUSET, "/cg/cpuset", "/");
	check(2, false, CGROUP_CPUACCT, "/cg/cpuacct", "/");
	check(3, false, CGROUP_CPU, "/cg/cpu", "/");
}

/* What a container without a cgroup namespace of its own sees: mounts of parts, elsewhere too. */
static void test_parts(void)
{
	parse("2:memory:/docker/abc/inner\n1:pids:/docker/abc\n0::/elsewhere\n",
	      "1 0 0:1 /docker/other /other/memory rw - cgroup cgroup rw,memory\n"
	      "2 0 0:1 /docker/ab /ab/memory rw - cgroup cgroup rw,memory\n"
	      "3 0 0:1 /docker/abc /sys/fs/cgroup/memory rw master:2 - cgroup cgroup rw,memory\n"
	      "4 0 0:2 /docker/abc /sys/fs/cgroup/pids rw master:2 - cgroup cgroup rw,pids\n"
	      "5 0 0:3 /docker/abc /sys/fs/cgroup/unified rw - cgroup2 cgroup rw\n");
	is_int(layout.nr_hierarchies, 2);
	check(0, false, CGROUP_MEMORY, "/sys/fs/cgroup/memory", "/inner");
	check(1, false, CGROUP_PIDS, "/sys/fs/cgroup/pids", "/");
}

/* Moved out of one's cgroup namespace: the mount can be used, what is relative cannot. */
static void test_outside(void)
{
	parse("0::/../outside\n", "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	check(0, true, 0, "/sys/fs/cgroup", NULL);
	parse("0::/..fine\n", "1 0 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
	check(0, true, 0, "/sys/fs/cgroup", "/..fine");
}

static void test_strange_text(void)
{
	parse("1:pids:/a:b c\n", "1 0 0:1 / /a\\040b\\134\\011c rw - cgroup none rw,pids\n"
				 "2 0 0:2 / /later rw - cgroup none rw,pids");
	check(0, false, CGROUP_PIDS, "/a b\\\tc", "/a:b c");
	parse("", "");
	is_int(layout.nr_hierarchies, 0);
	ok(!cgroup_layout_is_unified(&layout));
	parse("junk\n7\n8:\n9:pids\n:::\n1:pids:/\n",
	      "\n - \n1 2 3 - cgroup\n1 2 3 4 5 - cgroup x\n");
	is_int(layout.nr_hierarchies, 0);
}

static bool is_second(const char *mount_point, bool is_unified)
{
	return !is_unified && !strcmp(mount_point, "/second");
}

static void test_unusable(void)
{
	cgroup_layout_clear(&layout);
	is_int(cgroup_layout_parse("1:pids:/\n0::/\n",
				   "1 0 0:1 / /first rw - cgroup none rw,pids\n"
				   "2 0 0:1 / /second rw - cgroup none rw,pids\n"
				   "3 0 0:2 / /third rw - cgroup2 none rw\n",
				   is_second, &layout, &err),
	       0);
	is_int(layout.nr_hierarchies, 1);
	check(0, false, CGROUP_PIDS, "/second", "/");
}

static void test_too_many(void)
{
	static char self_cgroup[2048], mountinfo[8192];

	for (int i = 0; i <= CGROUP_HIERARCHIES_MAX; i++) {
		char name[] = { (char)('A' + i / 10), (char)('0' + i % 10), 0 };

		(void)snprintf(self_cgroup + strlen(self_cgroup), 64, "%d:%s:/\n", i + 1, name);
		(void)snprintf(mountinfo + strlen(mountinfo), 128,
			       "1 0 0:1 / /%s rw - cgroup none rw,%s\n", name, name);
	}
	cgroup_layout_clear(&layout);
	ok(cgroup_layout_parse(self_cgroup, mountinfo, NULL, &layout, &err) < 0);
	is_int(layout.nr_hierarchies, CGROUP_HIERARCHIES_MAX);
}

static void test_controllers(void)
{
	is_int(cgroup_controllers_parse("cpuset cpu io memory hugetlb pids rdma misc\n", ' '),
	       CGROUP_CPUSET | CGROUP_CPU | CGROUP_IO | CGROUP_MEMORY | CGROUP_PIDS);
	is_int(cgroup_controllers_parse("", ' '), 0);
	is_int(cgroup_controllers_parse("memor,emory,memoryx", ','), 0);
}

int main(void)
{
	test_unified();
	test_hybrid();
	test_version_1();
	test_parts();
	test_outside();
	test_strange_text();
	test_unusable();
	test_too_many();
	test_controllers();
	cgroup_layout_clear(&layout);
	return tap_done();
}
