/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time_namespace.h - clocks of the container's own
 *
 * Spec: OCI runtime-spec, config-linux.md "timeOffsets"; time_namespaces(7).
 */
#pragma once

#include "guest-init/container_plan.h"

/*
 * Put the calling process into a time namespace with the offsets of the plan, if the plan has one.
 * The offsets of a namespace are fixed once a process is in it, so it cannot be born there. Needs
 * guest-init's /proc.
 */
int time_namespace_enter(const struct container_plan *plan, struct failure *err);
