/* SPDX-License-Identifier: Apache-2.0 */
/* main.c - global options, then the verb */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/log.h"
#include "vmm/cli/command_line.h"
#include "vmm/oci/container_state.h"
#include "vmm/oci/state_root.h"

/* What --help prints of a verb: a sentence, then its options and words. Not listed without. */
static const struct {
	const char *name;
	verb_fn run;
	const char *help;
} verbs[] = {
	{ "check", verb_check, "say whether this machine can run containers\n[--json]" },
	{ "checkpoint", verb_unsupported, NULL },
	{ "create", verb_create,
	  "create a container: boot its VM, prepare its process\n"
	  "[--bundle DIR] [--config FILE] [--pid-file FILE] [--console-socket FILE]\n"
	  "[--pidfd-socket FILE] ID" },
	{ "delete", verb_delete, "remove a container\n[--force] ID" },
	{ "events", verb_events,
	  "print what a container uses, and its OOM kills, as JSON\n"
	  "[--stats] [--interval TIME] ID" },
	{ "exec", verb_exec,
	  "run another process in a container\n"
	  "[--process FILE] [--tty] [--detach] [--user UID[:GID]] [--additional-gids GIDS]\n"
	  "[--cwd DIR] [--env NAME=VALUE]... [--cap CAP]... [--no-new-privs] [--ignore-paused]\n"
	  "[--pid-file FILE] [--console-socket FILE] [--pidfd-socket FILE] ID [COMMAND]..." },
	{ "features", verb_features, "print what this runtime supports, as JSON" },
	{ "kill", verb_kill, "send a signal to a container's first process\n[--all] ID [SIGNAL]" },
	{ "list", verb_list, "list containers\n[--format table|json] [--quiet]" },
	{ "pause", verb_pause, "let a container stand still\nID" },
	{ "ps", verb_ps,
	  "list the host's processes of a container\n[--format table|json] ID [OPTION OF PS]..." },
	{ "restore", verb_unsupported, NULL },
	{ "resume", verb_resume, "let a paused container go on\nID" },
	{ "run", verb_run,
	  "create and start a container, and wait for its end\n"
	  "[OPTION OF CREATE]... [--detach] [--keep] ID" },
	{ "spec", verb_spec, "write a config.json to start from\n[--bundle DIR]" },
	{ "start", verb_start, "let a created container's process go\nID" },
	{ "state", verb_state, "print a container's state, as JSON\nID" },
	{ "surface", verb_surface,
	  "list what the host's side of a container may do, and a guest reach\n[--json]" },
	{ "template", verb_template,
	  "save booted virtual machines that containers start from\n"
	  "create [--memory BYTES] [--vcpus N]\n"
	  "list [--format table|json] [--quiet]\n"
	  "remove --all|NAME..." },
	{ "update", verb_update,
	  "change a container's limits\n"
	  "[--resources FILE] [--memory BYTES] [--memory-reservation BYTES]\n"
	  "[--cpu-period MICROSECONDS] [--cpu-quota MICROSECONDS] [--cpu-burst MICROSECONDS]\n"
	  "[--cpu-share N] [--cpu-idle 0|1] [--cpuset-cpus LIST] [--cpuset-mems LIST]\n"
	  "[--pids-limit N] [--blkio-weight N] ID" },
};

enum global_option {
	OPTION_ROOT = 1,
	OPTION_LOG,
	OPTION_LOG_FORMAT,
	OPTION_DEBUG,
	OPTION_KERNEL,
	OPTION_INITRAMFS,
	OPTION_SYSTEMD_CGROUP,
	OPTION_CGROUP_MANAGER,
	OPTION_TEMPLATE,
	OPTION_TEMPLATE_DIR,
	OPTION_IGNORED,
	OPTION_VERSION,
	OPTION_HELP,
};

static const struct option global_options[] = {
	{ "root", required_argument, NULL, OPTION_ROOT },
	{ "log", required_argument, NULL, OPTION_LOG },
	{ "log-format", required_argument, NULL, OPTION_LOG_FORMAT },
	{ "debug", no_argument, NULL, OPTION_DEBUG },
	{ "kernel", required_argument, NULL, OPTION_KERNEL },
	{ "initramfs", required_argument, NULL, OPTION_INITRAMFS },
	/* Engines pass these; they have no meaning for a VM. */
	{ "criu", required_argument, NULL, OPTION_IGNORED },
	{ "rootless", required_argument, NULL, OPTION_IGNORED },
	{ "systemd-cgroup", no_argument, NULL, OPTION_SYSTEMD_CGROUP },
	{ "cgroup-manager", required_argument, NULL, OPTION_CGROUP_MANAGER },
	{ "template", required_argument, NULL, OPTION_TEMPLATE },
	{ "template-dir", required_argument, NULL, OPTION_TEMPLATE_DIR },
	{ "version", no_argument, NULL, OPTION_VERSION },
	{ "v", no_argument, NULL, OPTION_VERSION },
	{ "help", no_argument, NULL, OPTION_HELP },
	{ "h", no_argument, NULL, OPTION_HELP },
	{ 0 },
};

static void print_verb_help(size_t verb)
{
	const char *line = verbs[verb].help;
	const char *end = strchrnul(line, '\n');

	printf("  %-10s%.*s\n", verbs[verb].name, (int)(end - line), line);
	while (*end) {
		line = end + 1;
		end = strchrnul(line, '\n');
		printf("            %.*s\n", (int)(end - line), line);
	}
}

static void print_help(void)
{
	printf("usage: bulkhead [OPTION]... VERB [OPTION]... [ARGUMENT]...\n\n"
	       "Runs OCI containers, each in a virtual machine of its own.\n\nverbs:\n");
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (verbs[i].help)
			print_verb_help(i);
	printf("\noptions:\n"
	       "  --root DIR         where containers are recorded\n"
	       "  --log FILE         append messages to FILE, too\n"
	       "  --log-format text|json\n"
	       "  --debug            more messages, the guest kernel's among them\n"
	       "  --kernel FILE      guest kernel, an uncompressed vmlinux\n"
	       "  --initramfs FILE   initramfs with guest-init\n"
	       "  --cgroup-manager cgroupfs|systemd|disabled\n"
	       "                     how linux.cgroupsPath is read: path, slice:prefix:name, not\n"
	       "  --systemd-cgroup   the same as --cgroup-manager systemd\n"
	       "  --template never|auto|always\n"
	       "                     start from a saved virtual machine: not, where there is one, "
	       "or\n"
	       "                     make it first\n"
	       "  --template-dir DIR where these are kept\n"
	       "  --version, --help\n");
}

static int set_log_format(struct global_options *globals, struct error *err)
{
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): the option has an argument */
	globals->is_json_log = strcmp(optarg, "json") == 0;
	if (!globals->is_json_log && strcmp(optarg, "text") != 0)
		return error_invalid(err, "--log-format is text or json, not '%s'", optarg);
	return 0;
}

static int set_cgroup_manager(struct global_options *globals, struct error *err)
{
	static const char *const names[] = {
		[CGROUP_MANAGER_CGROUPFS] = "cgroupfs",
		[CGROUP_MANAGER_SYSTEMD] = "systemd",
		[CGROUP_MANAGER_DISABLED] = "disabled",
	};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): set by getopt */
		if (strcmp(optarg, names[i]) == 0) {
			globals->cgroup_manager = (enum cgroup_manager)i;
			return 0;
		}
	return error_invalid(err, "--cgroup-manager is cgroupfs, systemd or disabled, not '%s'",
			     optarg);
}

static int set_template_use(struct global_options *globals, struct error *err)
{
	for (size_t i = 0; i < NR_TEMPLATE_USES; i++)
		/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): set by getopt */
		if (strcmp(optarg, template_use_names[i]) == 0) {
			globals->template_use = (enum template_use)i;
			return 0;
		}
	return error_invalid(err, "--template is never, auto or always, not '%s'", optarg);
}

/*
 * Returns 1 to go on with the verb at argv[optind], 0 when an option was all that was asked for,
 * or a negative errno value.
 */
static int parse_globals(struct global_options *globals, int argc, char **argv, struct error *err)
{
	for (;;) {
		switch (next_option_before_words(argc, argv, global_options, err)) {
		case OPTION_ROOT:
			globals->root = optarg;
			break;
		case OPTION_LOG:
			/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): set by getopt */
			globals->log_path = *optarg ? optarg : NULL;
			break;
		case OPTION_LOG_FORMAT:
			if (set_log_format(globals, err) < 0)
				return -EINVAL;
			break;
		case OPTION_DEBUG:
			globals->is_debug = option_is_on();
			break;
		case OPTION_KERNEL:
			globals->kernel = optarg;
			break;
		case OPTION_INITRAMFS:
			globals->initramfs = optarg;
			break;
		case OPTION_SYSTEMD_CGROUP:
			if (option_is_on())
				globals->cgroup_manager = CGROUP_MANAGER_SYSTEMD;
			break;
		case OPTION_CGROUP_MANAGER:
			if (set_cgroup_manager(globals, err) < 0)
				return -EINVAL;
			break;
		case OPTION_TEMPLATE:
			if (set_template_use(globals, err) < 0)
				return -EINVAL;
			break;
		case OPTION_TEMPLATE_DIR:
			globals->template_directory = optarg;
			break;
		case OPTION_IGNORED:
			break;
		case OPTION_VERSION:
			print_version();
			return 0;
		case OPTION_HELP:
			print_help();
			return 0;
		case OPTION_END:
			return 1;
		default:
			return -EINVAL;
		}
	}
}

/* The place in verbs[], or its size. */
static size_t find_verb(const char *name)
{
	size_t i = 0;

	while (i < ARRAY_SIZE(verbs) && strcmp(verbs[i].name, name) != 0)
		i++;
	return i;
}

/* Descriptors 0 to 2 are always somebody's standard streams, never a file of ours. */
static void open_missing_streams(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

static int fail(struct error *err)
{
	log_error("%s", err->text);
	log_clean_text(err->text);
	/* Engines read the log, people read standard error: both get the same line. */
	if (log_descriptor() != STDERR_FILENO)
		(void)fprintf(stderr, "bulkhead: error: %s\n", err->text);
	return EXIT_STATUS_FAILED;
}

/* Run the verb argv[0]. Returns the exit status. */
static int run_verb(const struct global_options *globals, int argc, char **argv)
{
	bool is_help = strcmp(argv[0], "help") == 0 || strcmp(argv[0], "h") == 0;
	struct error err;
	size_t verb;
	int r;

	if (is_help && argc == 1) {
		print_help();
		return EXIT_SUCCESS;
	}
	argv += is_help;
	argc -= is_help;
	verb = find_verb(argv[0]);
	if (verb == ARRAY_SIZE(verbs)) {
		(void)error_invalid(&err, "No help topic for '%s': unknown verb", argv[0]);
		(void)fail(&err);
		return EXIT_STATUS_UNKNOWN_VERB;
	}
	if (is_help && verbs[verb].help) {
		print_verb_help(verb);
		return EXIT_SUCCESS;
	}
	optind = 0; /* start anew, on another argv */
	r = verbs[verb].run(globals, argc, argv, &err);
	if (r >= 0)
		return r;
	if (command_line_stop() == STOP_HELP) {
		print_verb_help(verb);
		return EXIT_SUCCESS;
	}
	r = fail(&err);
	return verbs[verb].run == verb_exec && command_line_stop() != STOP_USAGE
		       ? EXIT_STATUS_NOT_EXECUTED
		       : r;
}

/*
 * Load the administrator's configuration for the verbs. Those that only deal with containers that
 * exist do without it: a mistake in it must not keep anybody from ending them.
 */
static int load_administrator(struct global_options *globals, struct error *error)
{
	struct administrator_config *config;

	if (administrator_config_load(&config, error) < 0) {
		globals->administrator_error = error;
		return 0;
	}
	globals->administrator = config;
	if (!globals->is_debug)
		log_set_level(config->log_level);
	if (globals->template_use == NR_TEMPLATE_USES)
		globals->template_use = config->template_use;
	if (!globals->template_directory)
		globals->template_directory = config->template_directory;
	if (!globals->template_directory)
		globals->template_directory = template_default_directory();
	if (!globals->template_directory ||
	    administrator_config_deny_state(config, globals->template_directory) < 0)
		return -ENOMEM;
	return administrator_config_deny_state(config, globals->root);
}

int main(int argc, char **argv)
{
	struct global_options globals = { .template_use = NR_TEMPLATE_USES };
	struct error err, administrator_error;
	int r;

	open_missing_streams();
	/* A caller may leave it ignored, and then the ends of children would not be told. */
	(void)signal(SIGCHLD, SIG_DFL);
	optind = 0;
	r = parse_globals(&globals, argc, argv, &err);
	if (r <= 0)
		return r == 0 ? EXIT_SUCCESS : fail(&err);
	r = log_open(globals.log_path, globals.is_json_log, globals.is_debug, &err);
	if (r < 0)
		return fail(&err);
	if (optind >= argc) {
		print_help();
		return EXIT_SUCCESS;
	}
	if (!globals.root)
		globals.root = container_state_default_root();
	if (!globals.root || load_administrator(&globals, &administrator_error) < 0) {
		(void)error_set(&err, ENOMEM, "find the state directory");
		return fail(&err);
	}
	return run_verb(&globals, argc - optind, argv + optind);
}
