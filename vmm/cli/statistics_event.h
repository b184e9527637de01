/* SPDX-License-Identifier: Apache-2.0 */
/*
 * statistics_event.h - "stats" of `events`: the workload's figures in the form that runc has given
 * them, and those of the virtual machine beside them
 */
#pragma once

#include <jansson.h>

#include "vmm/host_cgroup/host_usage.h"
#include "vmm/oci/guest_statistics.h"

/*
 * The object {"type":"stats","id":@id,"data":…}; NULL without memory. Its member "data.vm" is what
 * the container's processes on the host use: guest memory of @memory_bytes, monitor, file server.
 */
json_t *statistics_event(const char *id, const struct guest_statistics *guest,
			 const struct host_usage *vm, uint64_t memory_bytes);
