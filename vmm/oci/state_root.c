/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/state_root.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/base/host_root.h"

#define STATE_ROOT "/run/bulkhead"

char *container_state_default_root(void)
{
	const char *runtime_dir = is_host_root() ? NULL : getenv("XDG_RUNTIME_DIR");
	char *root;

	if (!runtime_dir || !*runtime_dir)
		return strdup(STATE_ROOT);
	return asprintf(&root, "%s/bulkhead", runtime_dir) < 0 ? NULL : root;
}

char *template_default_directory(void)
{
	AUTO_FREE char *root = container_state_default_root();
	char *path;

	return !root || asprintf(&path, "%s-templates", root) < 0 ? NULL : path;
}

int container_id_check(const char *id, struct error *err)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_+.-";
	size_t len = strlen(id);

	if (len == 0)
		return error_invalid(err, "container id cannot be empty");
	if (len > CONTAINER_ID_MAX)
		return error_invalid(err, "container id is longer than %d characters",
				     CONTAINER_ID_MAX);
	if (id[strspn(id, allowed)] || !strcmp(id, ".") || !strcmp(id, ".."))
		return error_invalid(err, "invalid container id format: only letters, digits and "
					  "_+.- may occur, and not \".\" or \"..\" alone");
	return 0;
}

static int compare_text(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

int container_state_list(const char *root, struct text_list *ids, struct error *err)
{
	DIR *dir = opendir(root);
	struct error ignored;
	struct dirent *entry;
	int r = 0;

	if (!dir)
		return errno == ENOENT ? 0 : error_set(err, errno, "open %s", root);
	while (!r && (entry = readdir(dir)))
		if ((entry->d_type == DT_DIR || entry->d_type == DT_UNKNOWN) &&
		    container_id_check(entry->d_name, &ignored) == 0)
			r = text_list_add(ids, "%s", entry->d_name);
	(void)closedir(dir);
	if (r < 0)
		return error_set(err, -r, "list %s", root);
	if (ids->count)
		qsort(ids->items, ids->count, sizeof(ids->items[0]), compare_text);
	return 0;
}
