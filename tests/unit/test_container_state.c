/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/scratch_dir.h"
#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/oci/container_state.h"
#include "vmm/oci/state_root.h"

#define NR_RACERS 8

static char scratch[SCRATCH_DIR_SIZE];
static char root[SCRATCH_DIR_SIZE + 16];
static struct error err;

static struct container_state *create(const char *id)
{
	struct container_state *state = NULL;

	if (!is_int(container_state_create(root, id, &state, &err), 0))
		exit(tap_done());
	return state;
}

static int init(struct container_state *state, pid_t pid)
{
	json_t *annotations = json_pack("{s:s}", "key", "value");
	struct container_state_record record = {
		.config_text = "{\"the\":\"config\"}",
		.bundle = "/the/bundle",
		.rootfs = "/the/rootfs",
		.annotations = annotations,
		.defaults = { UINT64_C(100) << 20, 3 },
	};
	int r = container_state_init(state, &record, pid, &err);

	json_decref(annotations);
	return r;
}

static void drop(const char *id)
{
	struct container_state *state = NULL;

	is_int(container_state_open(root, id, &state, &err), 0);
	is_int(container_state_lock(state, 0, &err), 0);
	is_int(container_state_remove(state, &err), 0);
	container_state_free(state);
}

/* A child that sleeps until it is killed. */
static pid_t start_child(void)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			(void)pause();
	}
	return pid;
}

static void end_child(pid_t pid)
{
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, 0);
}

static void test_ids(void)
{
	static const char *const good[] = { "a", "A_b+c.d-9", "..a", "-", "...", ".hidden" };
	static const char *const bad[] = { "", ".", "..", "a/b", "a b", "a\n", "\xc3\xa9", "a\"" };
	char text[CONTAINER_ID_MAX + 2];

	for (size_t i = 0; i < ARRAY_SIZE(good); i++)
		is_int(container_id_check(good[i], &err), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		is_int(container_id_check(bad[i], &err), -EINVAL);
	memset(text, 'x', sizeof(text));
	text[CONTAINER_ID_MAX] = 0;
	is_int(container_id_check(text, &err), 0);
	text[CONTAINER_ID_MAX] = 'x';
	text[CONTAINER_ID_MAX + 1] = 0;
	is_int(container_id_check(text, &err), -EINVAL);
	is_str(err.text, "container id is longer than 255 characters");
}

static void test_life(void)
{
	struct container_state *ours = create("life");
	struct container_state *other = NULL;
	pid_t child = start_child();
	char *text = NULL;
	size_t size;

	ok(container_state_load(root, "life", &other, &err) == 0 && !other->has_record);
	is_int(container_state_status(other), CONTAINER_CREATING);
	container_state_free(other);

	is_int(init(ours, child), 0);
	is_int(file_load(ours->dir_fd, "config.json", 100, &text, &size, &err), 0);
	is_str(text, "{\"the\":\"config\"}");
	free(text);
	is_int(container_state_load(root, "life", &other, &err), 0);
	is_int(container_state_status(other), CONTAINER_CREATING);
	is_int(container_state_set_status(ours, CONTAINER_CREATED, &err), 0);
	container_state_free(ours);

	is_int(container_state_lock(other, 0, &err), 0);
	is_int(container_state_status(other), CONTAINER_CREATED);
	is_int(container_state_set_running(other, &err), 0);
	container_state_unlock(other);
	container_state_free(other);

	is_int(container_state_load(root, "life", &other, &err), 0);
	is_int(container_state_status(other), CONTAINER_RUNNING);
	ok(other->has_record && other->pid == child);
	is_str(other->bundle, "/the/bundle");
	is_str(other->rootfs, "/the/rootfs");
	is_int((long long)other->defaults.memory_bytes, 100 << 20);
	is_int(other->defaults.nr_vcpus, 3);
	is_str(json_string_value(json_object_get(other->annotations, "key")), "value");
	ok(strlen(other->created) == strlen("2026-11-22T06:19:36.866677256Z"));

	(void)kill(child, SIGKILL);
	(void)waitid(P_PID, (id_t)child, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	is_int(container_state_status(other), CONTAINER_STOPPED); /* a zombie */
	end_child(child);
	is_int(container_state_status(other), CONTAINER_STOPPED);
	container_state_free(other);
	drop("life");
	is_int(container_state_load(root, "life", &other, &err), -ENOENT);
	is_str(err.text, "container does not exist");
}

static void test_unknown(void)
{
	struct container_state *state = NULL;

	is_int(container_state_open(root, "nobody", &state, &err), -ENOENT);
	is_str(err.text, "container does not exist");
	is_int(container_state_open("/no/such/root", "nobody", &state, &err), -ENOENT);
	is_str(err.text, "container does not exist");
	is_int(container_state_open(root, "../x", &state, &err), -EINVAL);
	ok(!state);
}

static void test_second_create(void)
{
	struct container_state *state = create("twice");
	struct container_state *second = NULL;

	is_int(container_state_create(root, "twice", &second, &err), -EEXIST);
	is_str(err.text, "container with given ID already exists");
	ok(!second);
	container_state_free(state);
	is_int(container_state_create(root, "twice", &second, &err), -EEXIST);
	drop("twice");
	state = create("twice");
	container_state_free(state);
	drop("twice");
}

/* Many create the same container, and each winner removes it: never two at once. */
static void race(int counter_fd)
{
	for (int i = 0; i < 200; i++) {
		struct container_state *state = NULL;
		char one = 1;
		int r = container_state_create(root, "race", &state, &err);

		if (r == -EEXIST || r == -ECANCELED)
			continue;
		if (r < 0)
			_exit(2);
		/* O_EXCL fails if somebody else is inside. */
		int fd = openat(state->root_fd, "inside", O_CREAT | O_EXCL | O_CLOEXEC, 0600);

		if (fd < 0)
			_exit(3);
		(void)close(fd);
		(void)unlinkat(state->root_fd, "inside", 0);
		if (container_state_remove(state, &err) < 0)
			_exit(4);
		container_state_free(state);
		if (write(counter_fd, &one, 1) != 1)
			_exit(5);
	}
	_exit(0);
}

/* Meanwhile somebody forces deletion whenever the lock is free. */
static void delete_all_the_time(void)
{
	for (int i = 0; i < 2000; i++) {
		struct container_state *state = NULL;

		if (container_state_open(root, "race", &state, &err) == 0 &&
		    container_state_lock(state, 0, &err) == 0 &&
		    container_state_remove(state, &err) < 0)
			_exit(6);
		container_state_free(state);
	}
	_exit(0);
}

static void test_race(void)
{
	struct container_state *state = NULL;
	char wins[NR_RACERS * 200];
	int status;
	int fds[2];

	is_int(pipe(fds), 0);
	(void)fflush(stdout);
	for (int i = 0; i < NR_RACERS; i++)
		if (fork() == 0)
			race(fds[1]);
	if (fork() == 0)
		delete_all_the_time();
	(void)close(fds[1]);
	while (wait(&status) > 0)
		is_int(status, 0);
	ok(read(fds[0], wins, sizeof(wins)) > 0);
	(void)close(fds[0]);
	is_int(container_state_open(root, "race", &state, &err), -ENOENT);
}

static void test_lock(void)
{
	struct container_state *creator = create("lock");
	struct container_state *other = NULL;

	is_int(container_state_open(root, "lock", &other, &err), 0);
	is_int(container_state_lock(other, 30, &err), -EBUSY);
	ok(!other->is_locked && creator->is_locked);
	is_int(init(creator, 0), 0);
	container_state_unlock(creator);
	is_int(container_state_lock(other, 30, &err), 0);
	ok(other->has_record); /* read again */
	is_int(container_state_lock(creator, 0, &err), -EBUSY);
	is_int(container_state_remove(other, &err), 0);
	container_state_free(other);
	is_int(container_state_lock(creator, 0, &err), -ENOENT);
	is_str(err.text, "container does not exist");
	ok(!creator->is_locked);
	container_state_free(creator);
}

/* A creator that was killed leaves a directory, with or without a record. */
static void test_killed_creator(void)
{
	for (int has_record = 0; has_record < 2; has_record++) {
		struct container_state *state = create("killed");

		if (has_record)
			is_int(init(state, 0), 0);
		container_state_free(state);
		is_int(container_state_load(root, "killed", &state, &err), 0);
		is_int(state->has_record, has_record);
		is_int(container_state_status(state), CONTAINER_STOPPED);
		container_state_free(state);
		drop("killed");
	}
}

static void test_recycled_pid(void)
{
	struct container_state *state = create("recycled");
	pid_t child = start_child();
	int fd;

	is_int(init(state, child), 0);
	is_int(container_state_set_status(state, CONTAINER_RUNNING, &err), 0);
	fd = container_state_open_process(state, &err);
	ok(fd >= 0);
	(void)close(fd);
	is_int(container_state_status(state), CONTAINER_RUNNING);
	state->pid_start_time++;
	is_int(container_state_status(state), CONTAINER_STOPPED);
	is_int(container_state_open_process(state, &err), -ESRCH);
	is_str(err.text, "container not running");
	is_int(container_state_set_process(state, getpid(), &err), 0);
	is_int(container_state_status(state), CONTAINER_RUNNING);
	end_child(child);
	is_int(container_state_set_process(state, child, &err), -ESRCH);
	is_int(state->pid, getpid());
	container_state_free(state);
	drop("recycled");
}

static void check_status(const char *id, enum container_status want)
{
	struct container_state *state = NULL;

	is_int(container_state_load(root, id, &state, &err), 0);
	is_int(container_state_status(state), want);
	container_state_free(state);
}

/* Paused is on top of created or running, and goes with the process. */
static void test_paused(void)
{
	static const enum container_status under[] = { CONTAINER_CREATED, CONTAINER_RUNNING };
	struct container_state *state = create("paused");
	pid_t child = start_child();

	is_int(init(state, child), 0);
	for (size_t i = 0; i < ARRAY_SIZE(under); i++) {
		is_int(container_state_set_status(state, under[i], &err), 0);
		is_int(container_state_set_paused(state, true, &err), 0);
		is_int(container_state_status(state), CONTAINER_PAUSED);
		check_status("paused", CONTAINER_PAUSED);
		is_int(container_state_set_paused(state, false, &err), 0);
		check_status("paused", under[i]);
	}
	is_int(container_state_set_paused(state, true, &err), 0);
	end_child(child);
	check_status("paused", CONTAINER_STOPPED);
	container_state_free(state);
	drop("paused");
}

static void test_damaged_records(void)
{
	static const struct {
		const char *text, *expect;
	} cases[] = {
		{ "", "container bad: state.json: line 1, column 0: " },
		{ "{\"id\":\"bad\",\"pid\":1", "container bad: state.json: line 1, " },
		{ "[]", "container bad: state.json: must be an object" },
		{ "{}", "container bad: state.json: id: is missing" },
		{ "{\"id\":\"good\"}", "container bad: state.json: id: is that of another" },
		{ "{\"id\":\"bad\"}", "state.json: pid: is missing" },
		{ "{\"id\":\"bad\",\"pid\":-1}", "state.json: pid: must be a whole number" },
		{ "{\"id\":\"bad\",\"pid\":4294967297}", "state.json: pid: must be a whole" },
		{ "{\"id\":\"bad\",\"pid\":1}", "state.json: pidStartTime: is missing" },
		{ "{\"id\":\"bad\",\"pid\":1,\"pidStartTime\":1,\"status\":\"dancing\"}",
		  "state.json: status: unknown value \"dancing\"" },
		{ "{\"id\":\"bad\",\"pid\":1,\"pidStartTime\":1,\"status\":\"paused\"}",
		  "state.json: status: unknown value \"paused\"" },
		{ "{\"id\":\"bad\",\"pid\":1,\"pidStartTime\":1,\"status\":\"running\","
		  "\"paused\":1}",
		  "state.json: paused: must be true or false" },
		{ "{\"id\":\"bad\",\"pid\":1,\"pidStartTime\":1,\"status\":\"running\"}",
		  "state.json: bundle: is missing" },
		{ "{\"id\":\"bad\",\"pid\":1,\"pidStartTime\":1,\"status\":\"running\","
		  "\"bundle\":\"/\",\"rootfs\":\"/\",\"created\":\"x\",\"annotations\":{\"a\":1}}",
		  "state.json: annotations.a: must be a string" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct container_state *state = create("bad");
		struct container_state *loaded = NULL;

		is_int(file_replace(state->dir_fd, "state.json", cases[i].text,
				    strlen(cases[i].text), &err),
		       0);
		container_state_free(state);
		is_int(container_state_load(root, "bad", &loaded, &err), -EINVAL);
		if (!ok(strstr(err.text, cases[i].expect)))
			printf("# got %s\n", err.text);
		/* A forced delete never reads it. */
		is_int(container_state_open(root, "bad", &loaded, &err), 0);
		is_int(container_state_lock(loaded, 0, &err), 0);
		ok(!loaded->has_record && loaded->pid == 0 && !loaded->bundle);
		is_int(container_state_remove(loaded, &err), 0);
		container_state_free(loaded);
	}
}

static void test_remove(void)
{
	struct container_state *state = create("remove");
	int dir_fd = state->dir_fd;

	is_int(init(state, 0), 0);
	ok(mknodat(dir_fd, "control.sock", S_IFSOCK | 0600, 0) == 0);
	ok(mknodat(dir_fd, ".state.json.4711", S_IFREG | 0600, 0) == 0);
	ok(mknodat(dir_fd, ".config.json.4711", S_IFREG | 0600, 0) == 0);
	/* Somebody's file: a name that only begins like one of ours. */
	ok(mknodat(dir_fd, "state.jsonx", S_IFREG | 0600, 0) == 0);
	is_int(container_state_remove(state, &err), -EINVAL);
	is_str(err.text, "remove/state.jsonx is not a container's file; nothing was removed");
	ok(faccessat(dir_fd, "control.sock", F_OK, 0) == 0);
	is_int(container_state_read(state, &err), 0);
	ok(state->has_record);
	is_int(unlinkat(dir_fd, "state.jsonx", 0), 0);
	is_int(container_state_remove(state, &err), 0);
	container_state_free(state);
	is_int(container_state_open(root, "remove", &state, &err), -ENOENT);
}

static void test_list(void)
{
	struct text_list ids = { 0 };
	struct container_state *state;
	char path[128];

	is_int(container_state_list("/no/such/root", &ids, &err), 0);
	is_int(ids.count, 0);
	is_int(container_state_list(root, &ids, &err), 0);
	is_int(ids.count, 0);
	state = create("b");
	container_state_free(state);
	state = create("a");
	container_state_free(state);
	(void)snprintf(path, sizeof(path), "%s/a file", root);
	is_int(mkdir(path, 0700), 0); /* not the name of a container */
	is_int(container_state_list(root, &ids, &err), 0);
	is_int(ids.count, 2);
	is_str(ids.items[0], "a");
	is_str(ids.items[1], "b");
	text_list_clear(&ids);
	is_int(rmdir(path), 0);
	drop("a");
	drop("b");
	(void)snprintf(path, sizeof(path), "%s/file", scratch);
	is_int(close(open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600)), 0);
	is_int(container_state_list(path, &ids, &err), -ENOTDIR);
}

static void test_create_fails(void)
{
	struct container_state *state = NULL;
	char path[128];

	(void)snprintf(path, sizeof(path), "%s/file/below", scratch);
	is_int(container_state_create(path, "x", &state, &err), -ENOTDIR);
	ok(strstr(err.text, "/file/below: not a directory"));
	is_int(container_state_create(root, "x/y", &state, &err), -EINVAL);
	ok(!state);
}

static void test_default_root(void)
{
	/* This process may be the host's root or not; what it must not do is use an empty path. */
	char *text;

	(void)setenv("XDG_RUNTIME_DIR", "", 1);
	text = container_state_default_root();
	is_str(text, "/run/bulkhead");
	free(text);
	(void)setenv("XDG_RUNTIME_DIR", "/run/user/5", 1);
	if (geteuid() == 0 && seteuid(65534) != 0)
		return;
	text = container_state_default_root();
	is_str(text, "/run/user/5/bulkhead");
	free(text);
	text = template_default_directory();
	is_str(text, "/run/user/5/bulkhead-templates");
	free(text);
	is_int(seteuid(getuid()), 0);
}

static void test_start_time(void)
{
	uint64_t first = 0;
	uint64_t again = 0;
	char name[16];

	is_int(container_process_start_time(getpid(), &first), 0);
	ok(first > 0);
	/* A name that looks like the end of one. */
	(void)prctl(PR_GET_NAME, name);
	(void)prctl(PR_SET_NAME, "a) Z 1 (b");
	is_int(container_process_start_time(getpid(), &again), 0);
	ok(first == again);
	(void)prctl(PR_SET_NAME, name);
	is_int(container_process_start_time(0x3fffffff, &again), -ESRCH);
}

int main(void)
{
	scratch_dir_make(scratch);
	(void)snprintf(root, sizeof(root), "%s/deep/root", scratch);
	test_ids();
	test_unknown();
	test_life();
	test_second_create();
	test_race();
	test_lock();
	test_killed_creator();
	test_recycled_pid();
	test_paused();
	test_damaged_records();
	test_remove();
	test_list();
	test_create_fails();
	test_default_root();
	test_start_time();
	container_state_free(NULL);
	scratch_dir_remove(scratch);
	return tap_done();
}
