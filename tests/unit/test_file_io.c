/* SPDX-License-Identifier: Apache-2.0 */
/* test_file_io.c - files are read whole or refused, and replaced in one step or not at all */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/file_io.h"

#define STREAM_SIZE ((size_t)1 << 20)
#define NR_REPLACEMENTS 300

static char directory[SCRATCH_DIR_SIZE];
static int dir_fd;
static struct error err;

static void set_up(void)
{
	scratch_dir_make(directory);
	dir_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void tear_down(void)
{
	(void)close(dir_fd);
	scratch_dir_remove(directory);
}

static void write_file(const char *name, const char *text)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	is_int(file_write_full(fd, text, strlen(text)), 0);
	(void)close(fd);
}

static void check_content(const char *name, const char *want)
{
	char *data = NULL;
	size_t size = 0;

	is_int(file_load(dir_fd, name, 100000, &data, &size, &err), 0);
	is_str(data, want);
	is_int(size, strlen(want));
	free(data);
}

static void check_refused(const char *name, size_t max_size, int code)
{
	char *data = NULL;
	size_t size = 7;

	is_int(file_load(dir_fd, name, max_size, &data, &size, &err), -code);
	ok(strstr(err.text, name) != NULL);
	ok(!data && size == 7);
}

static void test_load(void)
{
	char *data;
	size_t size;

	set_up();
	write_file("file", "0123456789");
	check_content("file", "0123456789");
	is_int(file_load(dir_fd, "file", 10, &data, &size, &err), 0);
	is_int(size, 10);
	free(data);
	check_refused("file", 9, EINVAL);
	is_str(err.text, "file is larger than 9 bytes");
	write_file("empty", "");
	is_int(file_load(dir_fd, "empty", 0, &data, &size, &err), 0);
	ok(size == 0 && data[0] == 0);
	free(data);
	tear_down();
}

static void test_load_refuses(void)
{
	int fd;

	set_up();
	check_refused("missing", 100, ENOENT);
	ok(mkdirat(dir_fd, "dir", 0755) == 0);
	check_refused("dir", 100, EINVAL);
	is_str(err.text, "dir is not a regular file");
	ok(mkfifoat(dir_fd, "fifo", 0644) == 0);
	check_refused("fifo", 100, EINVAL); /* and nobody waits for a writer */
	ok(symlinkat("/dev/zero", dir_fd, "device") == 0);
	check_refused("device", 100, EINVAL);
	/* A huge file costs nothing but the look at its size. */
	write_file("huge", "");
	fd = openat(dir_fd, "huge", O_WRONLY | O_CLOEXEC);
	ok(ftruncate(fd, (off_t)1 << 40) == 0);
	(void)close(fd);
	check_refused("huge", 1 << 20, EINVAL);
	tear_down();
}

/* --- pipes: short reads and writes, signals in between -------------------------------------- */

static volatile sig_atomic_t nr_signals;

static void on_signal(int number)
{
	(void)number;
	nr_signals++;
}

struct peer {
	pthread_t main_thread;
	int fd;
	char *bytes;
};

/* Takes the bytes in small portions, and interrupts the writer meanwhile. */
static void *slow_reader(void *context)
{
	struct peer *peer = context;
	size_t done = 0;

	while (done < STREAM_SIZE) {
		ssize_t n = read(peer->fd, peer->bytes + done, 5000);

		if (n <= 0)
			break;
		done += (size_t)n;
		(void)pthread_kill(peer->main_thread, SIGUSR1);
	}
	return NULL;
}

static void test_interrupted_write(void)
{
	const struct sigaction action = { .sa_handler = on_signal }; /* no SA_RESTART */
	struct peer peer = { .main_thread = pthread_self() };
	char *bytes = malloc(STREAM_SIZE);
	pthread_t thread;
	int fds[2];

	peer.bytes = calloc(1, STREAM_SIZE);
	for (size_t i = 0; i < STREAM_SIZE; i++)
		bytes[i] = (char)(i * 7 + (i >> 8));
	ok(sigaction(SIGUSR1, &action, NULL) == 0 && pipe(fds) == 0);
	peer.fd = fds[0];
	ok(pthread_create(&thread, NULL, slow_reader, &peer) == 0);
	is_int(file_write_full(fds[1], bytes, STREAM_SIZE), 0);
	(void)pthread_join(thread, NULL);
	ok(nr_signals > 0);
	ok(memcmp(bytes, peer.bytes, STREAM_SIZE) == 0);

	/* Short reads are put together; the end comes early. */
	is_int(file_write_full(fds[1], "abc", 3), 0);
	(void)close(fds[1]);
	is_int(file_read_full(fds[0], bytes, 10), 3);
	is_int(file_read_full(fds[0], bytes, 10), 0);
	(void)close(fds[0]);
	is_int(file_read_full(fds[0], bytes, 10), -EBADF);
	is_int(file_write_full(fds[0], bytes, 10), -EBADF);
	free(bytes);
	free(peer.bytes);
}

/* --- replacement ----------------------------------------------------------------------------- */

static unsigned int count_entries(void)
{
	DIR *dir = opendir(directory);
	unsigned int nr = 0;

	while (readdir(dir))
		nr++;
	closedir(dir);
	return nr - 2; /* . and .. */
}

/* Whoever reads meanwhile finds one whole content or the other. */
static void *replacer(void *context)
{
	char text[5000];
	struct error ignored;

	(void)context;
	for (unsigned int i = 0; i < NR_REPLACEMENTS; i++) {
		memset(text, i % 2 ? 'b' : 'a', sizeof(text));
		(void)file_replace(dir_fd, "file", text, i % 2 ? 5000 : 3000, &ignored);
	}
	return NULL;
}

static void test_replace_is_atomic(void)
{
	unsigned int nr_reads = 0, nr_torn = 0;
	pthread_t thread;

	set_up();
	is_int(file_replace(dir_fd, "file", "", 0, &err), 0);
	check_content("file", "");
	is_int(file_replace(dir_fd, "file", "hello", 5, &err), 0);
	check_content("file", "hello");
	ok(pthread_create(&thread, NULL, replacer, NULL) == 0);
	for (bool is_running = true; is_running; nr_reads++) {
		size_t size = 0;
		char *data = NULL;

		is_running = pthread_tryjoin_np(thread, NULL) != 0;
		nr_torn += file_load(dir_fd, "file", 100000, &data, &size, &err) < 0;
		if (data && size != 5)
			nr_torn += size != (data[0] == 'b' ? 5000u : 3000u) ||
				   data[size - 1] != data[0];
		free(data);
	}
	ok(nr_reads > 0);
	is_int(nr_torn, 0);
	is_int(count_entries(), 1);
	tear_down();
}

/* A disk that is full: the old content stays, and nothing is left over. */
static void test_replace_fails(void)
{
	const struct rlimit small = { 4096, RLIM_INFINITY };
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	static const char large[8192];
	char name[256];

	set_up();
	write_file("file", "old");
	(void)signal(SIGXFSZ, SIG_IGN);
	ok(setrlimit(RLIMIT_FSIZE, &small) == 0);
	is_int(file_replace(dir_fd, "file", large, sizeof(large), &err), -EFBIG);
	ok(setrlimit(RLIMIT_FSIZE, &unlimited) == 0);
	check_content("file", "old");
	is_int(count_entries(), 1);
	ok(mkdirat(dir_fd, "dir", 0755) == 0);
	is_int(file_replace(dir_fd, "dir", "x", 1, &err), -EISDIR);
	is_int(count_entries(), 2);
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = 0;
	is_int(file_replace(dir_fd, name, "x", 1, &err), -ENAMETOOLONG);
	is_int(file_replace(-1, "file", "x", 1, &err), -EBADF);
	is_int(count_entries(), 2);
	tear_down();
}

int main(void)
{
	(void)alarm(60); /* an open that waits is what must not happen */
	test_load();
	test_load_refuses();
	test_interrupted_write();
	test_replace_is_atomic();
	test_replace_fails();
	return tap_done();
}
