/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/template/template_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/template/crc32c.h"
#include "vmm/template/template_memory.h"

#define VERSION 1
#define FILE_MODE 0400

static const char magic[8] = "BHTMPL\r\n";

/* What the state file begins with; the key's text, without a NUL, and the state follow. */
struct header {
	char magic[8];
	uint32_t version;
	uint32_t sum; /* CRC-32C of the whole file, with 0 here */
	uint64_t key_size, state_size;
	uint64_t memory_size, memory_inode;
	int64_t memory_ctime, memory_ctime_ns;
	uint32_t memory_sum; /* template_memory_sum() */
	uint32_t zero;
	int64_t created;
};
_Static_assert(sizeof(struct header) == 80, "no bytes between its members");

#define FILE_SIZE_MAX (sizeof(struct header) + TEMPLATE_KEY_MAX + TEMPLATE_STATE_MAX)

int template_file_check_owner(int fd, const char *name, struct error *err)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "stat %s", name);
	if (st.st_uid == geteuid() && !(st.st_mode & (S_IWGRP | S_IWOTH)))
		return 0;
	(void)error_invalid(err,
			    "%s belongs to user %u with mode %04o: only user %u may be able to "
			    "write there",
			    name, st.st_uid, st.st_mode & 07777, geteuid());
	err->code = EPERM;
	return -EPERM;
}

static int damaged(struct error *err, const char *why)
{
	return error_invalid(err, "it is damaged: %s", why);
}

static int open_file(int dir_fd, const char *name, struct stat *ret_stat, struct error *err)
{
	AUTO_CLOSE int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int r;

	/* The template is there, but not all of it: another code than for none. */
	if (fd < 0 && errno == ENOENT)
		return damaged(err, "a file is missing");
	if (fd < 0 || fstat(fd, ret_stat) < 0)
		return error_set(err, errno, "open its file %s", name);
	r = template_file_check_owner(fd, name, err);
	if (r < 0)
		return r;
	if (!S_ISREG(ret_stat->st_mode) || ret_stat->st_nlink != 1)
		return damaged(err, "a file is not one of its own");
	return fd_take(&fd);
}

/* --- reading ---------------------------------------------------------------------------------- */

static int check_header(struct header *header, uint8_t *file, size_t size, struct error *err)
{
	uint32_t sum;

	memcpy(header, file, sizeof(*header));
	if (memcmp(header->magic, magic, sizeof(magic)) != 0)
		return damaged(err, "it is not a template");
	if (header->version != VERSION)
		return damaged(err, "its format is another version's");
	if (header->key_size > TEMPLATE_KEY_MAX || header->state_size > TEMPLATE_STATE_MAX ||
	    header->key_size + header->state_size != size - sizeof(*header))
		return damaged(err, "its state is cut short, or too long");
	sum = header->sum;
	memset(file + offsetof(struct header, sum), 0, sizeof(sum));
	if (crc32c(0, file, size) != sum)
		return damaged(err, "the checksum of its state is wrong");
	return 0;
}

static int read_state(int dir_fd, struct template *template, struct header *header,
		      struct error *err)
{
	AUTO_CLOSE int fd = -1;
	AUTO_FREE uint8_t *file = NULL;
	const char *key;
	struct stat st = { 0 };
	int r;

	fd = open_file(dir_fd, TEMPLATE_STATE_FILE, &st, err);
	if (fd < 0)
		return fd;
	if (st.st_size < (off_t)sizeof(*header) || st.st_size > (off_t)FILE_SIZE_MAX)
		return damaged(err, "its state is cut short, or too long");
	file = malloc((size_t)st.st_size);
	if (!file)
		return error_set(err, ENOMEM, "read its state");
	if (file_read_full(fd, file, (size_t)st.st_size) != st.st_size)
		return damaged(err, "its state cannot be read");
	r = check_header(header, file, (size_t)st.st_size, err);
	if (r < 0)
		return r;
	key = (const char *)file + sizeof(*header);
	template->key = strndup(key, header->key_size);
	if (!template->key)
		return error_set(err, ENOMEM, "read its key");
	/* The state moves to the beginning of what was read. */
	memmove(file, file + sizeof(*header) + header->key_size, header->state_size);
	template->state = pointer_take(file);
	template->state_size = header->state_size;
	return 0;
}

static int open_memory(int dir_fd, struct template *template, const struct header *header,
		       struct error *err)
{
	struct stat st = { 0 };

	template->memory_fd = open_file(dir_fd, TEMPLATE_MEMORY_FILE, &st, err);
	if (template->memory_fd < 0)
		return template->memory_fd;
	if ((uint64_t)st.st_size != header->memory_size)
		return damaged(err, "the size of its memory is wrong");
	if (st.st_ino != header->memory_inode || st.st_ctim.tv_sec != header->memory_ctime ||
	    st.st_ctim.tv_nsec != header->memory_ctime_ns)
		return damaged(err, "somebody has changed its memory");
	return 0;
}

int template_file_read(int dir_fd, struct template *template, struct error *err)
{
	struct header header = { .zero = 0 };
	int r = read_state(dir_fd, template, &header, err);

	if (!r)
		r = open_memory(dir_fd, template, &header, err);
	if (r < 0)
		return r;
	template->memory_size = header.memory_size;
	template->memory_sum = header.memory_sum;
	template->created = header.created;
	return 0;
}

void template_clear(struct template *template)
{
	free(template->key);
	free(template->state);
	fd_close(&template->memory_fd);
	*template = TEMPLATE_NONE;
}

int template_verify(const struct template *template, struct error *err)
{
	uint32_t sum = 0;
	int r = template_memory_sum(template->memory_fd, template->memory_size, &sum, err);

	if (r < 0 || sum == template->memory_sum)
		return r;
	(void)damaged(err, "the checksum of its memory is wrong");
	err->code = EIO;
	return -EIO;
}

/* --- writing ---------------------------------------------------------------------------------- */

static int describe_memory(struct header *header, int memory_fd, struct error *err)
{
	struct stat st = { 0 };
	int r = fchmod(memory_fd, FILE_MODE) < 0 || fstat(memory_fd, &st) < 0
			? error_set(err, errno, "end a template's memory")
			: 0;

	if (!r)
		r = template_memory_sum(memory_fd, (uint64_t)st.st_size, &header->memory_sum, err);
	if (r < 0)
		return r;
	header->memory_size = (uint64_t)st.st_size;
	header->memory_inode = st.st_ino;
	header->memory_ctime = st.st_ctim.tv_sec;
	header->memory_ctime_ns = st.st_ctim.tv_nsec;
	return 0;
}

int template_file_write(int dir_fd, int memory_fd, const char *key, const uint8_t *state,
			size_t state_size, struct error *err)
{
	struct header header = {
		.version = VERSION,
		.key_size = strlen(key),
		.state_size = state_size,
		.created = time(NULL),
	};
	AUTO_CLOSE int fd = -1;
	int r;

	memcpy(header.magic, magic, sizeof(magic));
	if (header.key_size > TEMPLATE_KEY_MAX || state_size > TEMPLATE_STATE_MAX)
		return error_invalid(err, "a template's state is too large");
	r = describe_memory(&header, memory_fd, err);
	if (r < 0)
		return r;
	header.sum = crc32c(0, &header, sizeof(header));
	header.sum = crc32c(header.sum, key, header.key_size);
	header.sum = crc32c(header.sum, state, state_size);
	fd = openat(dir_fd, TEMPLATE_STATE_FILE, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC,
		    FILE_MODE);
	r = fd < 0 ? -errno : file_write_full(fd, &header, sizeof(header));
	if (!r)
		r = file_write_full(fd, key, header.key_size);
	if (!r)
		r = file_write_full(fd, state, state_size);
	return r < 0 ? error_set(err, -r, "write a template's state") : 0;
}
