/* SPDX-License-Identifier: Apache-2.0 */
/* What a template depends on: a place has one name, and what is found there another text. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/fd.h"
#include "vmm/template/template_key.h"

static char scratch[SCRATCH_DIR_SIZE], path[SCRATCH_DIR_SIZE + 16];
static struct error err;

static int file(const char *name, const char *content)
{
	int fd;

	(void)snprintf(path, sizeof(path), "%s/%s", scratch, name);
	(void)unlink(path);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	(void)!write(fd, content, strlen(content));
	return fd;
}

static struct template_needs needs(void)
{
	return (struct template_needs){
		.build = "1.0 abc",
		.kernel_fd = file("kernel", "k"),
		.initramfs_fd = file("initramfs", "i"),
		.memory_bytes = UINT64_C(256) << 20,
		.nr_vcpus = 2,
		.processor = 77,
	};
}

static struct template_key make(const struct template_needs *from)
{
	struct template_key key;

	if (!is_int(template_key_make(&key, from, &err), 0))
		exit(tap_done());
	return key;
}

/* The word for the difference that another value of one of the needs makes. */
static void differs(const struct template_key *key, const struct template_needs *changed,
		    const char *word, bool has_same_name)
{
	struct template_key other = make(changed);
	const char *line = template_key_difference(key->text, other.text);

	if (ok(line != NULL))
		ok(strncmp(line, word, strlen(word)) == 0 && line[strlen(word)] == ' ');
	is_int(strcmp(key->name, other.name) == 0, has_same_name);
	template_key_clear(&other);
}

static void test_changes(void)
{
	struct template_needs base, changed;
	struct template_key key, again;
	unsigned int nr_vcpus = 0;
	uint64_t memory = 0;
	const char *word = "";

	scratch_dir_make(scratch);
	base = needs();
	key = make(&base);
	again = make(&base);
	is_str(key.text, again.text);
	is_str(key.name, again.name);
	ok(template_name_is_valid(key.name));
	ok(!template_key_difference(key.text, again.text));
	template_key_clear(&again);
	is_int(template_key_read_size(key.text, &memory, &nr_vcpus), 0);
	is_int(memory, UINT64_C(256) << 20);
	is_int(nr_vcpus, 2);
	is_int(template_key_read_size("format 2\nmemory 1\nvcpus 1\n", &memory, &nr_vcpus),
	       -EINVAL);
	is_int(template_key_read_size("", &memory, &nr_vcpus), -EINVAL);
	ok(!template_key_is_outdated(key.text, &word));

	changed = base;
	changed.memory_bytes++;
	differs(&key, &changed, "memory", false);
	changed = base;
	changed.nr_vcpus++;
	differs(&key, &changed, "vcpus", false);
	changed = base;
	changed.is_debug = true;
	differs(&key, &changed, "console", false);
	changed = base;
	changed.build = "1.0 abd";
	differs(&key, &changed, "build", true);
	changed = base;
	changed.processor++;
	differs(&key, &changed, "processor", true);
	/* Another file of the same name, as an upgrade leaves it; then the same one, written to. */
	changed = base;
	changed.initramfs_fd = file("initramfs", "i");
	differs(&key, &changed, "initramfs", true);
	ok(template_key_is_outdated(key.text, &word));
	is_str(word, "initramfs");
	(void)close(changed.initramfs_fd);
	template_key_clear(&key);

	(void)close(base.initramfs_fd);
	base.initramfs_fd = file("initramfs", "i");
	key = make(&base);
	(void)usleep(20000);
	is_int(pwrite(base.kernel_fd, "x", 1, 0), 1);
	differs(&key, &base, "kernel", true);
	ok(template_key_is_outdated(key.text, &word));
	is_str(word, "kernel");
	template_key_clear(&key);
	(void)close(base.kernel_fd);
	(void)close(base.initramfs_fd);
	scratch_dir_remove(scratch);
}

static void test_another_boot(void)
{
	struct template_needs base;
	struct template_key key;
	const char *word = "";
	char *host;

	scratch_dir_make(scratch);
	base = needs();
	key = make(&base);
	host = strstr(key.text, "\nhost ");
	if (ok(host != NULL)) {
		host[strlen("\nhost ")] ^= 1;
		ok(template_key_is_outdated(key.text, &word));
		is_str(word, "host");
	}
	template_key_clear(&key);
	(void)close(base.kernel_fd);
	base.kernel_fd = file("line\nbreak", "k");
	is_int(template_key_make(&key, &base, &err), -EINVAL);
	(void)close(base.kernel_fd);
	(void)close(base.initramfs_fd);
	scratch_dir_remove(scratch);
}

int main(void)
{
	test_changes();
	test_another_boot();
	return tap_done();
}
