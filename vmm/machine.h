/* SPDX-License-Identifier: Apache-2.0 */
/*
 * machine.h - the virtual machine as a whole: creates and wires memory, processors and devices
 *
 * Devices, in the order of their registers in memory: fs, vsock, console, rng, the slots for
 * network cards, which are empty in the beginning, and the balloon.
 *
 * Thread: all functions on the thread that runs the event loop.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/backend/boot_log.h"
#include "vmm/backend/fs_channel.h"
#include "vmm/backend/network_channel.h"
#include "vmm/bus/bus.h"
#include "vmm/event/event_loop.h"
#include "vmm/kvm/vcpu.h"
#include "vmm/kvm/vm.h"
#include "vmm/memory/guest_memory.h"
#include "vmm/virtio/balloon.h"
#include "vmm/virtio/console.h"
#include "vmm/virtio/fs.h"
#include "vmm/virtio/net.h"
#include "vmm/virtio/rng.h"
#include "vmm/virtio/vsock.h"

#define MACHINE_ROOT_TAG "root" /* the name under which the guest mounts the shared tree */

enum machine_device {
	MACHINE_FS,
	MACHINE_VSOCK,
	MACHINE_CONSOLE,
	MACHINE_RNG,
	MACHINE_CARDS, /* the first of NETWORK_SLOTS */
	MACHINE_BALLOON = MACHINE_CARDS + NETWORK_SLOTS,
	MACHINE_NR_DEVICES,
};

struct machine_config {
	int kvm_fd;
	int kernel_fd, initramfs_fd;
	const char *kernel_path, *initramfs_path; /* for messages */
	uint64_t memory_bytes;
	unsigned int nr_vcpus;		     /* 1 to VCPU_MAX */
	const struct fs_channel *fs_channel; /* the monitor's end, mapped */
	const struct vsock_service *service; /* with @service_context */
	void *service_context;
	int debug_fd; /* gets a copy of the guest's console, or -1 */
	/* On each vCPU's thread, before it enters the guest; without @context. */
	int (*on_vcpu_start)(struct error *err);
	/* The VM is over, or its file server is; on the event loop. @text says why. */
	void (*on_end)(void *context, const char *text);
	/* After machine_pause(): no vCPU runs. On the event loop. */
	void (*on_paused)(void *context);
	/* The machine becomes a template (machine_template.h); on the event loop. */
	bool is_template;
	void (*on_template_point)(void *context);
	void *context;
};

struct machine {
	struct machine_config config;
	struct event_loop *loop;
	struct guest_memory memory;
	struct vm vm;
	struct vcpu_environment vcpu_environment;
	struct vcpu_gate gate;
	struct event_source gate_source;
	struct vcpu vcpus[VCPU_MAX];
	unsigned int nr_vcpus; /* initialised */
	struct bus memory_bus, port_bus;
	struct boot_log log;

	struct vm_pin pins[MACHINE_NR_DEVICES];
	uint32_t *registers; /* as the guest reads them: a page for each device */
	int unread_fd;	     /* eventfd: takes writes that have nothing to tell */
	struct fs fs;
	struct vsock *vsock;
	struct console console;
	struct rng rng;
	struct net *cards[NETWORK_SLOTS];
	struct balloon balloon;

	int stop_fd; /* eventfd: a vCPU stopped */
	struct event_source stop_source;
	const char *stop_text; /* why; atomic, NULL while running */
};

/* Build everything up to the first instruction. All of @config's descriptors stay the caller's. */
int machine_init(struct machine *machine, const struct machine_config *config,
		 struct event_loop *loop, struct error *err);

/*
 * The parts of machine_init(), for machine_template.c: everything but the guest, with RAM from
 * @memory_fd unless that is -1; and the end of a machine that was built and never started.
 */
int machine_build(struct machine *machine, const struct machine_config *config, int memory_fd,
		  struct event_loop *loop, struct error *err);
void machine_fini(struct machine *machine);

/* Start the processors' threads, which stand still until machine_resume(). */
int machine_start(struct machine *machine, struct error *err);

/*
 * Stop the processors of a started machine, and let them run again; vcpu.h says what the guest sees
 * of it. Devices and their host ends go on meanwhile. Neither waits: on_paused tells when all
 * stand still. Any order, any number of times; on the event loop.
 */
void machine_pause(struct machine *machine);
void machine_resume(struct machine *machine);

/*
 * Put a network card with address @mac into @slot (below NETWORK_SLOTS), or take it out; net.h has
 * the details. At any time after machine_init(). @tap_fd is taken, also on failure.
 */
int machine_attach_card(struct machine *machine, unsigned int slot, int tap_fd,
			const uint8_t mac[NET_MAC_SIZE], struct error *err);
void machine_detach_card(struct machine *machine, unsigned int slot);
