/* SPDX-License-Identifier: Apache-2.0 */
/* The store of templates: what is found is whole, for the same key, and nobody else's. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/template/crc32c.h"
#include "vmm/template/template_memory.h"
#include "vmm/template/template_store.h"

#define PAGE 4096
#define MEMORY_SIZE (64 * PAGE)
#define NR_RACERS 6
#define STRANGER 12345

/* Where these are in the header of a state file. */
#define SUM 12
#define LENGTH_OF_KEY 16
#define LENGTH_OF_STATE 24

static char scratch[SCRATCH_DIR_SIZE], directory[SCRATCH_DIR_SIZE + 16];
static struct template_store store;
static struct error err;
static const uint8_t state[] = "the state of a machine";
static struct template_key key = { "00112233445566aa", NULL };

static const char key_text[] = "format 1\nmemory 262144\nvcpus 1\nbuild x\nkernel 1:2 3\n";

/* Before each test: an empty store. */
static void set_up(void)
{
	scratch_dir_make_in("/dev/shm", scratch);
	(void)snprintf(directory, sizeof(directory), "%s/templates", scratch);
	is_int(template_store_open(&store, directory, false, &err), -ENOENT);
	if (!is_int(template_store_open(&store, directory, true, &err), 0))
		exit(tap_done());
	key.text = strdup(key_text);
}

static void tear_down(void)
{
	free(key.text);
	template_store_close(&store);
	scratch_dir_remove(scratch);
}

/* The kernel's clock for files has ticks: a change has another time only after the next one. */
static void wait_for_tick(void)
{
	const struct timespec pause = { .tv_nsec = 20000000 };

	(void)nanosleep(&pause, NULL);
}

static void fill_memory(int fd)
{
	is_int(pwrite(fd, "first", 5, 0), 5);
	is_int(pwrite(fd, "later", 5, 40 * PAGE + 7), 5);
}

static int publish(const struct template_key *as)
{
	struct template_draft draft;
	int r = template_draft_begin(&store, MEMORY_SIZE, &draft, &err);

	if (!is_int(r, 0))
		return r;
	fill_memory(draft.memory_fd);
	r = template_draft_publish(&store, &draft, as, state, sizeof(state), &err);
	template_draft_end(&store, &draft);
	return r;
}

static void make(void)
{
	is_int(template_store_lock(&store, 0, &err), 0);
	is_int(publish(&key), 0);
	template_store_unlock(&store);
}

static int find(void)
{
	struct template template;
	int r = template_find(&store, &key, &template, &err);

	if (!r)
		template_clear(&template);
	return r;
}

static char *path_of(const char *file)
{
	static char path[PATH_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s/%s", directory, key.name, file);
	return path;
}

/* --- what is good ----------------------------------------------------------------------------- */

static void test_life(void)
{
	struct template template;
	char bytes[5];
	struct stat st;

	set_up();
	is_int(find(), -ENOENT);
	make();
	is_int(template_find(&store, &key, &template, &err), 0);
	is_str(template.key, key_text);
	is_str(template.name, key.name);
	is_int(template.state_size, sizeof(state));
	ok(memcmp(template.state, state, sizeof(state)) == 0);
	is_int(template.memory_size, MEMORY_SIZE);
	is_int(pread(template.memory_fd, bytes, 5, 40 * PAGE + 7), 5);
	ok(memcmp(bytes, "later", 5) == 0);
	is_int(pwrite(template.memory_fd, bytes, 5, 0), -1);
	is_int(template_verify(&template, &err), 0);
	is_int(fstat(template.memory_fd, &st), 0);
	is_int(st.st_mode & 07777, 0400);
	is_int(st.st_blocks * 512, 2 * PAGE);
	/* One that is in use goes on after it was removed. */
	is_int(template_remove(&store, key.name, &err), 0);
	is_int(template_remove(&store, key.name, &err), -ENOENT);
	is_int(find(), -ENOENT);
	is_int(template_verify(&template, &err), 0);
	template_clear(&template);
	/* A new one takes the place of the old one. */
	make();
	make();
	is_int(find(), 0);
	tear_down();
}

static void test_other_key(void)
{
	set_up();
	make();
	free(key.text);
	key.text = strdup("format 1\nmemory 262144\nvcpus 1\nbuild x\nkernel 1:2 4\n");
	is_int(find(), -ESTALE);
	is_str(err.text, "template 00112233445566aa is stale: another kernel");
	free(key.text);
	key.text = strndup(key_text, sizeof(key_text) - 10);
	is_int(find(), -ESTALE);
	free(key.text);
	key.text = strdup(key_text);
	is_int(find(), 0);
	tear_down();
}

static void test_sums(void)
{
	int holes = memfd_create("holes", MFD_CLOEXEC), zeros = memfd_create("zeros", MFD_CLOEXEC);
	uint32_t sum_of_holes, sum_of_zeros;
	static const uint8_t page[PAGE];

	is_int(crc32c(0, "123456789", 9), 0xe3069283);
	is_int(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
	is_int(ftruncate(holes, MEMORY_SIZE), 0);
	for (int i = 0; i < MEMORY_SIZE / PAGE; i++)
		(void)!write(zeros, page, PAGE);
	is_int(template_memory_sum(holes, MEMORY_SIZE, &sum_of_holes, &err), 0);
	is_int(template_memory_sum(zeros, MEMORY_SIZE, &sum_of_zeros, &err), 0);
	is_int(sum_of_holes, sum_of_zeros);
	fill_memory(holes);
	fill_memory(zeros);
	is_int(template_memory_sum(holes, MEMORY_SIZE, &sum_of_holes, &err), 0);
	ok(sum_of_holes != sum_of_zeros);
	is_int(template_memory_sum(zeros, MEMORY_SIZE, &sum_of_zeros, &err), 0);
	is_int(sum_of_holes, sum_of_zeros);
	/* The same page elsewhere. */
	is_int(pwrite(zeros, page, PAGE, 0), PAGE);
	is_int(pwrite(zeros, "first", 5, PAGE), 5);
	is_int(template_memory_sum(zeros, MEMORY_SIZE, &sum_of_zeros, &err), 0);
	ok(sum_of_holes != sum_of_zeros);
	(void)close(holes);
	(void)close(zeros);
}

/* --- damage ----------------------------------------------------------------------------------- */

static void test_damaged_state(void)
{
	uint8_t bytes[1024];
	unsigned int nr_used = 0;
	ssize_t size;
	int fd;

	set_up();
	make();
	fd = open(path_of("state"), O_RDWR | O_CLOEXEC);
	size = pread(fd, bytes, sizeof(bytes), 0);
	ok(size > (ssize_t)(sizeof(key_text) + sizeof(state)) && size < (ssize_t)sizeof(bytes));
	for (ssize_t i = 0; i < size; i++) {
		uint8_t changed = bytes[i] ^ 0x10;

		(void)!pwrite(fd, &changed, 1, i);
		nr_used += find() != -EINVAL;
		(void)!pwrite(fd, &bytes[i], 1, i);
	}
	is_int(nr_used, 0);
	is_int(find(), 0);
	for (off_t i = size - 1; i >= 0; i--) {
		(void)!ftruncate(fd, i);
		nr_used += find() != -EINVAL;
	}
	is_int(nr_used, 0);
	is_int(pwrite(fd, bytes, (size_t)size, 0), size);
	is_int(find(), 0);
	is_int(pwrite(fd, "", 1, size), 1);
	is_int(find(), -EINVAL);
	(void)close(fd);
	tear_down();
}

/* Lengths that are not those of the file, with the checksum that belongs to them. */
static void test_lying_lengths(void)
{
	static const uint64_t lies[] = {
		0, 1, 1000, TEMPLATE_KEY_MAX, TEMPLATE_KEY_MAX + 1, UINT64_MAX, UINT64_MAX - 100
	};
	uint8_t bytes[1024];
	ssize_t size;
	int fd;

	set_up();
	make();
	fd = open(path_of("state"), O_RDWR | O_CLOEXEC);
	size = pread(fd, bytes, sizeof(bytes), 0);
	for (size_t i = 0; i < 2 * ARRAY_SIZE(lies); i++) {
		uint8_t changed[sizeof(bytes)];
		uint32_t sum = 0;

		memcpy(changed, bytes, sizeof(bytes));
		memcpy(changed + (i % 2 ? LENGTH_OF_KEY : LENGTH_OF_STATE), &lies[i / 2],
		       sizeof(lies[0]));
		memcpy(changed + SUM, &sum, sizeof(sum));
		sum = crc32c(0, changed, (size_t)size);
		memcpy(changed + SUM, &sum, sizeof(sum));
		is_int(pwrite(fd, changed, (size_t)size, 0), size);
		is_int(find(), -EINVAL);
	}
	(void)close(fd);
	tear_down();
}

static void test_damaged_memory(void)
{
	int fd;

	set_up();
	make();
	wait_for_tick();
	fd = open(path_of("memory"), O_RDWR | O_CLOEXEC);
	is_int(pwrite(fd, "x", 1, 3 * PAGE), 1);
	is_int(find(), -EINVAL);
	ok(strstr(err.text, "somebody has changed its memory"));
	(void)close(fd);

	make();
	is_int(find(), 0);
	is_int(truncate(path_of("memory"), MEMORY_SIZE - PAGE), 0);
	is_int(find(), -EINVAL);

	tear_down();
}

/* Of what changes without the kernel seeing it only a look at all of it tells. */
static void test_damage_unseen(void)
{
	struct template_draft draft;
	struct template template;
	volatile uint8_t *mapping;

	set_up();
	is_int(template_draft_begin(&store, MEMORY_SIZE, &draft, &err), 0);
	fill_memory(draft.memory_fd);
	mapping = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, draft.memory_fd, 0);
	mapping[0] = 'F';
	wait_for_tick();
	is_int(template_draft_publish(&store, &draft, &key, state, sizeof(state), &err), 0);
	template_draft_end(&store, &draft);
	mapping[0] = 'G';
	is_int(template_find(&store, &key, &template, &err), 0);
	is_int(template_verify(&template, &err), -EIO);
	mapping[0] = 'F';
	is_int(template_verify(&template, &err), 0);
	template_clear(&template);
	(void)munmap((void *)(uintptr_t)mapping, PAGE);
	tear_down();
}

static void test_missing_and_replaced_files(void)
{
	char other[PATH_MAX];

	set_up();
	(void)snprintf(other, sizeof(other), "%s/other", scratch);
	make();
	is_int(unlink(path_of("memory")), 0);
	is_int(find(), -EINVAL);
	make();
	is_int(unlink(path_of("state")), 0);
	is_int(find(), -EINVAL);
	make();
	is_int(rename(path_of("memory"), other), 0);
	is_int(symlink(other, path_of("memory")), 0);
	is_int(find(), -ELOOP);
	is_int(unlink(path_of("memory")), 0);
	is_int(mkfifo(path_of("memory"), 0600), 0);
	is_int(find(), -EINVAL);
	make();
	is_int(link(path_of("state"), strcat(other, "2")), 0);
	is_int(find(), -EINVAL);
	make();
	is_int(find(), 0);
	tear_down();
}

static void test_strangers(void)
{
	struct template_store other;
	struct template template;

	set_up();
	make();
	is_int(chmod(path_of("state"), 0620), 0);
	is_int(find(), -EPERM);
	is_int(chmod(path_of("state"), 0400), 0);
	is_int(find(), 0);
	is_int(chmod(path_of("."), 0770), 0);
	is_int(template_load(&store, key.name, &template, &err), -EPERM);
	is_int(chmod(path_of("."), 0700), 0);
	if (geteuid() == 0) {
		is_int(chown(path_of("."), STRANGER, 0), 0);
		is_int(find(), -EPERM);
		is_int(chown(path_of("."), 0, 0), 0);
		is_int(chown(path_of("state"), STRANGER, 0), 0);
		is_int(find(), -EPERM);
		make();
		is_int(chown(directory, STRANGER, 0), 0);
		is_int(template_store_open(&other, directory, true, &err), -EPERM);
		ok(strstr(err.text, "belongs to user 12345"));
		is_int(chown(directory, 0, 0), 0);
	}
	is_int(chmod(directory, 0777), 0);
	is_int(template_store_open(&other, directory, true, &err), -EPERM);
	is_int(chmod(directory, 0700), 0);
	is_int(rename(directory, strcat(strcpy(path_of(""), scratch), "/moved")), 0);
	is_int(symlink("moved", directory), 0);
	ok(template_store_open(&other, directory, true, &err) < 0);
	tear_down();
}

/* --- makers ----------------------------------------------------------------------------------- */

/* Make a template up to @step, say so, and wait to be killed. */
static _Noreturn void make_until(int step, int said_fd)
{
	struct template_store own;
	struct template_draft draft;

	if (template_store_open(&own, directory, true, &err) < 0 ||
	    template_store_lock(&own, 0, &err) < 0)
		_exit(1);
	store = own;
	if (step > 0 && template_draft_begin(&own, MEMORY_SIZE, &draft, &err) < 0)
		_exit(1);
	if (step > 1 && pwrite(draft.memory_fd, "half", 4, PAGE) != 4)
		_exit(1);
	if (step > 2) { /* all but the name */
		int fd = openat(draft.dir_fd, "state", O_WRONLY | O_CREAT | O_CLOEXEC, 0400);

		if (fd < 0 || write(fd, state, sizeof(state)) < 0)
			_exit(1);
	}
	(void)!write(said_fd, "", 1);
	for (;;)
		(void)pause();
}

static void test_killed_makers(void)
{
	for (int step = 0; step <= 3; step++) {
		int said[2];
		char byte;
		pid_t pid;

		set_up();
		is_int(pipe2(said, O_CLOEXEC), 0);
		pid = fork();
		if (pid == 0)
			make_until(step, said[1]);
		is_int(read(said[0], &byte, 1), 1);
		is_int(find(), -ENOENT);
		is_int(template_store_lock(&store, 30, &err), -EBUSY);
		(void)kill(pid, SIGKILL);
		(void)waitpid(pid, NULL, 0);
		is_int(find(), -ENOENT);
		make();
		is_int(find(), 0);
		is_int(access(strcat(strcpy(path_of(""), directory), "/.draft"), F_OK), -1);
		(void)close(said[0]);
		(void)close(said[1]);
		tear_down();
	}
}

/* As template_use() does it: how many of these exit with 1, having made it? */
static _Noreturn void race(void)
{
	struct template_store own;
	int r = template_store_open(&own, directory, true, &err);

	if (!r)
		r = template_store_lock(&own, 10000, &err);
	if (r < 0)
		_exit(99);
	store = own;
	if (find() == 0)
		_exit(0);
	_exit(publish(&key) == 0 ? 1 : 98);
}

static void test_racing_makers(void)
{
	pid_t pids[NR_RACERS];
	int nr_made = 0;

	set_up();
	(void)fflush(stdout);
	for (int i = 0; i < NR_RACERS; i++) {
		pids[i] = fork();
		if (pids[i] == 0) {
			(void)!freopen("/dev/null", "w", stdout);
			race();
		}
	}
	for (int i = 0; i < NR_RACERS; i++) {
		int status = 0;

		(void)waitpid(pids[i], &status, 0);
		nr_made += WIFEXITED(status) ? WEXITSTATUS(status) : 1000;
	}
	is_int(nr_made, 1);
	is_int(find(), 0);
	tear_down();
}

static void test_full(void)
{
	struct template_key other = { .text = key.text };
	int r = 0;

	set_up();
	other.text = key.text;
	is_int(template_store_lock(&store, 0, &err), 0);
	for (unsigned int i = 0; i < TEMPLATES_MAX && !r; i++) {
		char path[SCRATCH_DIR_SIZE + 64];

		(void)snprintf(path, sizeof(path), "%s/%016x", directory, i);
		r = mkdir(path, 0700);
	}
	is_int(r, 0);
	is_int(publish(&key), -ENOSPC);
	is_int(find(), -ENOENT);
	/* Others that are not valid names do not count, one of the same name goes. */
	(void)snprintf(other.name, sizeof(other.name), "%016x", 5);
	is_int(publish(&other), 0);
	ok(!template_name_is_valid(".draft") && !template_name_is_valid("../000000000000") &&
	   !template_name_is_valid("0011223344556677x") && template_name_is_valid(key.name));
	tear_down();
}

int main(void)
{
	test_life();
	test_other_key();
	test_sums();
	test_damaged_state();
	test_lying_lengths();
	test_damaged_memory();
	test_damage_unseen();
	test_missing_and_replaced_files();
	test_strangers();
	test_killed_makers();
	test_racing_makers();
	test_full();
	return tap_done();
}
