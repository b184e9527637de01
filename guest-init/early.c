/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/early.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/random.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include "guest-init/scope.h"

#define ENTROPY_SIZE_MAX 256u
#define FREE_MEMORY_KEPT ((size_t)12 << 20) /* page tables, what is being reported as free */
#define FREE_MEMORY_SHARE 32 /* and of it this part: the kernel keeps more in larger machines */

/* struct rand_pool_info with room for the bytes. */
struct entropy_pool {
	int nr_bits;
	int size;
	uint8_t bytes[ENTROPY_SIZE_MAX];
};
_Static_assert(offsetof(struct entropy_pool, bytes) == sizeof(struct rand_pool_info),
	       "the bytes follow the head");

void early_block_signals(void)
{
	sigset_t all;

	(void)sigfillset(&all);
	(void)pthread_sigmask(SIG_SETMASK, &all, NULL);
}

static int early_mount_one(const char *type, const char *path, struct failure *err)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		return failure_set(err, errno, "create %s", path);
	if (mount(type, path, type, MS_NOSUID | MS_NOEXEC, NULL))
		return failure_set(err, errno, "mount %s", path);
	return 0;
}

/*
 * Nothing can be put in the place of an initramfs, so guest-init works on a tmpfs that covers it. A
 * container's process exchanges that for its own root with pivot_root(2), and what guest-init has
 * mounted leaves its mount namespace as a whole.
 */
static int early_cover_initramfs(struct failure *err)
{
	int r = early_mount_one("tmpfs", "/stage", err);

	if (r)
		return r;
	if (chdir("/stage") || mount(".", "/", NULL, MS_MOVE, NULL) || chroot("."))
		return failure_set(err, errno, "cover the initramfs");
	return 0;
}

int early_mount(struct failure *err)
{
	int r = early_cover_initramfs(err);
	int fd;

	if (!r)
		r = early_mount_one("devtmpfs", "/dev", err);
	if (!r)
		r = early_mount_one("proc", "/proc", err);
	if (r)
		return r;
	do {
		fd = open("/dev/null", O_RDWR);
		if (fd < 0)
			return failure_set(err, errno, "open /dev/null");
	} while (fd <= STDERR_FILENO);
	(void)close(fd);
	return 0;
}

/* The kernel gives pages out as zeroes, and nobody writes to these before it has them back. */
void early_clear_free_memory(void)
{
	AUTO_CLOSE int fd = open("/proc/sys/vm/compact_memory", O_WRONLY | O_CLOEXEC);
	struct sysinfo info;
	size_t size;
	void *memory;

	if (fd >= 0)
		(void)!write(fd, "1", 1);
	if (sysinfo(&info))
		return;
	size = info.freeram * info.mem_unit;
	size -= size / FREE_MEMORY_SHARE;
	if (size <= FREE_MEMORY_KEPT)
		return;
	size -= FREE_MEMORY_KEPT;
	memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return;
	(void)madvise(memory, size, MADV_HUGEPAGE);
	(void)madvise(memory, size, MADV_POPULATE_WRITE);
	(void)munmap(memory, size);
}

static int early_hex_digit(char digit)
{
	if (!isxdigit((unsigned char)digit))
		return -1;
	if (isdigit((unsigned char)digit))
		return digit - '0';
	return tolower((unsigned char)digit) - 'a' + 10;
}

int early_mix_entropy(const char *entropy, struct failure *err)
{
	AUTO_CLOSE int fd = open("/dev/urandom", O_RDWR | O_CLOEXEC);
	size_t size = strlen(entropy) / 2;
	struct entropy_pool pool = { .nr_bits = (int)(size * 8), .size = (int)size };

	if (strlen(entropy) % 2 || size > sizeof(pool.bytes))
		return failure_invalid(err, "entropy of %zu digits", strlen(entropy));
	for (size_t i = 0; i < size; i++) {
		int high = early_hex_digit(entropy[2 * i]);
		int low = early_hex_digit(entropy[2 * i + 1]);

		if (high < 0 || low < 0)
			return failure_invalid(err, "entropy is not made of hex digits");
		pool.bytes[i] = (uint8_t)(high << 4 | low);
	}
	if (fd < 0 || ioctl(fd, RNDADDENTROPY, &pool) || ioctl(fd, RNDRESEEDCRNG))
		return failure_set(err, errno, "mix in entropy");
	explicit_bzero(&pool, sizeof(pool));
	return 0;
}

void early_die(const struct failure *err)
{
	int fd = open("/dev/console", O_WRONLY | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0)
		(void)dprintf(fd, "guest-init: %s\n", err->text);
	_exit(1);
}

void early_reboot(void)
{
	(void)reboot(RB_AUTOBOOT);
	_exit(1);
}
