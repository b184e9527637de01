/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/network_monitor.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/backend/socket_channel.h"
#include "vmm/base/bug.h"
#include "vmm/base/fd.h"
#include "vmm/network/network_process.h"

#define PATIENCE_MS 20000

static int do_not_seal(void *context, struct error *err)
{
	(void)context;
	(void)err;
	return 0;
}

void network_monitor_start(struct network_monitor *monitor, const struct network_policy *policy)
{
	struct network_process_config config = { .policy = policy, .seal = do_not_seal };
	struct error err;

	*monitor = (struct network_monitor){ .taps = { -1, -1, -1, -1 }, .incoming_fd = -1 };
	BUG_ON(network_channel_create(&monitor->fd, &config.monitor_fd, &err) < 0);
	BUG_ON(socket_channel_create(&monitor->resolver_fd, &config.resolver_fd, &err) < 0);
	(void)fflush(stdout);
	monitor->process = fork();
	BUG_ON(monitor->process < 0);
	if (monitor->process == 0) {
		int r;

		(void)close(monitor->fd);
		(void)close(monitor->resolver_fd);
		r = network_process_run(&config, &err);
		if (r < 0)
			(void)fprintf(stderr, "# %s\n", err.text);
		/* Leaks are looked for now. */
		exit(r < 0 ? -r : 0); /* NOLINT(concurrency-mt-unsafe): there is one thread */
	}
	(void)close(config.monitor_fd);
	(void)close(config.resolver_fd);
}

static void note(struct network_monitor *monitor, const char *what, int slot)
{
	size_t len = strlen(monitor->told);

	(void)snprintf(monitor->told + len, sizeof(monitor->told) - len, "%s%s", len ? " " : "",
		       what);
	len = strlen(monitor->told);
	if (slot >= 0)
		(void)snprintf(monitor->told + len, sizeof(monitor->told) - len, "%d", slot);
}

static void take(struct network_monitor *monitor, const struct network_message *message,
		 const char *text, int fd)
{
	switch (message->type) {
	case NETWORK_ATTACH:
		note(monitor, "A", (int)message->slot);
		monitor->nr_faults += monitor->taps[message->slot] >= 0;
		fd_close(&monitor->taps[message->slot]);
		monitor->taps[message->slot] = fd;
		memcpy(monitor->macs[message->slot], message->mac, sizeof(message->mac));
		break;
	case NETWORK_DETACH:
		note(monitor, "D", (int)message->slot);
		monitor->nr_faults += monitor->taps[message->slot] < 0;
		fd_close(&monitor->taps[message->slot]);
		break;
	case NETWORK_STATE:
		note(monitor, "S", -1);
		monitor->nr_faults += !strcmp(monitor->state, text);
		memcpy(monitor->state, text, message->size + 1);
		break;
	case NETWORK_INCOMING:
		note(monitor, "I", -1);
		fd_close(&monitor->incoming_fd);
		monitor->incoming_fd = fd;
		monitor->incoming_port = message->port;
		break;
	case NETWORK_SCANNED:
		break;
	default:
		monitor->nr_faults++;
		break;
	}
}

bool network_monitor_wait(struct network_monitor *monitor, enum network_message_type type,
			  const char *part)
{
	struct network_message message = { .type = 0 };
	char *text = malloc(NETWORK_STATE_MAX + 1);
	int fd = -1;
	int r = 1;

	monitor->told[0] = '\0';
	while (r == 1 && (message.type != type || (part && !strstr(monitor->state, part)))) {
		struct pollfd pollfd = { .fd = monitor->fd, .events = POLLIN };

		if (poll(&pollfd, 1, PATIENCE_MS) <= 0) {
			r = -ETIMEDOUT;
			break;
		}
		r = network_channel_receive(monitor->fd, &message, text, &fd);
		if (r == 1)
			take(monitor, &message, text, fd);
	}
	free(text);
	return r == 1;
}

bool network_monitor_scan(struct network_monitor *monitor)
{
	const struct network_message scan = { .type = NETWORK_SCAN };

	return network_channel_send(monitor->fd, &scan, NULL, -1) == 0 &&
	       network_monitor_wait(monitor, NETWORK_SCANNED, NULL);
}

int network_monitor_stop(struct network_monitor *monitor)
{
	int status = -1;

	fd_close(&monitor->fd);
	BUG_ON(waitpid(monitor->process, &status, 0) != monitor->process);
	fd_close(&monitor->resolver_fd);
	fd_close(&monitor->incoming_fd);
	for (size_t i = 0; i < NETWORK_SLOTS; i++)
		fd_close(&monitor->taps[i]);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
