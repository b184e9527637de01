/* SPDX-License-Identifier: Apache-2.0 */
/* ps.c - `ps`: the host's processes that stand for those of a container */
#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/cli/command_line.h"
#include "vmm/oci/container_state.h"
#include "vmm/session/control_socket.h"

#define ANSWER_TIMEOUT_MS 5000
#define PIDS_MAX 256 /* the container's, and as many as it can have others */

struct pids {
	long items[PIDS_MAX];
	size_t count;
};

static void add(struct pids *pids, long pid)
{
	if (pid > 0 && pids->count < PIDS_MAX)
		pids->items[pids->count++] = pid;
}

static bool has(const struct pids *pids, long pid)
{
	for (size_t i = 0; i < pids->count; i++)
		if (pids->items[i] == pid)
			return true;
	return false;
}

/* The container's own process, and those of `exec`. */
static int collect(const struct container_state *state, struct pids *ret, struct error *err)
{
	AUTO_CLOSE int fd = -1;
	struct control_reply reply = { 0 };
	char *end;
	int r;

	if (container_state_status(state) == CONTAINER_STOPPED)
		return 0;
	add(ret, state->pid);
	fd = control_connect(state->dir_fd, ANSWER_TIMEOUT_MS, err);
	if (fd < 0)
		return fd == -ESRCH ? 0 : fd; /* it is just ending */
	r = control_send(fd, CONTROL_PROCESSES, 0, NULL, 0, err);
	if (!r)
		r = control_receive(fd, &reply, ANSWER_TIMEOUT_MS, err);
	if (r < 0)
		return r == -ESRCH ? 0 : r;
	for (const char *text = reply.text; *text; text = end) {
		long pid = strtol(text, &end, 10);

		if (end == text)
			break;
		add(ret, pid);
	}
	return 0;
}

static int print_json(const struct pids *pids, struct error *err)
{
	json_t *array = json_array();
	int r = 0;

	for (size_t i = 0; i < pids->count && !r; i++)
		r = json_array_append_new(array, json_integer(pids->items[i]));
	if (!r)
		r = json_dumpf(array, stdout, JSON_COMPACT);
	json_decref(array);
	if (r < 0 || puts("") < 0)
		return error_set(err, EIO, "write the list of processes");
	return EXIT_SUCCESS;
}

/* Which word of @line is "PID"; -1: none. Words end at white space, as ps prints them. */
static int find_pid_column(char *line)
{
	char *rest;
	int column = 0;

	for (char *word = strtok_r(line, " \t\n", &rest); word;
	     word = strtok_r(NULL, " \t\n", &rest), column++)
		if (strcmp(word, "PID") == 0)
			return column;
	return -1;
}

static long pid_in_column(char *line, int column)
{
	char *rest;
	char *word = strtok_r(line, " \t\n", &rest);

	while (word && column-- > 0)
		word = strtok_r(NULL, " \t\n", &rest);
	return word ? strtol(word, NULL, 10) : 0;
}

/* Print the lines of ps(1) that are about our processes. */
static int filter(FILE *output, const struct pids *pids, struct error *err)
{
	AUTO_FREE char *line = NULL;
	size_t size = 0;
	int column = -1;

	while (getline(&line, &size, output) > 0) {
		AUTO_FREE char *words = strdup(line);

		if (!words)
			return error_set(err, ENOMEM, "read the output of ps");
		if (column < 0) {
			column = find_pid_column(words);
			if (column < 0)
				return error_invalid(err, "the output of ps has no column PID");
		} else if (!has(pids, pid_in_column(words, column))) {
			continue;
		}
		(void)fputs(line, stdout);
	}
	return 0;
}

/* @words are the container's id, which becomes the program's name, and options for ps(1). */
static int print_table(const struct pids *pids, char **words, struct error *err)
{
	static char name[] = "ps", all[] = "-ef";
	char *const defaults[] = { name, all, NULL };
	int fds[2];
	FILE *output;
	pid_t child;
	int status = 0;
	int r;

	if (pipe(fds) < 0)
		return error_set(err, errno, "create a pipe");
	child = fork();
	if (child == 0) {
		(void)dup2(fds[1], STDOUT_FILENO);
		(void)execvp("ps", words[1] ? words : defaults);
		_exit(127);
	}
	(void)close(fds[1]);
	output = fdopen(fds[0], "r");
	if (child < 0 || !output) {
		r = error_set(err, errno, "run ps");
		(void)close(fds[0]);
		return r;
	}
	r = filter(output, pids, err);
	(void)fclose(output);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		continue;
	if (!r && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
		r = error_invalid(err, "ps failed");
	return r;
}

int verb_ps(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	static const struct option options[] = {
		{ "format", required_argument, NULL, 'f' },
		{ "f", required_argument, NULL, 'f' },
		{ 0 },
	};
	struct container_state *state;
	struct pids pids = { .count = 0 };
	bool is_json = false;
	int option, r;

	while ((option = next_option_before_words(argc, argv, options, err)) != OPTION_END) {
		if (option == OPTION_INVALID)
			return -EINVAL;
		is_json = strcmp(optarg, "json") == 0;
		if (!is_json && strcmp(optarg, "table") != 0)
			return error_invalid(err, "ps: --format is table or json, not '%s'",
					     optarg);
	}
	if (check_words(argc, argv, 1, INT_MAX, err) < 0)
		return -EINVAL;
	r = container_state_load(globals->root, argv[optind], &state, err);
	if (!r) {
		r = collect(state, &pids, err);
		container_state_free(state);
	}
	if (r < 0)
		return r;
	return is_json ? print_json(&pids, err) : print_table(&pids, argv + optind, err);
}
