/* SPDX-License-Identifier: Apache-2.0 */
/* events.c - `events`: what a container uses, again and again, and its OOM kills */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "guest-init/protocol.h"
#include "vmm/base/clock.h"
#include "vmm/base/fd.h"
#include "vmm/base/file_io.h"
#include "vmm/cli/command_line.h"
#include "vmm/cli/statistics_event.h"
#include "vmm/oci/container_config.h"
#include "vmm/oci/container_state.h"
#include "vmm/session/control_socket.h"

#define ANSWER_TIMEOUT_MS 10000
#define INTERVAL_DEFAULT_MS 5000
#define INTERVAL_MAX_MS 86400000
/* A guest can have processes killed as fast as it likes. */
#define OOM_INTERVAL_MS 100

struct watch {
	const struct container_state *state;
	uint64_t memory_bytes; /* the virtual machine's */
	int64_t interval_ms;
	int connection_fd; /* tells of OOM kills and of the end */
};

/* "5s", "100ms", "1m30s", "1.5h": a duration as Go writes it, in milliseconds. */
static int parse_interval(const char *text, int64_t *ret, struct error *err)
{
	static const struct {
		const char *name;
		double ms;
	} units[] = { { "ns", 1e-6 }, { "us", 1e-3 }, { "ms", 1 },
		      { "s", 1e3 },   { "m", 6e4 },   { "h", 3.6e6 } };
	const char *rest = text;
	double sum = 0;

	while (*rest) {
		char *end;
		double number = strtod(rest, &end);
		size_t len = strspn(end, "nushm");
		bool is_known = false;

		if (end == rest || !((*rest >= '0' && *rest <= '9') || *rest == '.') || len == 0)
			break;
		for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
			if (strlen(units[i].name) == len && !strncmp(end, units[i].name, len)) {
				sum += number * units[i].ms;
				is_known = true;
			}
		if (!is_known)
			break;
		rest = end + len;
	}
	if (*rest || rest == text)
		return error_invalid(err, "--interval: '%s' is not a duration like 5s or 100ms",
				     text);
	if (!(sum >= 1))
		return error_invalid(err, "duration interval must be greater than 0");
	*ret = sum > INTERVAL_MAX_MS ? INTERVAL_MAX_MS : (int64_t)sum;
	return 0;
}

static int print(json_t *event, struct error *err)
{
	int r = event ? json_dumpf(event, stdout, JSON_COMPACT) : -1;

	json_decref(event);
	if (r < 0 || putchar('\n') < 0 || fflush(stdout) != 0)
		return error_set(err, errno ? errno : ENOMEM, "write an event");
	return 0;
}

/* What the guest says. Returns what the monitor answered. */
static int ask_guest(const struct container_state *state, struct guest_statistics *ret,
		     struct error *err)
{
	AUTO_CLOSE int fd = control_connect(state->dir_fd, ANSWER_TIMEOUT_MS, err);
	static struct control_reply reply; /* large */
	int r;

	if (fd < 0)
		return fd;
	r = control_send(fd, CONTROL_STATISTICS, 0, NULL, 0, err);
	if (!r)
		r = control_receive(fd, &reply, ANSWER_TIMEOUT_MS, err);
	for (unsigned int i = 0; !r && reply.code == EINPROGRESS && i < PROTOCOL_PARTS_MAX; i++) {
		guest_statistics_add(ret, reply.text);
		r = control_receive(fd, &reply, ANSWER_TIMEOUT_MS, err);
	}
	if (r < 0 || !reply.code)
		return r;
	(void)error_invalid(err, "%s", reply.text);
	return -reply.code;
}

static int print_statistics(const struct watch *watch, struct error *err)
{
	struct guest_statistics guest = { 0 };
	struct host_usage usage = { 0 };
	struct host_cgroup cgroup;
	int r = ask_guest(watch->state, &guest, err);

	if (!r)
		r = host_cgroup_from_json(watch->state->host_cgroup, &cgroup, err);
	if (!r) {
		host_usage_read(&cgroup, &usage);
		host_cgroup_clear(&cgroup);
		r = print(statistics_event(watch->state->id, &guest, &usage, watch->memory_bytes),
			  err);
	}
	guest_statistics_clear(&guest);
	return r;
}

/*
 * Take what was told since; several OOM kills at once are one event. Returns 1 at the end of the
 * container.
 */
static int take_events(const struct watch *watch, struct error *err)
{
	static struct control_reply reply; /* large */
	const struct timespec pause = { .tv_nsec = OOM_INTERVAL_MS * 1000000L };
	bool has_oom = false;
	ssize_t n;

	while ((n = recv(watch->connection_fd, &reply, sizeof(reply), MSG_DONTWAIT)) ==
	       (ssize_t)sizeof(reply)) {
		reply.text[sizeof(reply.text) - 1] = 0;
		if (reply.code)
			return error_invalid(err, "%s", reply.text);
		has_oom |= strcmp(reply.text, CONTROL_EVENT_OOM) == 0;
	}
	if (n >= 0 || errno != EAGAIN)
		return 1;
	if (!has_oom)
		return 0;
	(void)nanosleep(&pause, NULL);
	return print(json_pack("{s:s, s:s}", "type", "oom", "id", watch->state->id), err);
}

/* Until the container ends. A guest that stands still, or does not answer, misses its turn. */
static int run(const struct watch *watch, struct error *err)
{
	struct pollfd source = { .fd = watch->connection_fd, .events = POLLIN };
	int64_t next_ms = clock_now_ms() + watch->interval_ms;
	int r = 0;

	while (r == 0) {
		int64_t left_ms = next_ms - clock_now_ms();

		if (poll(&source, 1, left_ms > 0 ? (int)left_ms : 0) < 0 && errno != EINTR)
			return error_set(err, errno, "wait for events");
		if (source.revents)
			r = take_events(watch, err);
		if (r == 0 && clock_now_ms() >= next_ms) {
			next_ms += watch->interval_ms;
			r = print_statistics(watch, err);
			if (r == -EBUSY || r == -ETIMEDOUT)
				r = 0;
			else if (r == -ESRCH)
				r = 1;
		}
	}
	return r > 0 ? 0 : r;
}

static int begin(struct watch *watch, struct error *err)
{
	const struct container_state *state = watch->state;
	struct container_config *config = NULL;
	AUTO_FREE char *text = NULL;
	size_t size;
	int r;

	if (container_state_status(state) == CONTAINER_STOPPED)
		return error_invalid(err, "container with id %s is not running", state->id);
	r = file_load(state->dir_fd, CONTAINER_CONFIG_NAME, CONTAINER_CONFIG_SIZE_MAX, &text, &size,
		      err);
	if (!r)
		r = container_config_parse_sized(text, size, state->bundle, &state->defaults,
						 &config, err);
	if (r < 0)
		return r;
	/* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): error_set() never returns 0 */
	watch->memory_bytes = config->memory_bytes;
	container_config_free(config);
	return 0;
}

static int follow(struct watch *watch, struct error *err)
{
	int r;

	watch->connection_fd = control_connect(watch->state->dir_fd, ANSWER_TIMEOUT_MS, err);
	if (watch->connection_fd < 0)
		return watch->connection_fd;
	r = control_send(watch->connection_fd, CONTROL_WATCH, 0, NULL, 0, err);
	if (!r)
		r = run(watch, err);
	fd_close(&watch->connection_fd);
	return r;
}

int verb_events(const struct global_options *globals, int argc, char **argv, struct error *err)
{
	static const struct option options[] = {
		{ "stats", no_argument, NULL, 's' },
		{ "interval", required_argument, NULL, 'i' },
		{ 0 },
	};
	struct watch watch = { .interval_ms = INTERVAL_DEFAULT_MS };
	struct container_state *state;
	bool is_once = false;
	int option, r;

	while ((option = next_option(argc, argv, options, err)) != OPTION_END) {
		if (option == OPTION_INVALID)
			return -EINVAL;
		if (option == 's')
			is_once = option_is_on();
		else if (parse_interval(optarg, &watch.interval_ms, err) < 0)
			return -EINVAL;
	}
	if (check_words(argc, argv, 1, 1, err) < 0)
		return -EINVAL;
	r = container_state_load(globals->root, argv[optind], &state, err);
	if (r < 0)
		return r;
	watch.state = state;
	r = begin(&watch, err);
	if (!r)
		r = is_once ? print_statistics(&watch, err) : follow(&watch, err);
	container_state_free(state);
	return r < 0 ? r : EXIT_SUCCESS;
}
