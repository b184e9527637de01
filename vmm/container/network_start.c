/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/container/network_start.h"

#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "vmm/backend/network_channel.h"
#include "vmm/backend/socket_channel.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/close_descriptors.h"
#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/network/network_process.h"
#include "vmm/sandbox/call_filter.h"
#include "vmm/sandbox/namespaces.h"
#include "vmm/sandbox/sandbox.h"

/* By these annotations engines tell the container that only holds a pod's namespaces. */
static const char *const kind_annotations[] = { "io.kubernetes.cri.container-type",
						"io.kubernetes.cri-o.ContainerType" };

static bool is_sandbox_of_pod(const struct container_config *config)
{
	for (size_t i = 0; i < ARRAY_SIZE(kind_annotations); i++) {
		const char *kind = json_string_value(
			json_object_get(config->annotations, kind_annotations[i]));

		if (kind && strcmp(kind, "sandbox") == 0)
			return true;
	}
	return false;
}

static int seal(void *context, struct error *err)
{
	const uid_t *id = context;
	int r = network_process_seal(*id, err);

	return r < 0 ? r : call_filter_load(&network_process_filter, err);
}

static _Noreturn void become_network_process(const struct container_config *config, uid_t id,
					     int channel_fd, int resolver_fd)
{
	int keep[] = { channel_fd, resolver_fd, log_descriptor() };
	const struct network_process_config process = {
		.monitor_fd = channel_fd,
		.resolver_fd = resolver_fd,
		.policy = &config->network,
		.seal = seal,
		.context = &id,
	};

	struct error err;

	(void)prctl(PR_SET_NAME, "network");
	close_descriptors_except(keep, ARRAY_SIZE(keep));
	if (network_process_run(&process, &err) == 0)
		_exit(0);
	log_error("%s", err.text);
	_exit(1);
}

int network_start(const struct container_config *config, uid_t id, struct network_ends *ret,
		  struct error *err)
{
	AUTO_CLOSE int monitor_fd = -1, process_fd = -1, monitor_resolver_fd = -1, resolver_fd = -1;
	pid_t pid;
	int r;

	*ret = (struct network_ends){ -1, -1 };
	if (is_sandbox_of_pod(config))
		return 0;
	r = network_channel_create(&monitor_fd, &process_fd, err);
	if (!r)
		r = socket_channel_create(&monitor_resolver_fd, &resolver_fd, err);
	if (r < 0)
		return r;
	pid = namespaces_fork(err);
	if (pid < 0)
		return pid;
	if (pid == 0)
		become_network_process(config, id, process_fd, resolver_fd);
	ret->channel_fd = fd_take(&monitor_fd);
	ret->resolver_fd = fd_take(&monitor_resolver_fd);
	return 0;
}
