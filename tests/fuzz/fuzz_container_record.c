/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_container_record.c - state.json, damaged
 *
 * What is refused is refused with a sentence; what is taken can be shown, and written and read
 * again is the same.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/fuzz/json_edit.h"
#include "tests/unit/scratch_dir.h"
#include "vmm/base/bug.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/host_cgroup/host_cgroup.h"
#include "vmm/oci/container_record.h"
#include "vmm/oci/state_json.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char good_text[] =
	"{\"ociVersion\":\"1.0.2\",\"id\":\"c1\",\"pid\":4194303,\"pidStartTime\":77,"
	"\"status\":\"running\",\"paused\":true,\"bundle\":\"/b\",\"rootfs\":\"/b/rootfs\","
	"\"created\":\"2026-01-02T03:04:05.000000006Z\",\"annotations\":{\"a\":\"b\"},"
	"\"hostCgroup\":{\"directories\":[{\"path\":\"/sys/fs/cgroup/x\",\"inode\":9,"
	"\"controllers\":3,\"unified\":true}],\"oom\":{\"path\":\"/sys/fs/cgroup/x.oom\","
	"\"inode\":10,\"controllers\":0,\"unified\":true}},"
	"\"resources\":{\"memory\":{\"limit\":5}}}";

static char directory[SCRATCH_DIR_SIZE];
static int directory_fd;

static void check_error(const struct error *err)
{
	BUG_ON(err->code <= 0 || strncmp(err->text, "container c1: ", 14) != 0);
}

static void check_cgroup(const json_t *record)
{
	struct host_cgroup cgroup;
	struct error err = { 0 };

	if (host_cgroup_from_json(record, &cgroup, &err) < 0)
		BUG_ON(err.code <= 0 || !err.text[0]);
	else
		BUG_ON(cgroup.nr_dirs > CGROUP_HIERARCHIES_MAX);
	host_cgroup_clear(&cgroup);
}

/* What `state` prints is JSON. */
static void check_shown(const struct container_state *state)
{
	AUTO_FREE char *text = state_json_text(state);
	json_t *shown = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;

	BUG_ON(!json_is_object(shown));
	json_decref(shown);
}

static void check_again(const struct container_state *state)
{
	struct container_state copy = { .root_fd = -1, .dir_fd = directory_fd, .id = "c1" };
	struct error err = { 0 };

	BUG_ON(container_record_write(state, &err) < 0);
	BUG_ON(container_record_read(&copy, &err) < 0);
	BUG_ON(!copy.has_record || copy.status != state->status || copy.pid != state->pid ||
	       copy.pid_start_time != state->pid_start_time || copy.is_paused != state->is_paused);
	BUG_ON(strcmp(copy.bundle, state->bundle) != 0 || strcmp(copy.rootfs, state->rootfs) != 0 ||
	       strcmp(copy.created, state->created) != 0);
	BUG_ON(!!copy.annotations != !!state->annotations ||
	       (copy.annotations && !json_equal(copy.annotations, state->annotations)));
	BUG_ON(!!copy.resources != !!state->resources ||
	       (copy.resources && !json_equal(copy.resources, state->resources)));
	container_record_clear(&copy);
}

static void try_record(const char *text, size_t size)
{
	struct container_state state = { .root_fd = -1, .dir_fd = directory_fd, .id = "c1" };
	AUTO_CLOSE int fd = openat(directory_fd, CONTAINER_RECORD_NAME,
				   O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct error err = { 0 };

	BUG_ON(fd < 0 || file_write_full(fd, text, size) < 0);
	if (container_record_read(&state, &err) < 0) {
		BUG_ON(state.has_record || state.bundle || state.annotations);
		check_error(&err);
		return;
	}
	BUG_ON(!state.has_record || state.pid < 0 || state.status > CONTAINER_STOPPED);
	check_shown(&state);
	check_cgroup(state.host_cgroup);
	check_again(&state);
	container_record_clear(&state);
}

static void clean_up(void)
{
	scratch_dir_remove(directory);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	scratch_dir_make_in("/dev/shm", directory);
	(void)atexit(clean_up);
	directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	BUG_ON(directory_fd < 0);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t len = 0;
	AUTO_FREE char *text = json_edit_text(good_text, data, size, &len);

	try_record(text, len);
	return 0;
}
