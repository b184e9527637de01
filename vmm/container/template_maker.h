/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template_maker.h - a process that boots a virtual machine to where it could become a container's,
 * and saves it there
 *
 * It is sealed like a monitor (sandbox.h) before the guest runs, with the few calls of KVM that
 * saving takes; there is no container, no file server, no network. The command line waits for
 * it, and ends it when it takes too long. It dies with the command line.
 *
 * Thread: the command line's only one.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/oci/administrator_config.h"

/* All borrowed. */
struct template_maker_request {
	int kvm_fd, kernel_fd, initramfs_fd;
	const char *kernel_path, *initramfs_path; /* for messages */
	uint64_t memory_bytes;
	unsigned int nr_vcpus;
	bool is_debug; /* guest kernel's messages go to standard error */
	const struct administrator_config *administrator;
	int memory_fd; /* all zeros, as large as the memory in whole pages */
};

/*
 * Make one. On success its memory is in the file, the process is gone, and *@ret_state is its
 * state, heap memory of the caller's.
 */
int template_maker_run(const struct template_maker_request *request, uint8_t **ret_state,
		       size_t *ret_size, struct error *err);
