/* SPDX-License-Identifier: Apache-2.0 */
/*
 * command_line.h - the words of the command line: `bulkhead [GLOBAL OPTION]... VERB [OPTION]...`
 *
 * Options are taken as runc takes them: with one dash or two, `--name value` or `--name=value`,
 * also behind the words (but for `exec` and `ps`); switches as `--name`, `--name=true` or
 * `--name=false`. No name is abbreviated, no letters are joined. Errors are in runc's words.
 *
 * Exit status: 0 done; 1 any failure, with one line that says why (255 of `exec`, but 1 when its
 * command line is wrong); 3 unknown verb; `run` and `exec` in the foreground end with the process's
 * own code.
 *
 * Thread: the command line's only one.
 */
#pragma once

#include <getopt.h>
#include <stdbool.h>

#include "vmm/base/error.h"
#include "vmm/host_cgroup/host_cgroup.h"
#include "vmm/oci/administrator_config.h"

#define EXIT_STATUS_FAILED 1
#define EXIT_STATUS_UNKNOWN_VERB 3
#define EXIT_STATUS_NOT_EXECUTED 255

/* Options before the verb. Strings point into argv, or are static. */
struct global_options {
	const char *root;      /* state directory */
	const char *log_path;  /* NULL: standard error */
	const char *kernel;    /* NULL: the installed one */
	const char *initramfs; /* likewise */
	/* NULL: there is an error in its file, the one in administrator_error. */
	const struct administrator_config *administrator;
	const struct error *administrator_error;
	enum cgroup_manager cgroup_manager;
	enum template_use template_use; /* by option, or the administrator's */
	const char *template_directory;
	bool is_json_log;
	bool is_debug;
};

/* The administrator's configuration, or NULL with the error that kept it from being loaded. */
const struct administrator_config *administrator_of(const struct global_options *globals,
						    struct error *err);

/* A verb. Returns the exit status, or a negative errno value with the error to print. */
typedef int (*verb_fn)(const struct global_options *globals, int argc, char **argv,
		       struct error *err);

int verb_exec(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_ps(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_create(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_run(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_start(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_state(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_kill(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_pause(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_resume(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_update(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_events(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_delete(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_list(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_spec(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_features(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_template(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_surface(const struct global_options *globals, int argc, char **argv, struct error *err);
int verb_check(const struct global_options *globals, int argc, char **argv, struct error *err);

/* `checkpoint` and `restore`. Whatever follows, `--help` too: engines ask by it for support. */
int verb_unsupported(const struct global_options *globals, int argc, char **argv,
		     struct error *err);

#define OPTION_END (-1)
#define OPTION_INVALID (-2)

/*
 * The next option of a verb's @argv (argv[0] is the verb): its `val`, OPTION_END, or
 * OPTION_INVALID with an error. `optarg` is its argument and, at the end, argv[optind] the first of
 * the words, which are moved behind the options; an `optind` of 0 starts anew, as with getopt(3).
 * @options knows required_argument and no_argument, which is a switch. What looks like an option
 * and is none of them is a word when a word came before.
 *
 * Every verb has --help: then OPTION_INVALID is returned, and command_line_stop() tells.
 */
int next_option(int argc, char **argv, const struct option *options, struct error *err);

/* The same for verbs whose words may look like options: the first word ends the options. */
int next_option_before_words(int argc, char **argv, const struct option *options,
			     struct error *err);

/* The switch that next_option() returned last: false when it was given as `--name=false`. */
bool option_is_on(void);

/* The last option's argument as a number. */
int option_number(const char *name, int *ret, struct error *err);

/*
 * Check that after the options @min to @max words (INT_MAX: any number) follow; the first is
 * argv[optind].
 */
int check_words(int argc, char **argv, int min, int max, struct error *err);

/* Why the functions above have failed: neither concerns a container. */
enum command_line_stop {
	STOP_NONE,
	STOP_HELP, /* was asked for */
	STOP_USAGE,
};
enum command_line_stop command_line_stop(void);

/* Version and commit, one word each. */
const char *version_text(void);

/* Print name, version, commit and the specification's version. */
void print_version(void);
