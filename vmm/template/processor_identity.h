/* SPDX-License-Identifier: Apache-2.0 */
/* processor_identity.h - which processor KVM shows to guests */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"

/*
 * A hash of KVM's version, capabilities that decide what the state of a machine looks like, and all
 * of the CPUID that a guest may see, but for what differs between the processors of one host.
 */
int processor_identity(int kvm_fd, uint64_t *ret, struct error *err);
