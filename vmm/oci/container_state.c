/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/container_state.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/container_record.h"

#define STATE_DIR_MODE 0700
#define LOCK_POLL_MS 10

/* /proc/PID/stat, proc(5) */
#define NAME_FIELD 2
#define START_TIME_FIELD 22
#define STATE_OFFSET 2 /* after the parenthesis that ends the name */

/* A failure whose sentence engines look for, so nothing is added to it. */
static int fail(struct error *err, int code, const char *text)
{
	(void)error_invalid(err, "%s", text);
	err->code = code;
	return -code;
}

static struct container_state *new_state(const char *id)
{
	struct container_state *state = calloc(1, sizeof(*state));

	if (!state)
		return NULL;
	state->root_fd = -1;
	state->dir_fd = -1;
	(void)snprintf(state->id, sizeof(state->id), "%s", id);
	return state;
}

void container_state_unlock(struct container_state *state)
{
	(void)flock(state->dir_fd, LOCK_UN);
	state->is_locked = false;
}

void container_state_free(struct container_state *state)
{
	if (!state)
		return;
	/* Closing is not enough while a child process still has the descriptor. */
	if (state->is_locked)
		container_state_unlock(state);
	container_record_clear(state);
	fd_close(&state->dir_fd);
	fd_close(&state->root_fd);
	free(state);
}

static void state_cleanup(struct container_state **state)
{
	container_state_free(*state);
}

#define AUTO_STATE __attribute__((cleanup(state_cleanup)))

/* mkdir -p */
static int make_directories(const char *path, struct error *err)
{
	AUTO_FREE char *copy = strdup(path);
	char *slash = copy;

	if (!copy)
		return error_set(err, ENOMEM, "create %s", path);
	while (slash) {
		slash = strchr(slash + 1, '/');
		if (slash)
			*slash = 0;
		if (mkdir(copy, STATE_DIR_MODE) < 0 && errno != EEXIST)
			return error_set(err, errno, "create %s", copy);
		if (slash)
			*slash = '/';
	}
	return 0;
}

/* True while the directory is the one found under the container's id. */
static bool is_in_place(const struct container_state *state)
{
	struct stat ours;
	struct stat found;

	return fstat(state->dir_fd, &ours) == 0 &&
	       fstatat(state->root_fd, state->id, &found, AT_SYMLINK_NOFOLLOW) == 0 &&
	       ours.st_dev == found.st_dev && ours.st_ino == found.st_ino;
}

int container_state_create(const char *root, const char *id, struct container_state **ret,
			   struct error *err)
{
	AUTO_STATE struct container_state *state = NULL;
	int r = container_id_check(id, err);

	if (!r)
		r = make_directories(root, err);
	if (r < 0)
		return r;
	state = new_state(id);
	if (!state)
		return error_set(err, ENOMEM, "create container %s", id);
	state->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state->root_fd < 0)
		return error_set(err, errno, "open %s", root);
	if (mkdirat(state->root_fd, id, STATE_DIR_MODE) < 0)
		return errno == EEXIST ? fail(err, EEXIST, "container with given ID already exists")
				       : error_set(err, errno, "create %s/%s", root, id);
	state->dir_fd = openat(state->root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	/* A forced delete may have taken the new directory for a leftover before the lock. */
	if (state->dir_fd < 0 || flock(state->dir_fd, LOCK_EX) < 0 || !is_in_place(state))
		return error_set(err, ECANCELED, "create %s/%s", root, id);
	state->is_locked = true;
	*ret = pointer_take(state);
	return 0;
}

int container_state_open(const char *root, const char *id, struct container_state **ret,
			 struct error *err)
{
	AUTO_STATE struct container_state *state = NULL;
	int r = container_id_check(id, err);

	if (r < 0)
		return r;
	state = new_state(id);
	if (!state)
		return error_set(err, ENOMEM, "open container %s", id);
	state->root_fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (state->root_fd >= 0)
		state->dir_fd =
			openat(state->root_fd, id, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (state->dir_fd < 0)
		return errno == ENOENT ? fail(err, ENOENT, "container does not exist")
				       : error_set(err, errno, "open %s/%s", root, id);
	*ret = pointer_take(state);
	return 0;
}

int container_state_read(struct container_state *state, struct error *err)
{
	return container_record_read(state, err);
}

int container_state_load(const char *root, const char *id, struct container_state **ret,
			 struct error *err)
{
	AUTO_STATE struct container_state *state = NULL;
	int r = container_state_open(root, id, &state, err);

	if (!r)
		r = container_state_read(state, err);
	if (r < 0)
		return r;
	*ret = pointer_take(state);
	return 0;
}

int container_state_lock(struct container_state *state, unsigned int timeout_ms, struct error *err)
{
	const struct timespec pause = { .tv_nsec = LOCK_POLL_MS * 1000000L };
	struct error damage;

	for (unsigned int waited = 0; flock(state->dir_fd, LOCK_EX | LOCK_NB) < 0;
	     waited += LOCK_POLL_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_set(err, errno, "lock container %s", state->id);
		if (waited >= timeout_ms)
			return error_set(err, EBUSY, "lock container %s", state->id);
		(void)nanosleep(&pause, NULL);
	}
	state->is_locked = true;
	if (!is_in_place(state)) {
		container_state_unlock(state);
		return fail(err, ENOENT, "container does not exist");
	}
	(void)container_record_read(state, &damage);
	return 0;
}

/* The time now as RFC 3339 with nanoseconds: heap text, or NULL without memory. */
static char *time_text(void)
{
	struct timespec now;
	struct tm tm;
	char *text;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	if (!gmtime_r(&now.tv_sec, &tm))
		return NULL;
	if (asprintf(&text, "%04d-%02d-%02dT%02d:%02d:%02d.%09ldZ", tm.tm_year + 1900,
		     tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, now.tv_nsec) < 0)
		return NULL;
	return text;
}

static int assign_process(struct container_state *state, pid_t pid, struct error *err)
{
	uint64_t start_time = 0;
	int r = pid ? container_process_start_time(pid, &start_time) : 0;

	if (r < 0)
		return error_set(err, -r, "container %s: process %d", state->id, (int)pid);
	state->pid = pid;
	state->pid_start_time = start_time;
	return 0;
}

int container_state_init(struct container_state *state, const struct container_state_record *record,
			 pid_t pid, struct error *err)
{
	int r;

	container_record_clear(state);
	state->bundle = strdup(record->bundle);
	state->rootfs = strdup(record->rootfs);
	state->created = time_text();
	state->annotations = json_incref(record->annotations);
	state->host_cgroup = json_incref(record->host_cgroup);
	if (record->defaults.memory_bytes)
		state->defaults = record->defaults;
	if (!state->bundle || !state->rootfs || !state->created)
		return error_set(err, ENOMEM, "record container %s", state->id);
	r = assign_process(state, pid, err);
	if (!r)
		r = file_replace(state->dir_fd, CONTAINER_CONFIG_NAME, record->config_text,
				 strlen(record->config_text), err);
	if (!r)
		r = container_record_write(state, err);
	state->has_record = !r;
	return r;
}

int container_state_set_status(struct container_state *state, enum container_status status,
			       struct error *err)
{
	state->status = status;
	return container_record_write(state, err);
}

int container_state_set_process(struct container_state *state, pid_t pid, struct error *err)
{
	int r = assign_process(state, pid, err);

	return r < 0 ? r : container_record_write(state, err);
}

int container_state_set_paused(struct container_state *state, bool is_paused, struct error *err)
{
	state->is_paused = is_paused;
	return container_record_write(state, err);
}

int container_state_set_host_cgroup(struct container_state *state, json_t *host_cgroup,
				    struct error *err)
{
	json_decref(state->host_cgroup);
	state->host_cgroup = json_incref(host_cgroup);
	return container_record_write(state, err);
}

int container_state_set_resources(struct container_state *state, json_t *resources,
				  struct error *err)
{
	json_decref(state->resources);
	state->resources = json_incref(resources);
	return container_record_write(state, err);
}

int container_state_set_running(struct container_state *state, struct error *err)
{
	return container_state_set_status(state, CONTAINER_RUNNING, err);
}

int container_process_start_time(pid_t pid, uint64_t *ret)
{
	AUTO_CLOSE int fd = -1;
	char text[1024];
	const char *field;
	ssize_t len;

	(void)snprintf(text, sizeof(text), "/proc/%d/stat", (int)pid);
	fd = open(text, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	len = file_read_full(fd, text, sizeof(text) - 1);
	if (len < 0)
		return (int)len;
	text[len] = 0;
	/* The name in the second field may hold anything, ") Z 1" too; what follows may not. */
	field = strrchr(text, ')');
	if (field && strchr("ZXx", field[STATE_OFFSET]))
		return -ESRCH;
	for (int i = NAME_FIELD; field && i < START_TIME_FIELD; i++)
		field = strchr(field + 1, ' ');
	if (!field)
		return -EPROTO;
	*ret = strtoull(field + 1, NULL, 10);
	return 0;
}

static bool is_process_alive(const struct container_state *state)
{
	uint64_t start_time = 0;

	return state->pid > 0 && container_process_start_time(state->pid, &start_time) == 0 &&
	       start_time == state->pid_start_time;
}

/* True when a process other than this one holds the lock. */
static bool is_locked_by_other(const struct container_state *state)
{
	/* A lock belongs to the open directory: one's own is told apart by opening it anew. */
	AUTO_CLOSE int fd = openat(state->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return !state->is_locked && fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0 &&
	       errno == EWOULDBLOCK;
}

enum container_status container_state_status(const struct container_state *state)
{
	if (is_process_alive(state))
		return state->is_paused ? CONTAINER_PAUSED : state->status;
	if (state->pid == 0 && is_locked_by_other(state))
		return CONTAINER_CREATING;
	return CONTAINER_STOPPED;
}

int container_state_open_process(const struct container_state *state, struct error *err)
{
	AUTO_CLOSE int fd = state->pid > 0 ? pidfd_open(state->pid, 0) : -1;

	/* Looked at after the pidfd is there: from now on the pid cannot be another's. */
	if (fd < 0 || !is_process_alive(state))
		return fail(err, ESRCH, "container not running");
	return fd_take(&fd);
}

static bool is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* Whether a container's directory has such a file, perhaps half written, or it is a socket. */
static bool is_ours(int dir_fd, const char *name)
{
	static const char *const ours[] = { CONTAINER_CONFIG_NAME, CONTAINER_RECORD_NAME };
	struct stat st;

	for (size_t i = 0; i < ARRAY_SIZE(ours); i++) {
		size_t len = strlen(ours[i]);

		if (!strcmp(name, ours[i]) ||
		    (name[0] == '.' && !strncmp(name + 1, ours[i], len) && name[1 + len] == '.'))
			return true;
	}
	return fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISSOCK(st.st_mode);
}

/* A directory that is no container's can stand below a --root given by mistake. */
static int check_entries(const struct container_state *state, DIR *dir, struct error *err)
{
	struct dirent *entry;

	while ((entry = readdir(dir)))
		if (!is_dots(entry->d_name) && !is_ours(state->dir_fd, entry->d_name))
			return error_invalid(err,
					     "%s/%s is not a container's file; nothing was removed",
					     state->id, entry->d_name);
	rewinddir(dir);
	return 0;
}

static int remove_entry(int dir_fd, const char *name)
{
	if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
		return 0;
	return -errno;
}

/* Remove all entries but the record: while something is left, so is the knowledge of what it is. */
static int remove_entries(const struct container_state *state, struct error *err)
{
	int fd = openat(state->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = error_set(err, errno, "remove container %s", state->id);
		fd_close(&fd);
		return r;
	}
	r = check_entries(state, dir, err);
	while (!r && (entry = readdir(dir))) {
		if (is_dots(entry->d_name) || !strcmp(entry->d_name, CONTAINER_RECORD_NAME))
			continue;
		r = remove_entry(state->dir_fd, entry->d_name);
		if (r < 0)
			(void)error_set(err, -r, "remove %s/%s", state->id, entry->d_name);
	}
	(void)closedir(dir);
	return r;
}

int container_state_remove(struct container_state *state, struct error *err)
{
	int r = remove_entries(state, err);

	if (r < 0)
		return r;
	r = remove_entry(state->dir_fd, CONTAINER_RECORD_NAME);
	if (!r && unlinkat(state->root_fd, state->id, AT_REMOVEDIR) < 0)
		r = -errno;
	return r < 0 ? error_set(err, -r, "remove container %s", state->id) : 0;
}
