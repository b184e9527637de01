/* SPDX-License-Identifier: Apache-2.0 */
/* exec.c - `exec`: run another process in a container */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/cli/block_signals.h"
#include "vmm/cli/command_line.h"
#include "vmm/cli/console_proxy.h"
#include "vmm/cli/descriptor_socket.h"
#include "vmm/cli/exec_proxy.h"
#include "vmm/cli/inherited.h"
#include "vmm/cli/pid_file.h"
#include "vmm/oci/container_state.h"
#include "vmm/oci/exec_process.h"
#include "vmm/oci/guest_plan.h"

enum exec_option {
	OPTION_CONSOLE_SOCKET = 1,
	OPTION_CWD,
	OPTION_ENV,
	OPTION_TTY,
	OPTION_USER,
	OPTION_GIDS,
	OPTION_PROCESS,
	OPTION_DETACH,
	OPTION_PID_FILE,
	OPTION_NO_NEW_PRIVS,
	OPTION_CAP,
	OPTION_PRESERVE_FDS,
	OPTION_PIDFD_SOCKET,
	OPTION_IGNORE_PAUSED,
	OPTION_LABEL,
	OPTION_CGROUP,
};

static const struct option options[] = {
	{ "console-socket", required_argument, NULL, OPTION_CONSOLE_SOCKET },
	{ "cwd", required_argument, NULL, OPTION_CWD },
	{ "env", required_argument, NULL, OPTION_ENV },
	{ "e", required_argument, NULL, OPTION_ENV },
	{ "tty", no_argument, NULL, OPTION_TTY },
	{ "t", no_argument, NULL, OPTION_TTY },
	{ "user", required_argument, NULL, OPTION_USER },
	{ "u", required_argument, NULL, OPTION_USER },
	{ "additional-gids", required_argument, NULL, OPTION_GIDS },
	{ "g", required_argument, NULL, OPTION_GIDS },
	{ "process", required_argument, NULL, OPTION_PROCESS },
	{ "p", required_argument, NULL, OPTION_PROCESS },
	{ "detach", no_argument, NULL, OPTION_DETACH },
	{ "d", no_argument, NULL, OPTION_DETACH },
	{ "pid-file", required_argument, NULL, OPTION_PID_FILE },
	{ "no-new-privs", no_argument, NULL, OPTION_NO_NEW_PRIVS },
	{ "cap", required_argument, NULL, OPTION_CAP },
	{ "c", required_argument, NULL, OPTION_CAP },
	{ "preserve-fds", required_argument, NULL, OPTION_PRESERVE_FDS },
	{ "pidfd-socket", required_argument, NULL, OPTION_PIDFD_SOCKET },
	{ "ignore-paused", no_argument, NULL, OPTION_IGNORE_PAUSED },
	{ "process-label", required_argument, NULL, OPTION_LABEL },
	{ "apparmor", required_argument, NULL, OPTION_LABEL },
	{ "cgroup", required_argument, NULL, OPTION_CGROUP },
	{ 0 },
};

struct arguments {
	const char *id;
	const char *process_file; /* NULL: described by @process */
	struct exec_options process;
	const char *console_socket, *pid_file, *pidfd_socket; /* NULL: none */
	int preserved_fds;
	bool is_detached;
	bool ignores_pause;
};

/* What it allocates is freed by the end of the program. */
static int parse_option(int option, struct arguments *ret, struct error *err)
{
	struct text_list *list = NULL;

	switch (option) {
	case OPTION_CONSOLE_SOCKET:
		ret->console_socket = optarg;
		break;
	case OPTION_CWD:
		ret->process.cwd = optarg;
		break;
	case OPTION_ENV:
		list = &ret->process.env;
		break;
	case OPTION_TTY:
		ret->process.has_terminal = option_is_on();
		break;
	case OPTION_USER:
		ret->process.user = optarg;
		break;
	case OPTION_GIDS:
		list = &ret->process.additional_gids;
		break;
	case OPTION_PROCESS:
		ret->process_file = optarg;
		break;
	case OPTION_DETACH:
		ret->is_detached = option_is_on();
		break;
	case OPTION_PID_FILE:
		ret->pid_file = optarg;
		break;
	case OPTION_NO_NEW_PRIVS:
		ret->process.no_new_privileges = option_is_on();
		break;
	case OPTION_CAP:
		list = &ret->process.capabilities;
		break;
	case OPTION_PRESERVE_FDS:
		return option_number("preserve-fds", &ret->preserved_fds, err);
	case OPTION_PIDFD_SOCKET:
		ret->pidfd_socket = optarg;
		break;
	case OPTION_IGNORE_PAUSED:
		ret->ignores_pause = option_is_on();
		break;
	case OPTION_LABEL:
		log_debug("%s has no meaning in a virtual machine", optarg);
		break;
	case OPTION_CGROUP:
		return error_invalid(err, "--cgroup %s: not supported", optarg);
	default:
		return -EINVAL;
	}
	if (list && text_list_add(list, "%s", optarg) < 0)
		return error_set(err, ENOMEM, "exec");
	return 0;
}

static int parse(int argc, char **argv, struct arguments *ret, struct error *err)
{
	int option;

	*ret = (struct arguments){ 0 };
	while ((option = next_option_before_words(argc, argv, options, err)) != OPTION_END)
		if (parse_option(option, ret, err) < 0)
			return -EINVAL;
	if (check_words(argc, argv, 1, INT_MAX, err) < 0)
		return -EINVAL;
	ret->id = argv[optind];
	ret->process.args = argv + optind + 1;
	ret->process.nr_args = argc - optind - 1;
	return 0;
}

static int check_status(const struct container_state *state, const struct arguments *arguments,
			struct error *err)
{
	switch (container_state_status(state)) {
	case CONTAINER_CREATED:
	case CONTAINER_RUNNING:
		return 0;
	case CONTAINER_PAUSED:
		if (arguments->ignores_pause)
			return 0;
		return error_invalid(err, "cannot exec in a paused container (use --ignore-paused "
					  "to override)");
	case CONTAINER_CREATING:
		return error_invalid(err, "cannot exec in a container that is still being created");
	case CONTAINER_STOPPED:
		break;
	}
	return error_invalid(err, "cannot exec in a stopped container");
}

static int make_process(const struct container_state *state, const struct arguments *arguments,
			struct container_process *ret, struct error *err)
{
	struct text_list warnings = { 0 };
	int r;

	if (!arguments->process_file && arguments->process.nr_args == 0)
		return error_invalid(err, "process args cannot be empty");
	if (!arguments->process_file)
		return exec_process_make(state, &arguments->process, ret, err);
	r = container_process_load(arguments->process_file, ret, &warnings, err);
	for (size_t i = 0; i < warnings.count; i++)
		log_debug("%s", warnings.items[i]);
	text_list_clear(&warnings);
	return r;
}

static int check_terminal(const struct arguments *arguments, bool has_terminal, struct error *err)
{
	if (has_terminal && arguments->is_detached && !arguments->console_socket)
		return error_invalid(err, "cannot allocate tty if bulkhead will detach without "
					  "setting console socket");
	if (arguments->console_socket && (!has_terminal || !arguments->is_detached))
		return error_invalid(err, "cannot use console socket if bulkhead will not detach "
					  "or allocate tty");
	return 0;
}

static int open_terminal(const struct container_process *process, const struct arguments *arguments,
			 struct console_pty *pty, struct error *err)
{
	int r = check_terminal(arguments, process->has_terminal, err);

	if (r < 0 || !process->has_terminal)
		return r;
	r = console_pty_open(pty, process->rows, process->columns, err);
	if (r < 0 || !arguments->console_socket)
		return r;
	r = console_pty_send(pty, arguments->console_socket, err);
	fd_close(&pty->master_fd);
	return r;
}

/* What the process's end on the host needs beside what the guest is told. */
struct ends {
	struct console_pty pty;
	int signal_fd;
	int pidfd_socket; /* connected; -1: none */
};

static void ends_close(struct ends *ends)
{
	console_pty_close(&ends->pty);
	fd_close(&ends->signal_fd);
	fd_close(&ends->pidfd_socket);
}

/* The process runs: tell who it is, and stay or leave. Returns the exit status. */
static int attend(struct exec_proxy *proxy, const struct arguments *arguments, struct ends *ends,
		  struct error *err)
{
	int status, r = 0;

	if (ends->pidfd_socket >= 0)
		r = descriptor_socket_send_pidfd(ends->pidfd_socket, proxy->pid, PIDFD_OF_EXEC,
						 err);
	if (!r && arguments->pid_file)
		r = pid_file_write(arguments->pid_file, proxy->pid, err);
	if (r < 0) {
		exec_proxy_abort(proxy);
		return r;
	}
	if (arguments->is_detached) {
		exec_proxy_release(proxy);
		return EXIT_SUCCESS;
	}
	r = console_proxy(&ends->pty, proxy->pid, ends->signal_fd, &status, err);
	if (r < 0) {
		exec_proxy_abort(proxy);
		return r;
	}
	fd_close(&proxy->sync_fd);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int ends_open(struct ends *ends, const struct container_process *process,
		     const struct arguments *arguments, struct error *err)
{
	int r = inherited_check(arguments->preserved_fds, err);

	if (!r)
		r = block_signals(&ends->signal_fd, err);
	if (!r && arguments->pidfd_socket) {
		ends->pidfd_socket =
			descriptor_socket_connect("--pidfd-socket", arguments->pidfd_socket, err);
		if (ends->pidfd_socket < 0)
			return ends->pidfd_socket;
	}
	return r < 0 ? r : open_terminal(process, arguments, &ends->pty, err);
}

static int exec(const struct container_state *state, const struct arguments *arguments,
		struct error *err)
{
	struct exec_request request = { .state = state,
					.stdio_fds = { 0, 1, 2 },
					.terminal_fd = -1 };
	__attribute__((cleanup(ends_close))) struct ends ends = { { -1, -1 }, -1, -1 };
	struct container_process process = { 0 };
	AUTO_FREE char *text = NULL;
	struct exec_proxy proxy;
	int r = check_status(state, arguments, err);

	if (!r)
		r = make_process(state, arguments, &process, err);
	if (r < 0)
		return r;
	if (!arguments->console_socket)
		console_size(&process.rows, &process.columns);
	r = container_process_guest_plan(&process, &text, err);
	if (!r)
		r = ends_open(&ends, &process, arguments, err);
	container_process_clear(&process);
	if (r < 0)
		return r;
	request.process = text;
	request.terminal_fd = ends.pty.slave_fd;
	r = exec_proxy_start(&request, ends.signal_fd, &proxy, err);
	fd_close(&ends.pty.slave_fd);
	if (r < 0)
		return error_prefix(err, "unable to start container process");
	return attend(&proxy, arguments, &ends, err);
}

int verb_exec(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	struct container_state *state = NULL;
	struct arguments arguments;
	int r = parse(argc, argv, &arguments, err);

	if (r < 0 && command_line_stop() != STOP_NONE)
		return r;
	if (!r)
		r = container_state_load(globals->root, arguments.id, &state, err);
	if (!r) {
		r = exec(state, &arguments, err);
		container_state_free(state);
	}
	return r < 0 ? error_prefix(err, "exec failed") : r;
}
