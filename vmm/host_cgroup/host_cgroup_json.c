/* SPDX-License-Identifier: Apache-2.0 */
/* host_cgroup_json.c - the control group in the container's record */
#include <errno.h>
#include <string.h>

#include "vmm/host_cgroup/host_cgroup.h"

static json_t *pack_directory(const struct host_cgroup_dir *dir)
{
	return json_pack("{s:s, s:I, s:i, s:b}", "path", dir->path, "inode", (json_int_t)dir->inode,
			 "controllers", (int)dir->controllers, "unified", dir->is_unified);
}

json_t *host_cgroup_to_json(const struct host_cgroup *cgroup)
{
	json_t *dirs = json_array();
	json_t *oom = cgroup->oom.path ? pack_directory(&cgroup->oom) : NULL;

	for (size_t i = 0; i < cgroup->nr_dirs; i++)
		if (json_array_append_new(dirs, pack_directory(&cgroup->dirs[i])) < 0) {
			json_decref(dirs);
			dirs = NULL;
		}
	return json_pack("{s:o, s:o*}", "directories", dirs, "oom", oom);
}

static int unpack_directory(const json_t *json, struct host_cgroup_dir *ret, struct error *err)
{
	const char *path = json_string_value(json_object_get(json, "path"));
	json_int_t inode = json_integer_value(json_object_get(json, "inode"));
	json_int_t controllers = json_integer_value(json_object_get(json, "controllers"));

	if (!path || *path != '/' || inode < 0 || controllers < 0 || controllers > UINT16_MAX)
		return error_invalid(err, "the record of the control group is damaged");
	ret->path = strdup(path);
	if (!ret->path)
		return error_set(err, ENOMEM, "read the record of the control group");
	ret->inode = (uint64_t)inode;
	ret->controllers = (unsigned int)controllers;
	ret->is_unified = json_is_true(json_object_get(json, "unified"));
	return 0;
}

int host_cgroup_from_json(const json_t *json, struct host_cgroup *ret, struct error *err)
{
	const json_t *dirs = json_object_get(json, "directories");
	const json_t *oom = json_object_get(json, "oom");
	size_t count = json_array_size(dirs);

	*ret = (struct host_cgroup){ 0 };
	if (count > CGROUP_HIERARCHIES_MAX)
		return error_invalid(err, "the record of the control group is damaged");
	for (size_t i = 0; i < count; i++) {
		int r = unpack_directory(json_array_get(dirs, i), &ret->dirs[i], err);

		if (r < 0)
			return r;
		ret->nr_dirs++;
	}
	return oom ? unpack_directory(oom, &ret->oom, err) : 0;
}
