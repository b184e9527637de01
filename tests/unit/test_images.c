/* SPDX-License-Identifier: Apache-2.0 */
/* test_images.c - kernel and initramfs are found by option or beside the program, nowhere else */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/cli/images.h"

#define NAME "image-of-test-images"

static struct error err;

static void make_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	ok(fd >= 0);
	(void)close(fd);
}

static void test_option(void)
{
	char directory[SCRATCH_DIR_SIZE], path[SCRATCH_DIR_SIZE + 8];
	struct image image = { -1, NULL };

	scratch_dir_make(directory);
	(void)snprintf(path, sizeof(path), "%s/kernel", directory);
	make_file(path);
	is_int(image_open(NAME, path, &image, &err), 0);
	is_str(image.path, path);
	ok(fcntl(image.fd, F_GETFD) & FD_CLOEXEC);
	is_int(fcntl(image.fd, F_GETFL) & O_ACCMODE, O_RDONLY);
	image_close(&image);
	is_int(image.fd, -1);
	ok(!image.path);
	image_close(&image);
	/* A wrong option is an error: the installed image is no substitute. */
	(void)unlink(path);
	is_int(image_open(NAME, path, &image, &err), -ENOENT);
	ok(strstr(err.text, path) != NULL);
	ok(image.fd == -1 && !image.path);
	/* Nobody waits for the writer of a FIFO. */
	ok(mkfifo(path, 0644) == 0);
	is_int(image_open(NAME, path, &image, &err), 0);
	image_close(&image);
	scratch_dir_remove(directory);
}

static void test_beside_the_program(void)
{
	struct image image = { -1, NULL };
	static char path[PATH_MAX], folder[PATH_MAX];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - sizeof(NAME));

	ok(len > 0);
	path[len] = 0;
	(void)snprintf(strrchr(path, '/') + 1, sizeof(NAME), "%s", NAME);
	(void)unlink(path);
	is_int(image_open(NAME, NULL, &image, &err), -ENOENT);
	ok(strncmp(err.text, "find " NAME " in ", strlen("find " NAME " in ")) == 0);
	if (access(dirname(strcpy(folder, path)), W_OK) < 0) {
		printf("ok %u - an image beside the program # SKIP its folder is not ours\n",
		       ++tap_checks);
		return;
	}
	make_file(path);
	/* Neither the working directory nor the environment has a say. */
	ok(chdir("/") == 0 && setenv("PATH", "/nonexistent", 1) == 0);
	is_int(image_open(NAME, NULL, &image, &err), 0);
	is_str(image.path, path);
	image_close(&image);
	(void)unlink(path);
}

/* An option comes before the administrator's configuration, which may be missing or damaged. */
static void test_choice(void)
{
	char from_file[] = "/from-file";
	const struct administrator_config administrator = { .kernel = from_file };
	const struct global_options none = { 0 };
	const struct global_options file = { .administrator = &administrator };
	const struct global_options both = { .administrator = &administrator,
					     .kernel = "/from-option",
					     .initramfs = "/i" };

	ok(!kernel_option(&none) && !initramfs_option(&none));
	is_str(kernel_option(&file), from_file);
	ok(!initramfs_option(&file));
	is_str(kernel_option(&both), "/from-option");
	is_str(initramfs_option(&both), "/i");
}

int main(void)
{
	(void)alarm(60);
	test_choice();
	test_option();
	test_beside_the_program();
	return tap_done();
}
