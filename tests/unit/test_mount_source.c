/* SPDX-License-Identifier: Apache-2.0 */
/* test_mount_source.c - what may be mounted, by whatever name config.json calls it */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/container/mount_source.h"

#define PATH_SIZE 512

static char scratch[SCRATCH_DIR_SIZE];

/* The limits of "mountSources" with @members, in which '%' stands for the scratch directory. */
static struct administrator_config *limits(const char *members)
{
	struct administrator_config *config = NULL;
	char text[PATH_SIZE] = "{\"limits\":{\"mountSources\":{";
	struct error err;

	for (const char *c = members; *c; c++) {
		size_t len = strlen(text);

		(void)snprintf(text + len, sizeof(text) - len, "%.*s", *c == '%' ? 64 : 1,
			       *c == '%'    ? scratch
			       : *c == '\'' ? "\""
					    : c);
	}
	(void)snprintf(text + strlen(text), sizeof(text) - strlen(text), "}}}");
	if (!ok(administrator_config_parse("/a.json", text, strlen(text), &config, &err) == 0)) {
		printf("# %s: %s\n", text, err.text);
		exit(tap_done());
	}
	return config;
}

/* Open @path (below the scratch directory unless it is absolute); NULL expects that it may be. */
static void opens(const struct administrator_config *administrator, enum mount_source_kind kind,
		  const char *path, const char *expect)
{
	AUTO_CLOSE int fd = -1;
	char absolute[PATH_SIZE];
	struct error err = { 0 };

	(void)snprintf(absolute, sizeof(absolute), "%s%s%s", path[0] == '/' ? "" : scratch,
		       path[0] == '/' ? "" : "/", path);
	fd = mount_source_open(absolute, administrator, kind, "mounts[3].source", &err);
	if (!ok(expect ? fd == -EINVAL && strstr(err.text, expect) &&
				 strstr(err.text, "config.json: mounts[3].source: ") &&
				 strstr(err.text, "/a.json")
		       : fd >= 0))
		printf("# %s: %d, '%s', not '%s'\n", path, fd, err.text, expect ? expect : "");
}

static void binds(const struct administrator_config *administrator, const char *path,
		  const char *expect)
{
	opens(administrator, MOUNT_SOURCE_BIND, path, expect);
}

static void make_tree(void)
{
	int fd = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	ok(fd >= 0 && mkdirat(fd, "a", 0755) == 0 && mkdirat(fd, "a/secret", 0755) == 0 &&
	   mkdirat(fd, "a/secrets", 0755) == 0 && mkdirat(fd, "a/data", 0755) == 0 &&
	   mkdirat(fd, "b", 0755) == 0 && mkdirat(fd, "b/in", 0755) == 0 &&
	   symlinkat("a/secret", fd, "link") == 0 &&
	   symlinkat("../../a/secret", fd, "b/in/up") == 0 && symlinkat("b", fd, "alias") == 0 &&
	   symlinkat("/", fd, "slash") == 0);
	(void)close(openat(fd, "a/secret/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	(void)close(openat(fd, "a/data/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
	(void)close(fd);
}

static void test_denied(void)
{
	struct administrator_config *config =
		limits("'deny':['%/a/secret','%/later','%/alias/in']");

	binds(config, "a/secret", "limits.mountSources.deny of /a.json denies");
	binds(config, "a/secret/file", "limits.mountSources.deny");
	binds(config, "a/./secret/../secret/", "limits.mountSources.deny");
	binds(config, "link", "limits.mountSources.deny");
	binds(config, "link/file", "limits.mountSources.deny");
	binds(config, "b/in/up", "limits.mountSources.deny");
	/* What is above would show it. */
	binds(config, "a", "limits.mountSources.deny");
	binds(config, "/", "limits.mountSources.deny");
	binds(config, "slash", "limits.mountSources.deny");
	/* It need not exist yet. */
	binds(config, "", "limits.mountSources.deny");
	/* A denied place that is reached through a link is denied by its own name, too. */
	binds(config, "b/in", "limits.mountSources.deny");
	binds(config, "b", "limits.mountSources.deny");
	binds(config, "a/secrets", NULL);
	binds(config, "a/data", NULL);
	binds(config, "a/data/file", NULL);
	opens(config, MOUNT_SOURCE_ROOT, "a/secret", "limits.mountSources.deny");
	opens(config, MOUNT_SOURCE_ROOT, "/", "limits.mountSources.deny");
	opens(config, MOUNT_SOURCE_ROOT, "a/data", NULL);
	administrator_config_free(config);
}

static void test_allowed(void)
{
	struct administrator_config *config =
		limits("'allow':['%/alias','%/a/data','%/a/secret'],'deny':['%/a/secret']");

	binds(config, "b", NULL);
	binds(config, "alias/in", NULL);
	binds(config, "a/data/file", NULL);
	binds(config, "a/secrets", "limits.mountSources.allow of /a.json does not have it");
	binds(config, "/usr", "limits.mountSources.allow");
	binds(config, "slash/usr", "limits.mountSources.allow");
	/* Denied is denied. */
	binds(config, "a/secret/file", "limits.mountSources.deny");
	binds(config, "b/in/up", "limits.mountSources.deny");
	/* The rootfs is where the engine has it. */
	opens(config, MOUNT_SOURCE_ROOT, "a/secrets", NULL);
	administrator_config_free(config);
}

static void test_host_system(void)
{
	struct administrator_config *config = limits("'denyHostSystem':true");

	is_int(administrator_config_deny_state(config, scratch), 0);
	binds(config, "/", "limits.mountSources.denyHostSystem of /a.json denies");
	binds(config, "slash", "limits.mountSources.denyHostSystem");
	binds(config, "/etc", "limits.mountSources.denyHostSystem");
	binds(config, "/etc/passwd", "limits.mountSources.denyHostSystem");
	binds(config, "/root", "limits.mountSources.denyHostSystem");
	binds(config, "/run", "limits.mountSources.denyHostSystem");
	binds(config, "/var/run", "limits.mountSources.denyHostSystem");
	binds(config, "/proc/sys", "limits.mountSources.denyHostSystem");
	binds(config, "a/data", "limits.mountSources.denyHostSystem");
	binds(config, "/dev", "limits.mountSources.denyHostSystem");
	binds(config, "/dev/null", NULL);
	binds(config, "/usr", NULL);
	opens(config, MOUNT_SOURCE_ROOT, "/", "limits.mountSources.denyHostSystem");
	administrator_config_free(config);
}

/* Links of /proc lead to files of other mount namespaces, whose names mean nothing here. */
static void test_magic_links(void)
{
	struct administrator_config *config = limits("'deny':['%/a/secret']");
	char path[PATH_SIZE];
	struct error err;

	(void)snprintf(path, sizeof(path), "/proc/self/root%s/a/data", scratch);
	is_int(mount_source_open(path, config, MOUNT_SOURCE_BIND, "f", &err), -ELOOP);
	administrator_config_free(config);
	opens(NULL, MOUNT_SOURCE_BIND, path, NULL);
}

/* What was checked is what is had, whatever the name leads to afterwards. */
static void test_exchange(void)
{
	struct administrator_config *config = limits("'deny':['%/a/secret']");
	char path[PATH_SIZE], moved[PATH_SIZE], secret[PATH_SIZE];
	struct stat before, after;
	struct error err;
	int fd;

	(void)snprintf(path, sizeof(path), "%s/a/data", scratch);
	(void)snprintf(moved, sizeof(moved), "%s/a/moved", scratch);
	(void)snprintf(secret, sizeof(secret), "%s/a/secret", scratch);
	is_int(stat(path, &before), 0);
	fd = mount_source_open(path, config, MOUNT_SOURCE_BIND, "f", &err);
	ok(fd >= 0);
	is_int(rename(path, moved), 0);
	is_int(symlink(secret, path), 0);
	is_int(fstat(fd, &after), 0);
	is_int((long long)after.st_ino, (long long)before.st_ino);
	ok((fcntl(fd, F_GETFL) & O_PATH) != 0);
	fd_close(&fd);
	binds(config, "a/data", "limits.mountSources.deny");
	is_int(unlink(path), 0);
	is_int(rename(moved, path), 0);
	administrator_config_free(config);
}

static void test_unlimited(void)
{
	struct administrator_config *config = limits("'denyHostSystem':false");
	struct error err;

	binds(config, "/", NULL);
	binds(config, "link/file", NULL);
	binds(NULL, "/etc", NULL);
	is_int(mount_source_open("/no/such/place", config, MOUNT_SOURCE_BIND, "f", &err), -ENOENT);
	is_str(err.text, "f: open '/no/such/place': no such file or directory");
	administrator_config_free(config);
}

int main(void)
{
	scratch_dir_make(scratch);
	make_tree();
	test_denied();
	test_allowed();
	test_magic_links();
	test_exchange();
	test_unlimited();
	test_host_system();
	scratch_dir_remove(scratch);
	return tap_done();
}
