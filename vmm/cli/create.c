/* SPDX-License-Identifier: Apache-2.0 */
/* create.c - `create` and `run` */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/cli/command_line.h"
#include "vmm/cli/console_proxy.h"
#include "vmm/cli/container_creation.h"
#include "vmm/cli/lifecycle.h"

enum create_option {
	OPTION_BUNDLE = 1,
	OPTION_PID_FILE,
	OPTION_CONSOLE_SOCKET,
	OPTION_CONFIG,
	OPTION_PIDFD_SOCKET,
	OPTION_DETACH,
	OPTION_KEEP,
	OPTION_PRESERVE_FDS,
	OPTION_NETWORK,
	OPTION_PUBLISH,
	OPTION_IGNORED,
};

/* A VM pivots and keeps keys by itself; a monitor has no subreaper to leave out. */
#define CREATE_OPTIONS                                                                             \
	{ "bundle", required_argument, NULL, OPTION_BUNDLE },                                      \
		{ "b", required_argument, NULL, OPTION_BUNDLE },                                   \
		{ "config", required_argument, NULL, OPTION_CONFIG },                              \
		{ "f", required_argument, NULL, OPTION_CONFIG },                                   \
		{ "pid-file", required_argument, NULL, OPTION_PID_FILE },                          \
		{ "console-socket", required_argument, NULL, OPTION_CONSOLE_SOCKET },              \
		{ "pidfd-socket", required_argument, NULL, OPTION_PIDFD_SOCKET },                  \
		{ "preserve-fds", required_argument, NULL, OPTION_PRESERVE_FDS },                  \
		{ "network", required_argument, NULL, OPTION_NETWORK },                            \
		{ "publish", required_argument, NULL, OPTION_PUBLISH },                            \
		{ "p", required_argument, NULL, OPTION_PUBLISH },                                  \
		{ "no-pivot", no_argument, NULL, OPTION_IGNORED },                                 \
		{ "no-new-keyring", no_argument, NULL, OPTION_IGNORED },                           \
	{                                                                                          \
		"no-subreaper", no_argument, NULL, OPTION_IGNORED                                  \
	}

static const struct option create_options[] = { CREATE_OPTIONS, { 0 } };

static const struct option run_options[] = {
	CREATE_OPTIONS,
	{ "detach", no_argument, NULL, OPTION_DETACH },
	{ "d", no_argument, NULL, OPTION_DETACH },
	{ "keep", no_argument, NULL, OPTION_KEEP },
	{ 0 },
};

struct arguments {
	struct creation_options creation;
	bool is_detached;
	bool keeps_state;
};

static int parse_network(const char *name, struct user_network *network, struct error *err)
{
	if (strcmp(name, "none") != 0 && strcmp(name, "user") != 0)
		return error_invalid(err,
				     "--network '%s' is neither \"none\" nor \"user\"; networks of "
				     "others come by linux.namespaces in config.json",
				     name);
	network->is_wanted = strcmp(name, "user") == 0;
	return 0;
}

static int parse(int argc, char **argv, const struct option *options, struct arguments *ret,
		 struct error *err)
{
	int option;

	*ret = (struct arguments){ 0 };
	while ((option = next_option(argc, argv, options, err)) != OPTION_END) {
		switch (option) {
		case OPTION_BUNDLE:
			ret->creation.bundle = optarg;
			break;
		case OPTION_PID_FILE:
			ret->creation.pid_file = optarg;
			break;
		case OPTION_CONSOLE_SOCKET:
			ret->creation.console_socket = optarg;
			break;
		case OPTION_CONFIG:
			ret->creation.config = optarg;
			break;
		case OPTION_PIDFD_SOCKET:
			ret->creation.pidfd_socket = optarg;
			break;
		case OPTION_PRESERVE_FDS:
			if (option_number("preserve-fds", &ret->creation.preserved_fds, err) < 0)
				return -EINVAL;
			break;
		case OPTION_NETWORK:
			if (parse_network(optarg, &ret->creation.user_network, err) < 0)
				return -EINVAL;
			break;
		case OPTION_PUBLISH:
			if (user_network_publish(&ret->creation.user_network, optarg, err) < 0)
				return -EINVAL;
			break;
		case OPTION_DETACH:
			ret->is_detached = option_is_on();
			break;
		case OPTION_KEEP:
			ret->keeps_state = option_is_on();
			break;
		case OPTION_IGNORED:
			break;
		default:
			return -EINVAL;
		}
	}
	if (check_words(argc, argv, 1, 1, err) < 0)
		return -EINVAL;
	if (ret->creation.user_network.nr_ports && !ret->creation.user_network.is_wanted)
		return error_invalid(err, "--publish needs --network user");
	ret->creation.id = argv[optind];
	return 0;
}

int verb_create(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	struct arguments arguments;
	struct creation creation;
	int r = parse(argc, argv, create_options, &arguments, err);

	if (r < 0)
		return r;
	r = creation_run(globals, &arguments.creation, &creation, err);
	if (r < 0)
		return error_prefix(err, "bulkhead create failed");
	creation_end(&creation);
	return EXIT_SUCCESS;
}

/* Wait for the container's end, and give its exit code as a shell would. */
static int wait_for_end(struct creation *creation, struct error *err)
{
	int status;
	int r = console_proxy(&creation->pty, creation->launch.pid, creation->signal_fd, &status,
			      err);

	if (r < 0) {
		launch_abort(&creation->launch);
		return r;
	}
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int run(struct creation *creation, const struct arguments *arguments, struct error *err)
{
	struct error ignored;
	int r = lifecycle_start(creation->state, err);

	if (!r && arguments->is_detached)
		return EXIT_SUCCESS;
	if (r < 0) {
		launch_abort(&creation->launch);
		(void)lifecycle_remove(creation->state, creation->signal_fd, &ignored);
		return r;
	}
	/* Others may change the container while it runs. */
	container_state_unlock(creation->state);
	r = wait_for_end(creation, err);
	if (!arguments->keeps_state && container_state_lock(creation->state, 1000, &ignored) == 0)
		(void)lifecycle_remove(creation->state, creation->signal_fd, &ignored);
	return r;
}

int verb_run(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	struct arguments arguments;
	struct creation creation;
	int r = parse(argc, argv, run_options, &arguments, err);

	if (r < 0)
		return r;
	arguments.creation.is_foreground = !arguments.is_detached;
	r = creation_run(globals, &arguments.creation, &creation, err);
	if (!r) {
		r = run(&creation, &arguments, err);
		creation_end(&creation);
	}
	return r < 0 ? error_prefix(err, "bulkhead run failed") : r;
}
