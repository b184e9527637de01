/* SPDX-License-Identifier: Apache-2.0 */
/* test_cgroup_path.c - where linux.cgroupsPath leads */
#include <stdlib.h>

#include "tests/unit/tap.h"
#include "vmm/host_cgroup/cgroup_path.h"

static struct error err;

static void plain(const char *text, const char *want)
{
	char *path = NULL;

	is_int(cgroup_path_plain(text, "box", &path, &err), 0);
	is_str(path, want);
	free(path);
}

static void plain_refused(const char *text)
{
	char *path = NULL;

	ok(cgroup_path_plain(text, "box", &path, &err) < 0);
	ok(!path);
	ok(strstr(err.text, "linux.cgroupsPath") && strstr(err.text, text));
}

static void test_plain(void)
{
	plain(NULL, "box");
	plain("", "box");
	plain("/docker/x", "/docker/x");
	plain("//docker///x/", "/docker/x");
	plain("/a/./b/../c", "/a/c");
	plain("/../../a", "/a");
	plain("a/b", "a/b");
	plain("./a//b/", "a/b");
	plain("../../a", "a");
	plain("a/../../b", "b");
	plain("/...", "/...");
	/* As with runc, without --systemd-cgroup this is but a name. */
	plain("system.slice:docker:1", "system.slice:docker:1");
	plain_refused("/");
	plain_refused("//.");
	plain_refused("..");
	plain_refused("a/..");
}

static void systemd(const char *text, const char *base, const char *want)
{
	char *path = NULL;

	is_int(cgroup_path_systemd(text, "box", base, &path, &err), 0);
	is_str(path, want);
	free(path);
}

static void systemd_refused(const char *text, const char *want)
{
	char *path = NULL;

	ok(cgroup_path_systemd(text, "box", "", &path, &err) < 0);
	ok(!path);
	is_str(err.text, want);
}

static void test_systemd(void)
{
	systemd("system.slice:docker:1", "", "/system.slice/docker-1.scope");
	systemd("a-b-c.slice:p:n", "", "/a.slice/a-b.slice/a-b-c.slice/p-n.scope");
	systemd("-.slice:p:n", "", "/p-n.scope");
	systemd(":p:n", "", "/system.slice/p-n.scope");
	systemd(":p:n", "/user.slice/user@1.service",
		"/user.slice/user@1.service/user.slice/p-n.scope");
	systemd("machine.slice:p:own.slice", "", "/machine.slice/own.slice");
	systemd(NULL, "", "/system.slice/bulkhead-box.scope");
	systemd("", "/u", "/u/user.slice/bulkhead-box.scope");
	systemd_refused("/a/b", "expected cgroupsPath to be of format \"slice:prefix:name\" for "
				"systemd cgroups, got \"/a/b\" instead");
	systemd_refused("a:b", "expected cgroupsPath to be of format \"slice:prefix:name\" for "
			       "systemd cgroups, got \"a:b\" instead");
	systemd_refused("a.slice:b:c:d",
			"expected cgroupsPath to be of format \"slice:prefix:name\" for systemd "
			"cgroups, got \"a.slice:b:c:d\" instead");
	systemd_refused("a:b:c", "linux.cgroupsPath: invalid slice name: a");
	systemd_refused(".slice:b:c", "linux.cgroupsPath: invalid slice name: .slice");
	systemd_refused("-a.slice:b:c", "linux.cgroupsPath: invalid slice name: -a.slice");
	systemd_refused("a--b.slice:b:c", "linux.cgroupsPath: invalid slice name: a--b.slice");
	systemd_refused("a-.slice:b:c", "linux.cgroupsPath: invalid slice name: a-.slice");
	systemd_refused("../a.slice:b:c", "linux.cgroupsPath: invalid slice name: ../a.slice");
	systemd_refused("a.slice:/../b:c",
			"linux.cgroupsPath: '/../b-c' is not the name of a unit");
	systemd_refused("a.slice:b:../c", "linux.cgroupsPath: 'b-../c' is not the name of a unit");
	systemd_refused("a.slice:b:", "linux.cgroupsPath: 'b-' is not the name of a unit");
}

static void user_manager(const char *own, const char *want)
{
	char *path = cgroup_path_user_manager(own);

	is_str(path, want);
	free(path);
}

static void test_user_manager(void)
{
	user_manager("/user.slice/user-7.slice/user@7.service/app.slice/x.scope",
		     "/user.slice/user-7.slice/user@7.service");
	user_manager("/user.slice/user-7.slice/user@7.service",
		     "/user.slice/user-7.slice/user@7.service");
	user_manager("/user.slice/user-7.slice/session-1.scope", "");
	user_manager("/user@7.services/x", "");
	user_manager("/user@x.service/x", "");
	user_manager("/", "");
}

static void locate(const char *mount_point, const char *own, const char *path, bool is_beside,
		   const char *want)
{
	char mount_copy[64], own_copy[64];
	const struct cgroup_hierarchy hierarchy = {
		.mount_point = strcpy(mount_copy, mount_point),
		.own = own ? strcpy(own_copy, own) : NULL,
	};
	char *found = NULL;

	is_int(cgroup_path_locate(&hierarchy, path, is_beside, &found, &err), want ? 0 : -22);
	if (want)
		is_str(found, want);
	free(found);
}

static void test_locate(void)
{
	locate("/sys/fs/cgroup", "/own", "/a/b", false, "/sys/fs/cgroup/a/b");
	locate("/sys/fs/cgroup", NULL, "/a", true, "/sys/fs/cgroup/a");
	locate("/", "/own", "/a", true, "/a");
	locate("/cg/pids", "/", "a/b", false, "/cg/pids/a/b");
	locate("/cg/pids", "/x/y", "a", false, "/cg/pids/x/y/a");
	locate("/cg", "/x/y", "a", true, "/cg/x/a");
	locate("/cg", "/x", "a", true, "/cg/a");
	locate("/cg", "/", "a", true, "/cg/a");
	locate("/cg", NULL, "a", true, NULL);
	ok(strstr(err.text, "linux.cgroupsPath"));
}

int main(void)
{
	test_plain();
	test_systemd();
	test_user_manager();
	test_locate();
	return tap_done();
}
