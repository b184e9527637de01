/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kvm_host.h - /dev/kvm and what it must be able to do
 *
 * Only the vendor-neutral part of the KVM API is used.
 */
#pragma once

#include <stdbool.h>

#include "vmm/base/error.h"

/* Open /dev/kvm. Returns the descriptor or a negative errno value. */
int kvm_host_open(struct error *err);

/* Check API version and every required capability of @kvm_fd; the error names what is missing. */
int kvm_host_check(int kvm_fd, struct error *err);

/* The most vCPUs that this KVM recommends for one VM. */
unsigned int kvm_host_max_vcpus(int kvm_fd);
