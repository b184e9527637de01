/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.h - what KVM keeps of a virtual machine beside its RAM: taken from one that stands
 * still, given to another with as many processors and the same CPUID
 *
 * The guest's time goes on from where it was: clock and time stamp counter do not count what lies
 * between saving and restoring. A timer that was armed fires when it would have.
 *
 * Thread: any, while no vCPU of the machine runs.
 * Trust:  the state may be anything; KVM checks what it is given, and nothing else is done with it.
 */
#pragma once

#include "vmm/base/byte_stream.h"
#include "vmm/base/error.h"

/* @vcpu_fds are all of the machine's, in order. */
int snapshot_save(int kvm_fd, int vm_fd, const int *vcpu_fds, unsigned int nr_vcpus,
		  struct byte_writer *writer, struct error *err);

/* For a machine whose vCPUs have not run. When it fails that machine is of no use any more. */
int snapshot_restore(int vm_fd, const int *vcpu_fds, unsigned int nr_vcpus,
		     struct byte_reader *reader, struct error *err);
