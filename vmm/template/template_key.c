/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/template/template_key.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"

#define FORMAT "format 1\n"
#define FIRST_OF_FOUND "build " /* begins the lines that are not the place's */
#define BOOT_ID "/proc/sys/kernel/random/boot_id"
#define MICROCODE "/sys/devices/system/cpu/cpu0/microcode/version"
#define IDENTITY_SIZE 160

static const char *const files[] = { "program", "kernel", "initramfs" };

/* FNV-1a, 64 bits. */
static uint64_t hash(const char *text, size_t len)
{
	uint64_t value = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < len; i++)
		value = (value ^ (uint8_t)text[i]) * UINT64_C(0x100000001b3);
	return value;
}

/* Another file, or other content, has another one. */
static void describe(const struct stat *st, char ret[IDENTITY_SIZE])
{
	(void)snprintf(ret, IDENTITY_SIZE,
		       "%" PRIx64 ":%" PRIu64 " %" PRId64 " %" PRId64 ".%09ld %" PRId64 ".%09ld",
		       (uint64_t)st->st_dev, (uint64_t)st->st_ino, (int64_t)st->st_size,
		       (int64_t)st->st_mtim.tv_sec, st->st_mtim.tv_nsec,
		       (int64_t)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
}

/* The path of what @link in /proc leads to. */
static int find_path(const char *link, char ret[PATH_MAX], struct error *err)
{
	ssize_t len = readlink(link, ret, PATH_MAX - 1);

	if (len < 0)
		return error_set(err, errno, "read %s", link);
	ret[len] = 0;
	if (strchr(ret, '\n'))
		return error_invalid(err, "a template's files have no line breaks in their names");
	return 0;
}

static int add_path(FILE *out, const char *name, const char *link, struct error *err)
{
	char path[PATH_MAX];
	int r = find_path(link, path, err);

	if (!r)
		(void)fprintf(out, "%s-at %s\n", name, path);
	return r;
}

static int add_paths(FILE *out, const struct template_needs *needs, struct error *err)
{
	char link[32];
	int r = add_path(out, files[0], "/proc/self/exe", err);

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", needs->kernel_fd);
	if (!r)
		r = add_path(out, files[1], link, err);
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", needs->initramfs_fd);
	return r < 0 ? r : add_path(out, files[2], link, err);
}

static int add_identities(FILE *out, const struct template_needs *needs, struct error *err)
{
	struct stat found[ARRAY_SIZE(files)];
	char identity[IDENTITY_SIZE];

	if (stat("/proc/self/exe", &found[0]) < 0 || fstat(needs->kernel_fd, &found[1]) < 0 ||
	    fstat(needs->initramfs_fd, &found[2]) < 0)
		return error_set(err, errno, "stat what a template is made of");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		describe(&found[i], identity);
		(void)fprintf(out, "%s %s\n", files[i], identity);
	}
	return 0;
}

/* The first line of a small file, or "?". */
static void read_line(const char *path, char *line, size_t size)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? -1 : file_read_full(fd, line, size - 1);

	line[len > 0 ? len : 0] = 0;
	line[strcspn(line, "\n")] = 0;
	if (!line[0])
		(void)snprintf(line, size, "?");
}

/* Heap text, or NULL without memory: the host's kernel, and which of its lives this is. */
static char *host_line(void)
{
	struct utsname host;
	char boot_id[64], microcode[32];
	char *line;

	read_line(BOOT_ID, boot_id, sizeof(boot_id));
	read_line(MICROCODE, microcode, sizeof(microcode));
	if (uname(&host) < 0 || asprintf(&line, "host %s %s %s microcode %s\n", host.release,
					 host.version, boot_id, microcode) < 0)
		return NULL;
	return line;
}

static int write_key(FILE *out, const struct template_needs *needs, struct error *err)
{
	AUTO_FREE char *host = host_line();
	int r = add_paths(out, needs, err);

	if (r < 0)
		return r;
	if (!host)
		return error_set(err, ENOMEM, "describe a template");
	(void)fprintf(out, "memory %" PRIu64 "\nvcpus %u\nconsole %s\n" FIRST_OF_FOUND "%s\n",
		      needs->memory_bytes, needs->nr_vcpus, needs->is_debug ? "debug" : "quiet",
		      needs->build);
	r = add_identities(out, needs, err);
	if (!r)
		(void)fprintf(out, "%sprocessor %016" PRIx64 "\n", host, needs->processor);
	return r;
}

int template_key_make(struct template_key *key, const struct template_needs *needs,
		      struct error *err)
{
	size_t size;
	FILE *out;
	int r;

	*key = (struct template_key){ .text = NULL };
	out = open_memstream(&key->text, &size);
	if (!out)
		return error_set(err, errno, "describe a template");
	(void)fputs(FORMAT, out);
	r = write_key(out, needs, err);
	if (fclose(out) != 0 && !r)
		r = error_set(err, ENOMEM, "describe a template");
	if (!r && strlen(key->text) > TEMPLATE_KEY_MAX)
		r = error_invalid(err, "the names of a template's files are too long");
	if (r < 0) {
		template_key_clear(key);
		return r;
	}
	template_key_name(key->text, key->name);
	return 0;
}

void template_key_clear(struct template_key *key)
{
	free(key->text);
	key->text = NULL;
}

/* What stands behind "@word " at the beginning of a line, or NULL. */
static const char *find_line(const char *text, const char *word)
{
	size_t len = strlen(word);

	while (text && (strncmp(text, word, len) != 0 || text[len] != ' ')) {
		text = strchr(text, '\n');
		if (text)
			text++;
	}
	return text ? text + len + 1 : NULL;
}

int template_key_read_size(const char *text, uint64_t *ret_memory_bytes, unsigned int *ret_nr_vcpus)
{
	const char *memory = find_line(text, "memory"), *vcpus = find_line(text, "vcpus");

	if (!memory || !vcpus || strncmp(text, FORMAT, strlen(FORMAT)) != 0)
		return -EINVAL;
	*ret_memory_bytes = strtoull(memory, NULL, 10);
	*ret_nr_vcpus = (unsigned int)strtoul(vcpus, NULL, 10);
	return *ret_memory_bytes && *ret_nr_vcpus ? 0 : -EINVAL;
}

const char *template_key_difference(const char *text, const char *wanted)
{
	const char *line = wanted;

	for (; *wanted && *text == *wanted; text++, wanted++)
		if (*wanted == '\n')
			line = wanted + 1;
	return *text == *wanted ? NULL : line;
}

/* Whether the line "@word TEXT" is there. */
static bool has_line(const char *key, const char *word, const char *text)
{
	const char *line = find_line(key, word);
	size_t len = strlen(text);

	return line && strncmp(line, text, len) == 0 && line[len] == '\n';
}

static bool is_file_outdated(const char *text, const char *name)
{
	char word[16], path[PATH_MAX], identity[IDENTITY_SIZE];
	const char *line;
	struct stat st;

	(void)snprintf(word, sizeof(word), "%s-at", name);
	line = find_line(text, word);
	(void)snprintf(path, sizeof(path), "%.*s", line ? (int)strcspn(line, "\n") : 0,
		       line ? line : "");
	if (stat(path, &st) < 0)
		return true;
	describe(&st, identity);
	return !has_line(text, name, identity);
}

bool template_key_is_outdated(const char *text, const char **ret_word)
{
	AUTO_FREE char *host = host_line();

	for (size_t i = 0; i < ARRAY_SIZE(files); i++)
		if (is_file_outdated(text, files[i])) {
			*ret_word = files[i];
			return true;
		}
	*ret_word = "host";
	return host && !strstr(text, host);
}

void template_key_name(const char *text, char ret_name[TEMPLATE_NAME_SIZE])
{
	const char *found = find_line(text, "build");
	size_t len = found ? (size_t)(found - text) - strlen(FIRST_OF_FOUND) : strlen(text);

	(void)snprintf(ret_name, TEMPLATE_NAME_SIZE, "%016" PRIx64, hash(text, len));
}

bool template_name_is_valid(const char *name)
{
	return strlen(name) == TEMPLATE_NAME_SIZE - 1 &&
	       strspn(name, "0123456789abcdef") == TEMPLATE_NAME_SIZE - 1;
}
