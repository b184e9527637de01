/* SPDX-License-Identifier: Apache-2.0 */
/* Options of mounts that contradict each other, or that a bind has no use for. */
#include <linux/mount.h>
#include <string.h>

#include "tests/unit/malformed_configs.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/container_config.h"

static struct error err;

/* The configuration with one mount more, or NULL. */
static struct container_config *parse(const char *type, const char *options)
{
	struct container_config *config = NULL;
	AUTO_FREE char *change = NULL;
	AUTO_FREE char *text = NULL;

	if (asprintf(&change,
		     "{'mounts':[{'destination':'/m','type':'%s','source':'/s',"
		     "'options':[%s]}]}",
		     type, options) < 0)
		return NULL;
	text = changed_config_text(change);
	if (!ok(text && container_config_parse(text, strlen(text), "/bundle", &config, &err) == 0))
		printf("# %s: %s\n", options, err.text);
	return config;
}

static void test_contradictions(void)
{
	static const struct {
		const char *options;
		unsigned long flags, clear_flags;
	} cases[] = {
		{ "'noatime','strictatime'", MS_STRICTATIME, 0 },
		{ "'strictatime','noatime'", MS_STRICTATIME, 0 },
		{ "'noatime','atime'", 0, MS_NOATIME },
		{ "'rnosuid','rnodev','rnoexec','rnosymfollow','rnodiratime','rrelatime'",
		  MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW | MS_NODIRATIME | MS_RELATIME,
		  0 },
		{ "'rsuid','rdev','rexec','rsymfollow','rdiratime','ratime','rrw'", 0,
		  MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW | MS_NODIRATIME | MS_NOATIME |
			  MS_RDONLY },
		{ "'sync','async','lazytime','dirsync','mand','nomand'", MS_LAZYTIME | MS_DIRSYNC,
		  MS_SYNCHRONOUS | MS_MANDLOCK },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_config *config = parse("tmpfs", cases[i].options);

		if (!config)
			continue;
		is_int(config->mounts[0].flags, cases[i].flags);
		is_int(config->mounts[0].clear_flags, cases[i].clear_flags);
		is_str(config->mounts[0].data, "");
		is_int(config->warnings.count, 0);
		container_config_free(config);
	}
}

static void test_warnings(void)
{
	static const struct {
		const char *type, *options, *warning;
	} cases[] = {
		{ "bind", "'rbind','rprivate'", NULL },
		{ "bind", "'runbindable'", NULL },
		{ "bind", "'sync'",
		  "mounts[0].options: those of a file system mean nothing to a bind" },
		{ "bind", "'rslave'",
		  "mounts[0].options: mounts do not propagate between the host and the virtual "
		  "machine" },
		{ "bind", "'size=1k'", "mounts[0].options: \"size=1k\" means nothing to a bind" },
		{ "tmpfs", "'sync','rshared','size=1k'", NULL },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_config *config = parse(cases[i].type, cases[i].options);

		if (!config)
			continue;
		is_int(config->warnings.count, cases[i].warning != NULL);
		if (config->warnings.count && cases[i].warning)
			is_str(config->warnings.items[0], cases[i].warning);
		container_config_free(config);
	}
}

int main(void)
{
	test_contradictions();
	test_warnings();
	return tap_done();
}
