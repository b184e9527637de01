/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/template/template_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/template/template_file.h"

#define DIRECTORY_MODE 0700
#define LOCK_POLL_MS 10
#define DRAFT_NAME ".draft" /* one at a time: its maker has the lock */
#define OLD_NAME ".old"	    /* likewise */

int template_store_open(struct template_store *store, const char *path, bool makes,
			struct error *err)
{
	AUTO_CLOSE int fd = -1;
	int r;

	if (makes && mkdir(path, DIRECTORY_MODE) < 0 && errno != EEXIST)
		return error_set(err, errno, "make the templates' directory %s", path);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return error_set(err, errno, "open the templates' directory %s", path);
	r = template_file_check_owner(fd, path, err);
	if (r < 0)
		return r;
	*store = (struct template_store){ .dir_fd = fd_take(&fd), .path = path };
	return 0;
}

void template_store_close(struct template_store *store)
{
	fd_close(&store->dir_fd);
}

/* --- removal ---------------------------------------------------------------------------------- */

/* The files of a template's directory, and then itself. */
static int remove_tree(int store_fd, const char *name)
{
	static const char *const files[] = { TEMPLATE_STATE_FILE, TEMPLATE_MEMORY_FILE };
	AUTO_CLOSE int fd = openat(store_fd, name, O_PATH | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);

	if (fd < 0 && errno == ENOENT)
		return 0;
	/* Not a directory: nothing that anybody here makes. */
	if (fd < 0)
		return unlinkat(store_fd, name, 0) < 0 ? -errno : 0;
	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (unlinkat(fd, files[i], 0) < 0 && errno != ENOENT)
			return -errno;
	return unlinkat(store_fd, name, AT_REMOVEDIR) < 0 ? -errno : 0;
}

static int remove_leftovers(const struct template_store *store, struct error *err)
{
	int r = remove_tree(store->dir_fd, DRAFT_NAME);

	if (!r)
		r = remove_tree(store->dir_fd, OLD_NAME);
	return r < 0 ? error_set(err, -r, "remove an unfinished template in %s", store->path) : 0;
}

int template_remove(const struct template_store *store, const char *name, struct error *err)
{
	int r;

	/* Out of sight first: whoever finds it finds all of it. */
	if (renameat(store->dir_fd, name, store->dir_fd, OLD_NAME) < 0)
		return error_set(err, errno, "remove template %s", name);
	r = remove_tree(store->dir_fd, OLD_NAME);
	return r < 0 ? error_set(err, -r, "remove template %s", name) : 0;
}

/* --- lock ------------------------------------------------------------------------------------- */

int template_store_lock(struct template_store *store, unsigned int timeout_ms, struct error *err)
{
	const struct timespec pause = { .tv_nsec = LOCK_POLL_MS * 1000000L };
	int r;

	for (unsigned int waited = 0; flock(store->dir_fd, LOCK_EX | LOCK_NB) < 0;
	     waited += LOCK_POLL_MS) {
		if (errno != EWOULDBLOCK && errno != EINTR)
			return error_set(err, errno, "lock %s", store->path);
		if (waited >= timeout_ms)
			return error_set(err, EBUSY, "lock %s", store->path);
		(void)nanosleep(&pause, NULL);
	}
	r = remove_leftovers(store, err);
	if (r < 0)
		template_store_unlock(store);
	return r;
}

void template_store_unlock(struct template_store *store)
{
	(void)flock(store->dir_fd, LOCK_UN);
}

/* --- use -------------------------------------------------------------------------------------- */

int template_load(const struct template_store *store, const char *name, struct template *ret,
		  struct error *err)
{
	AUTO_CLOSE int dir_fd =
		openat(store->dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	int r;

	*ret = TEMPLATE_NONE;
	if (dir_fd < 0)
		return error_set(err, errno, "open template %s", name);
	(void)snprintf(ret->name, sizeof(ret->name), "%s", name);
	r = template_file_check_owner(dir_fd, name, err);
	if (!r)
		r = template_file_read(dir_fd, ret, err);
	if (r < 0)
		template_clear(ret);
	return r < 0 ? error_prefix(err, "template %s", name) : 0;
}

int template_find(const struct template_store *store, const struct template_key *key,
		  struct template *ret, struct error *err)
{
	const char *difference;
	int r = template_load(store, key->name, ret, err);

	if (r < 0)
		return r;
	difference = template_key_difference(ret->key, key->text);
	if (!difference)
		return 0;
	(void)error_invalid(err, "template %s is stale: another %.*s", key->name,
			    (int)strcspn(difference, " \n"), difference);
	err->code = ESTALE;
	template_clear(ret);
	return -ESTALE;
}

int template_store_visit(const struct template_store *store,
			 int (*visit)(void *context, const char *name, struct error *err),
			 void *context, struct error *err)
{
	int fd = openat(store->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int r = 0;

	if (!dir) {
		r = error_set(err, errno, "list %s", store->path);
		fd_close(&fd);
		return r;
	}
	while (!r && (entry = readdir(dir)))
		if (template_name_is_valid(entry->d_name))
			r = visit(context, entry->d_name, err);
	(void)closedir(dir);
	return r;
}

/* --- making ----------------------------------------------------------------------------------- */

static int make_memory_file(struct template_draft *draft, uint64_t size, struct error *err)
{
	draft->memory_fd = openat(draft->dir_fd, TEMPLATE_MEMORY_FILE,
				  O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (draft->memory_fd < 0 || ftruncate(draft->memory_fd, (off_t)size) < 0)
		return error_set(err, errno, "make a template's memory");
	return 0;
}

int template_draft_begin(const struct template_store *store, uint64_t memory_size,
			 struct template_draft *draft, struct error *err)
{
	int r = 0;

	*draft = (struct template_draft){ .dir_fd = -1, .memory_fd = -1 };
	if (mkdirat(store->dir_fd, DRAFT_NAME, DIRECTORY_MODE) == 0)
		draft->dir_fd = openat(store->dir_fd, DRAFT_NAME,
				       O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
	if (draft->dir_fd < 0)
		r = error_set(err, errno, "make a template in %s", store->path);
	if (!r)
		r = make_memory_file(draft, memory_size, err);
	if (r < 0)
		template_draft_end(store, draft);
	return r;
}

static int count(void *context, const char *name, struct error *err)
{
	unsigned int *nr = context;

	(void)name;
	(void)err;
	++*nr;
	return 0;
}

static int check_room(const struct template_store *store, struct error *err)
{
	unsigned int nr = 0;
	int r = template_store_visit(store, count, &nr, err);

	if (!r && nr >= TEMPLATES_MAX)
		r = error_set(err, ENOSPC, "%s has %u templates already", store->path, nr);
	return r;
}

int template_draft_publish(const struct template_store *store, struct template_draft *draft,
			   const struct template_key *key, const uint8_t *state, size_t state_size,
			   struct error *err)
{
	struct error ignored;
	int r;

	if (template_remove(store, key->name, &ignored) < 0 && ignored.code != ENOENT) {
		*err = ignored;
		return -err->code;
	}
	r = check_room(store, err);
	if (!r)
		r = template_file_write(draft->dir_fd, draft->memory_fd, key->text, state,
					state_size, err);
	if (!r &&
	    renameat2(store->dir_fd, DRAFT_NAME, store->dir_fd, key->name, RENAME_NOREPLACE) < 0)
		r = error_set(err, errno, "name template %s", key->name);
	return r;
}

void template_draft_end(const struct template_store *store, struct template_draft *draft)
{
	fd_close(&draft->memory_fd);
	fd_close(&draft->dir_fd);
	(void)remove_tree(store->dir_fd, DRAFT_NAME);
}
