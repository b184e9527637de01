/* SPDX-License-Identifier: Apache-2.0 */
/*
 * resource_requests.h - what the monitor asks of the container's control group: "update" and
 * "statistics", see protocol.h
 *
 * Both answer by themselves, failures included. They return 0, or a negative errno value when the
 * monitor cannot be reached.
 */
#pragma once

#include <jansson.h>

#include "guest-init/container_cgroup.h"
#include "guest-init/control_channel.h"

int resource_requests_update(const struct container_cgroup *cgroup,
			     const struct control_channel *channel, json_t *message);

int resource_requests_statistics(const struct container_cgroup *cgroup,
				 const struct control_channel *channel);
