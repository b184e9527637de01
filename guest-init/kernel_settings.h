/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel_settings.h - names, sysctls and the loopback interface of the container
 *
 * Spec: OCI runtime-spec, config.md "hostname", "domainname"; config-linux.md "sysctl".
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "guest-init/container_plan.h"

/*
 * Apply the plan's settings to the namespaces of the calling process, sysctls of interfaces that
 * are yet to come (network.h) apart. Needs guest-init's /proc.
 */
int kernel_settings_apply(const struct container_plan *plan, struct failure *err);

/* Write @value to /proc/sys/@path. Returns 0 or a negative errno value. */
int kernel_settings_write(const char *path, const char *value);

/*
 * The path below /proc/sys of sysctl @name: "net.ipv4.ip_forward" and "net/ipv4/ip_forward" are
 * the same; when the first separator is a dot, a slash stands for a dot inside a component, as in
 * sysctl(8). Returns 0, or -EINVAL for a name that is no such path or does not fit.
 */
int kernel_settings_sysctl_path(const char *name, char *ret_path, size_t size);

/*
 * Whether @path (below /proc/sys) is a setting of one network interface other than loopback, and
 * of @name unless that is NULL.
 */
bool kernel_settings_is_of_interface(const char *path, const char *name);

/* Set the plan's @sysctl. */
int kernel_settings_apply_sysctl(const struct plan_sysctl *sysctl, struct failure *err);
