/* SPDX-License-Identifier: Apache-2.0 */
/* cpuid.h - what an x86-64 guest may see of the processor */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"

/*
 * Give the vCPU @vcpu_fd with index @index everything this KVM supports, less what the guest must
 * not use (nested virtualisation), with its own APIC id.
 */
int cpuid_set(int kvm_fd, int vcpu_fd, uint32_t index, struct error *err);
