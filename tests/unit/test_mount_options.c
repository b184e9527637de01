/* SPDX-License-Identifier: Apache-2.0 */
#include <linux/mount.h>

#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/oci/mount_options.h"

/* The table is searched by halves, so every name must be found where it stands. */
static void test_every_option_is_found(void)
{
	size_t count;
	const struct mount_option *options = mount_options(&count);

	ok(count > 50);
	for (size_t i = 0; i < count; i++)
		ok(mount_option_find(options[i].name) == &options[i]);
	for (size_t i = 1; i < count; i++)
		ok(strcmp(options[i - 1].name, options[i].name) < 0);
}

static void test_meanings(void)
{
	ok(mount_option_find("ro")->effect == MOUNT_OPTION_SET);
	ok(mount_option_find("ro")->bits == MS_RDONLY);
	ok(mount_option_find("rw")->effect == MOUNT_OPTION_CLEAR);
	ok(mount_option_find("rw")->bits == MS_RDONLY);
	ok(mount_option_find("rro")->effect == MOUNT_OPTION_SET_ALL);
	ok(mount_option_find("rbind")->bits == MS_REC);
	ok(mount_option_find("rslave")->bits == (MS_SLAVE | MS_REC));
	ok(mount_option_find("suid")->bits == MS_NOSUID);
}

/* config.md, "Linux mount options", without those that are refused (idmap, ridmap, remount). */
static void test_options_of_the_specification(void)
{
	static const char *const names[] = {
		"async",	  "atime",	"bind",		"defaults",    "dev",
		"diratime",	  "dirsync",	"exec",		"iversion",    "lazytime",
		"loud",		  "mand",	"noatime",	"nodev",       "nodiratime",
		"noexec",	  "noiversion", "nolazytime",	"nomand",      "norelatime",
		"nostrictatime",  "nosuid",	"nosymfollow",	"private",     "ratime",
		"rbind",	  "rdev",	"rdiratime",	"relatime",    "rexec",
		"rnoatime",	  "rnodev",	"rnodiratime",	"rnoexec",     "rnorelatime",
		"rnostrictatime", "rnosuid",	"rnosymfollow", "ro",	       "rprivate",
		"rrelatime",	  "rro",	"rrw",		"rshared",     "rslave",
		"rstrictatime",	  "rsuid",	"rsymfollow",	"runbindable", "rw",
		"shared",	  "silent",	"slave",	"strictatime", "suid",
		"symfollow",	  "sync",	"tmpcopyup",	"unbindable",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		ok(mount_option_find(names[i]) != NULL);
}

static void test_unknown_options(void)
{
	ok(mount_option_find("remount") == NULL);
	ok(mount_option_find("size=64k") == NULL);
	ok(mount_option_find("") == NULL);
	ok(mount_option_find("RO") == NULL);
	ok(mount_option_find("zzz") == NULL);
}

int main(void)
{
	test_every_option_is_found();
	test_meanings();
	test_options_of_the_specification();
	test_unknown_options();
	return tap_done();
}
