/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/session/session_requests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/session/session.h"

static void start(struct session *session, struct control_client *client)
{
	if (session->state < SESSION_CREATED) {
		control_reply(client, EAGAIN, "the container is still being created");
		return;
	}
	if (session->state != SESSION_CREATED) {
		control_reply(client, EALREADY, "cannot start an already running container");
		return;
	}
	session->state = SESSION_STARTING;
	session->start_client = client;
	network_link_scan(&session->network);
}

/* The container waits for another one. */
static void refuse_start(struct session *session, int code, const char *text)
{
	session->state = SESSION_CREATED;
	if (session->start_client)
		control_reply(session->start_client, code, text);
	session->start_client = NULL;
}

void session_on_network_scanned(void *context)
{
	struct session *session = context;

	if (session->state != SESSION_STARTING)
		return;
	if (session->config.needs_network && !session->network.has_looked) {
		refuse_start(session, ENETDOWN,
			     "the network process has ended before it set up the container's "
			     "network; the log says why");
		return;
	}
	/* An engine may have resized the terminal before it was ours, when nobody was told. */
	session_send_window_size(session);
	if (guest_channel_send(&session->channel, "{\"type\":\"start\"}") == 0) {
		relay_release(&session->processes[0].relays[PROTOCOL_STDIN]);
		return;
	}
	refuse_start(session, EBUSY, "the guest does not take messages");
}

static void signal_processes(struct session *session, struct control_client *client,
			     const struct control_request *request)
{
	int process =
		request->verb == CONTROL_SIGNAL_ALL ? SESSION_ALL_PROCESSES : SESSION_FIRST_PROCESS;

	if (request->value == 0 || request->value > (uint32_t)SIGRTMAX) {
		control_reply(client, EINVAL, "unknown signal");
	} else if (session_send_signal(session, process, request->value) < 0) {
		control_reply(client, EBUSY, "the guest does not take messages");
	} else {
		/* As the processes of a frozen control group: this one is not waited with. */
		if (request->value == SIGKILL)
			session_resume(session);
		control_reply(client, 0, "");
	}
}

static void list_processes(const struct session *session, struct control_client *client)
{
	struct control_reply reply = { 0 };
	size_t len = 0;

	for (unsigned int i = 1; i < PROTOCOL_PROCESSES_MAX; i++) {
		const struct session_process *process = &session->processes[i];

		if (process->state == SESSION_PROCESS_RUNNING && process->client &&
		    len < sizeof(reply.text))
			len += (size_t)snprintf(reply.text + len, sizeof(reply.text) - len, "%d ",
						(int)process->host_pid);
	}
	control_reply(client, 0, reply.text);
}

static void pause_guest(struct session *session, struct control_client *client)
{
	if (session->pause_client) {
		control_reply(client, EBUSY, "the container is being paused");
		return;
	}
	/* Asked for again it is told again. */
	session->is_paused = true;
	session->pause_client = client;
	session->config.pause(session->config.context);
}

int session_request_text(int fd, char **ret_text, struct error *err)
{
	AUTO_FREE char *text = NULL;
	struct statx st;

	if (fd_stat(fd, &st) < 0)
		return error_set(err, errno, "read the request");
	if (!S_ISREG(st.stx_mode) || st.stx_size > PROTOCOL_JSON_MAX / 2)
		return error_invalid(err, "the request is larger than a guest takes");
	text = calloc(1, st.stx_size + 1);
	if (!text)
		return error_set(err, ENOMEM, "read the request");
	if (pread(fd, text, st.stx_size, 0) != (ssize_t)st.stx_size)
		return error_invalid(err, "the request changed while it was read");
	*ret_text = pointer_take(text);
	return 0;
}

/* Remember that the guest was asked, which went as @r says. A paused guest answers later. */
static void wait_for_answer(struct session *session, struct control_client *client, int r)
{
	if (r < 0)
		control_reply(client, EBUSY, "the guest does not take messages");
	else
		session_queries_add(&session->queries, session->is_paused ? NULL : client);
	if (!r && session->is_paused)
		control_reply(client, 0, "");
}

static void update(struct session *session, struct control_client *client,
		   const struct control_request *request)
{
	AUTO_FREE char *resources = NULL;
	struct error err;

	if (client->nr_fds != 1) {
		control_reply(client, EINVAL, "an update needs a file");
		return;
	}
	if (session_request_text(client->fds[0], &resources, &err) < 0) {
		control_reply(client, err.code, err.text);
		return;
	}
	wait_for_answer(
		session, client,
		guest_channel_send(&session->channel,
				   "{\"type\":\"update\",\"checkMemory\":%s,\"resources\":%s}",
				   request->value & CONTROL_UPDATE_CHECK_MEMORY ? "true" : "false",
				   resources));
}

static void ask_guest(struct session *session, struct control_client *client,
		      const struct control_request *request)
{
	if (session_queries_are_full(&session->queries))
		control_reply(client, EBUSY, "the guest has not answered what it was asked before");
	else if (request->verb == CONTROL_UPDATE)
		update(session, client, request);
	else if (session->is_paused)
		control_reply(client, EBUSY, "a paused container cannot be asked");
	else
		wait_for_answer(session, client,
				guest_channel_send(&session->channel, "{\"type\":\"statistics\"}"));
}

/* A request that needs a workload to be there. */
static void serve_container(struct session *session, struct control_client *client,
			    const struct control_request *request)
{
	if (session->state < SESSION_CREATED || session->state == SESSION_EXITED) {
		control_reply(client, ESRCH, "container not running");
	} else if (request->verb == CONTROL_PAUSE) {
		pause_guest(session, client);
	} else if (request->verb == CONTROL_RESUME) {
		session_resume(session);
		control_reply(client, 0, "");
	} else if (request->verb == CONTROL_UPDATE || request->verb == CONTROL_STATISTICS) {
		ask_guest(session, client, request);
	} else if (request->verb == CONTROL_WATCH) {
		client->is_watching = true;
	} else {
		signal_processes(session, client, request);
	}
}

static void dispatch_request(struct session *session, struct control_client *client,
			     const struct control_request *request)
{
	switch (request->verb) {
	case CONTROL_START:
		start(session, client);
		break;
	case CONTROL_SIGNAL:
	case CONTROL_SIGNAL_ALL:
	case CONTROL_PAUSE:
	case CONTROL_RESUME:
	case CONTROL_UPDATE:
	case CONTROL_STATISTICS:
	case CONTROL_WATCH:
		serve_container(session, client, request);
		break;
	case CONTROL_EXEC:
		session_process_exec(session, client, request);
		break;
	case CONTROL_PROCESSES:
		list_processes(session, client);
		break;
	default:
		control_reply(client, EINVAL, "unknown request");
		break;
	}
}

void session_on_request(void *context, struct control_client *client,
			const struct control_request *request)
{
	struct session *session = context;

	vsock_lock(session->vsock);
	if (client->owner)
		session_process_on_request(client->owner, request);
	else
		dispatch_request(session, client, request);
	vsock_unlock(session->vsock);
}

/* cppcheck-suppress constParameter ; a callback: the server says what it is given */
void session_on_client_gone(void *context, struct control_client *client)
{
	struct session *session = context;

	if (session->start_client == client)
		session->start_client = NULL;
	if (session->pause_client == client)
		session->pause_client = NULL;
	session_queries_forget(&session->queries, client);
	if (!client->owner)
		return;
	vsock_lock(session->vsock);
	session_process_on_client_gone(client->owner);
	vsock_unlock(session->vsock);
}
