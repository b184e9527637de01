/* SPDX-License-Identifier: Apache-2.0 */
/*
 * newer_calls.h - system calls that a seccomp profile is too old to know fail with ENOSYS
 *
 * A profile that allows what it lists refuses everything newer than itself, with EPERM as a rule. A
 * program that tries a new system call and would fall back to an older one takes that for an
 * answer and gives up. So calls above the highest number that the profile mentions get the error
 * that a kernel without them would give. Runtimes for containers agree on this, though no
 * specification asks for it.
 */
#pragma once

#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/oci/container_config.h"

#define NEWER_CALLS_ARCHITECTURES_MAX 24u

struct newer_calls {
	struct {
		uint32_t token; /* SCMP_ARCH_… */
		int newest;	/* the highest number mentioned, -1: none */
	} architectures[NEWER_CALLS_ARCHITECTURES_MAX];
	unsigned int nr_architectures;
};

/* Note that the profile is about @token; the second time nothing happens. -ENOSPC: too many. */
int newer_calls_add_architecture(struct newer_calls *calls, uint32_t token);

/* Note that the profile mentions the system call @name, on every architecture. */
void newer_calls_note(struct newer_calls *calls, const char *name);

/*
 * Put the instructions that answer newer calls before those of @program. Nothing changes for an
 * architecture of which no call is mentioned.
 */
int newer_calls_prepend(const struct newer_calls *calls, struct container_seccomp *program,
			struct error *err);
