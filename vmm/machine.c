/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine.h"

#include <errno.h>
#include <linux/virtio_mmio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>

#include "guest-init/protocol.h"
#include "vmm/base/bug.h"
#include "vmm/base/fd.h"
#include "vmm/boot/boot_params.h"
#include "vmm/boot/kernel_image.h"
#include "vmm/boot/kernel_relocation.h"
#include "vmm/boot/memory_layout.h"
#include "vmm/virtio/virtio_mmio.h"

_Static_assert(MACHINE_NR_DEVICES <= LAYOUT_VIRTIO_MAX_DEVICES, "an interrupt pin for each device");
_Static_assert(PROTOCOL_CARDS == NETWORK_SLOTS && PROTOCOL_CARD_STRIDE == LAYOUT_VIRTIO_STRIDE &&
		       PROTOCOL_CARD_BASE ==
			       LAYOUT_VIRTIO_BASE + MACHINE_CARDS * LAYOUT_VIRTIO_STRIDE,
	       "guest-init knows where the cards are");
_Static_assert(VIRTIO_MMIO_SIZE == LAYOUT_VIRTIO_STRIDE, "a page for each register file");

#define REGISTERS_SIZE ((size_t)MACHINE_NR_DEVICES * VIRTIO_MMIO_SIZE)
#define PAGE_WORDS ((size_t)VIRTIO_MMIO_SIZE / sizeof(uint32_t))
#define DEBUG_LOG_BUDGET (UINT64_C(16) * 1024 * 1024)
#define LINE_STATUS_OFFSET 5
#define LINE_STATUS_EMPTY 0x60 /* transmitter empty: the guest never waits */

/*
 * reboot=t: a guest resets by triple fault, there is no other way out. panic=-1: at once.
 * The early console carries what the kernel says before the virtio console is there.
 */
#define COMMAND_LINE "console=hvc0 earlyprintk=serial,0x3f8 panic=-1 reboot=t"
#define COMMAND_LINE_QUIET COMMAND_LINE " quiet"
#define FOR_TEMPLATE " " PROTOCOL_TEMPLATE_ARGUMENT

static const char *const command_lines[2][2] = {
	{ COMMAND_LINE_QUIET, COMMAND_LINE_QUIET FOR_TEMPLATE },
	{ COMMAND_LINE, COMMAND_LINE FOR_TEMPLATE },
};

/* --- what vCPUs ask for ---------------------------------------------------------------------- */

static void on_access(void *context, enum vcpu_space space, uint64_t address, uint8_t *data,
		      uint32_t len, bool is_write)
{
	struct machine *machine = context;
	const struct bus *bus =
		space == VCPU_SPACE_PORTS ? &machine->port_bus : &machine->memory_bus;

	bus_access(bus, address, data, len, is_write);
}

static int on_vcpu_start(void *context, struct error *err)
{
	const struct machine *machine = context;

	return machine->config.on_vcpu_start(err);
}

static void on_vcpu_stop(void *context, enum vcpu_stop stop, const char *text)
{
	struct machine *machine = context;
	const char *none = NULL;

	(void)stop;
	/* The first reason counts. Release pairs with the acquire in on_stop_event(). */
	(void)__atomic_compare_exchange_n(&machine->stop_text, &none, text, false, __ATOMIC_RELEASE,
					  __ATOMIC_RELAXED);
	(void)eventfd_write(machine->stop_fd, 1);
}

static void on_stop_event(void *context, uint32_t events)
{
	struct machine *machine = context;
	const char *text = __atomic_load_n(&machine->stop_text, __ATOMIC_ACQUIRE);

	(void)events;
	event_loop_remove(machine->loop, &machine->stop_source);
	machine->config.on_end(machine->config.context, text);
}

static void on_gate_event(void *context, uint32_t events)
{
	struct machine *machine = context;
	eventfd_t count;

	(void)events;
	(void)eventfd_read(machine->gate.still_fd, &count);
	/* The news may be older than the last machine_resume(). */
	if (vcpu_gate_is_still(&machine->gate))
		machine->config.on_paused(machine->config.context);
}

static void on_held(void *context)
{
	struct machine *machine = context;

	machine->config.on_template_point(machine->config.context);
}

static void on_server_gone(void *context)
{
	struct machine *machine = context;

	machine->config.on_end(machine->config.context, "the file server is gone");
}

/* The early console: bytes written to its data port are kept, everything else reads as idle. */
static void early_console_access(void *context, uint64_t offset, uint8_t *data, uint32_t len,
				 bool is_write)
{
	struct machine *machine = context;

	if (is_write && offset == 0)
		boot_log_append(&machine->log, data, 1);
	else if (!is_write && offset == LINE_STATUS_OFFSET && len == 1)
		data[0] = LINE_STATUS_EMPTY;
}

static void pulse(void *context)
{
	vm_pin_pulse(context);
}

static struct virtio_transport transport_of(struct machine *machine, enum machine_device index)
{
	struct vm_pin *pin = &machine->pins[index];

	*pin = (struct vm_pin){ &machine->vm, LAYOUT_VIRTIO_PIN(index) };
	return (struct virtio_transport){ pulse, pin, machine->registers + index * PAGE_WORDS };
}

/* --- devices ---------------------------------------------------------------------------------- */

/* Before there are devices: what the guest reads of them, without an exit. */
static int add_registers(struct machine *machine, struct error *err)
{
	void *pages = mmap(NULL, REGISTERS_SIZE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (pages == MAP_FAILED)
		return error_set(err, errno, "map registers");
	machine->registers = pages;
	machine->unread_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machine->unread_fd < 0)
		return error_set(err, errno, "create an eventfd");
	return vm_add_read_only(&machine->vm, LAYOUT_VIRTIO_BASE, pages, REGISTERS_SIZE, err);
}

static void remove_registers(struct machine *machine)
{
	fd_close(&machine->unread_fd);
	if (machine->registers)
		(void)munmap(machine->registers, REGISTERS_SIZE);
	machine->registers = NULL;
}

static int add_device(struct machine *machine, enum machine_device index,
		      struct virtio_device *device, struct error *err)
{
	uint64_t base = LAYOUT_VIRTIO_BASE + (uint64_t)index * LAYOUT_VIRTIO_STRIDE;
	int r = bus_add(&machine->memory_bus, base, VIRTIO_MMIO_SIZE, virtio_mmio_access, device,
			err);

	for (unsigned int i = 0; i < device->nr_queues && !r; i++)
		r = vm_add_ioeventfd(&machine->vm, base + VIRTIO_MMIO_QUEUE_NOTIFY, i,
				     device->doorbell_fds[i], err);
	/* That used buffers were seen is no news; see interrupt_status() in virtio_mmio.c. */
	if (!r)
		r = vm_add_ioeventfd(&machine->vm, base + VIRTIO_MMIO_INTERRUPT_ACK,
				     VIRTIO_MMIO_INT_VRING, machine->unread_fd, err);
	if (r < 0)
		return error_prefix(err, "device %s", device->name);
	return 0;
}

static int add_card_slots(struct machine *machine, struct error *err)
{
	static const char *const names[NETWORK_SLOTS] = { "net0", "net1", "net2", "net3" };
	int r = 0;

	for (unsigned int i = 0; i < NETWORK_SLOTS && !r; i++) {
		enum machine_device index = MACHINE_CARDS + i;

		r = net_new(&machine->cards[i], names[i], &machine->memory, machine->loop,
			    transport_of(machine, index), err);
		if (!r)
			r = add_device(machine, index, net_device(machine->cards[i]), err);
	}
	return r;
}

static int add_devices(struct machine *machine, struct error *err)
{
	const struct machine_config *config = &machine->config;
	const struct guest_memory *memory = &machine->memory;
	struct event_loop *loop = machine->loop;
	int r = fs_init(&machine->fs, MACHINE_ROOT_TAG, config->fs_channel, on_server_gone, machine,
			memory, loop, transport_of(machine, MACHINE_FS), err);
	if (!r)
		r = vsock_new(&machine->vsock, config->service, config->service_context, memory,
			      loop, transport_of(machine, MACHINE_VSOCK), err);
	if (!r && config->is_template)
		vsock_hold(machine->vsock, PROTOCOL_PORT_CONTROL, on_held, machine);
	if (!r)
		r = console_init(&machine->console, &machine->log, memory, loop,
				 transport_of(machine, MACHINE_CONSOLE), err);
	if (!r)
		r = rng_init(&machine->rng, memory, loop, transport_of(machine, MACHINE_RNG), err);
	if (!r)
		r = balloon_init(&machine->balloon, memory, loop,
				 transport_of(machine, MACHINE_BALLOON), err);
	if (!r)
		r = add_device(machine, MACHINE_FS, &machine->fs.device, err);
	if (!r)
		r = add_device(machine, MACHINE_VSOCK, vsock_device(machine->vsock), err);
	if (!r)
		r = add_device(machine, MACHINE_CONSOLE, &machine->console.device, err);
	if (!r)
		r = add_device(machine, MACHINE_RNG, &machine->rng.device, err);
	if (!r)
		r = add_device(machine, MACHINE_BALLOON, &machine->balloon.device, err);
	if (!r)
		r = add_card_slots(machine, err);
	return r;
}

/* --- processors and boot ---------------------------------------------------------------------- */

static int add_vcpus(struct machine *machine, struct error *err)
{
	int r = vcpu_gate_init(&machine->gate, machine->config.nr_vcpus, err);

	if (!r)
		r = event_loop_add(machine->loop, &machine->gate_source, machine->gate.still_fd,
				   EPOLLIN, on_gate_event, machine, err);
	machine->vcpu_environment = (struct vcpu_environment){ .on_access = on_access,
							       .on_start = on_vcpu_start,
							       .on_stop = on_vcpu_stop,
							       .context = machine,
							       .gate = &machine->gate };
	for (uint32_t i = 0; i < machine->config.nr_vcpus && !r; i++) {
		r = vcpu_init(&machine->vcpus[i], &machine->vm, i, &machine->vcpu_environment, err);
		if (!r)
			machine->nr_vcpus++;
	}
	return r;
}

static int load_guest(struct machine *machine, struct error *err)
{
	const struct machine_config *config = &machine->config;
	struct boot_plan plan = {
		.command_line = command_lines[config->debug_fd >= 0][config->is_template],
		.nr_cpus = config->nr_vcpus,
		.nr_virtio = MACHINE_NR_DEVICES,
	};
	struct cpu_boot_state state;
	int r = kernel_image_load(&machine->memory, config->kernel_fd, config->kernel_path,
				  &plan.entry, err);

	if (!r)
		r = kernel_relocate(&machine->memory, config->kernel_fd, config->kernel_path, err);
	if (!r)
		r = initramfs_load(&machine->memory, config->initramfs_fd, config->initramfs_path,
				   &plan.initramfs, &plan.initramfs_size, err);
	if (!r && plan.initramfs.raw < kernel_image_end(config->kernel_fd))
		r = error_invalid(err, "kernel and initramfs do not fit into %llu MiB of memory",
				  (unsigned long long)(config->memory_bytes >> 20));
	if (!r)
		r = boot_params_write(&machine->memory, &plan, &state, err);
	if (!r)
		r = cpu_set_boot_state(machine->vcpus[0].fd, &state, err);
	return r;
}

static int watch_stop(struct machine *machine, struct error *err)
{
	machine->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (machine->stop_fd < 0)
		return error_set(err, errno, "create an eventfd");
	return event_loop_add(machine->loop, &machine->stop_source, machine->stop_fd, EPOLLIN,
			      on_stop_event, machine, err);
}

int machine_build(struct machine *machine, const struct machine_config *config, int memory_fd,
		  struct event_loop *loop, struct error *err)
{
	int r;

	*machine = (struct machine){ .config = *config, .loop = loop, .unread_fd = -1 };
	boot_log_init(&machine->log, config->debug_fd, DEBUG_LOG_BUDGET);
	if (memory_fd >= 0)
		r = guest_memory_restore(&machine->memory, config->memory_bytes, memory_fd, err);
	else
		r = guest_memory_init(&machine->memory, config->memory_bytes, err);
	if (!r)
		r = vm_init(&machine->vm, config->kvm_fd, &machine->memory, err);
	if (!r)
		r = watch_stop(machine, err);
	if (!r)
		r = add_vcpus(machine, err);
	if (!r)
		r = add_registers(machine, err);
	if (!r)
		r = add_devices(machine, err);
	if (!r)
		r = bus_add(&machine->port_bus, LAYOUT_EARLY_CONSOLE_PORT,
			    LAYOUT_EARLY_CONSOLE_SIZE, early_console_access, machine, err);
	return r;
}

int machine_init(struct machine *machine, const struct machine_config *config,
		 struct event_loop *loop, struct error *err)
{
	int r = machine_build(machine, config, -1, loop, err);

	return r ? r : load_guest(machine, err);
}

void machine_fini(struct machine *machine)
{
	balloon_fini(&machine->balloon, machine->loop);
	for (unsigned int i = 0; i < NETWORK_SLOTS; i++)
		net_free(machine->cards[i]);
	rng_fini(&machine->rng, machine->loop);
	console_fini(&machine->console, machine->loop);
	vsock_free(machine->vsock);
	fs_fini(&machine->fs, machine->loop);
	for (unsigned int i = 0; i < machine->nr_vcpus; i++)
		vcpu_fini(&machine->vcpus[i]);
	event_loop_remove(machine->loop, &machine->gate_source);
	event_loop_remove(machine->loop, &machine->stop_source);
	vcpu_gate_fini(&machine->gate);
	fd_close(&machine->stop_fd);
	vm_fini(&machine->vm);
	remove_registers(machine);
	guest_memory_fini(&machine->memory);
	boot_log_fini(&machine->log);
}

int machine_start(struct machine *machine, struct error *err)
{
	vcpu_gate_close(&machine->gate);
	for (unsigned int i = 0; i < machine->nr_vcpus; i++) {
		int r = vcpu_start(&machine->vcpus[i], err);

		if (r < 0)
			return r;
	}
	return 0;
}

void machine_pause(struct machine *machine)
{
	vcpu_gate_close(&machine->gate);
	for (unsigned int i = 0; i < machine->nr_vcpus; i++)
		vcpu_kick(&machine->vcpus[i]);
}

void machine_resume(struct machine *machine)
{
	vcpu_gate_open(&machine->gate);
}

int machine_attach_card(struct machine *machine, unsigned int slot, int tap_fd,
			const uint8_t mac[NET_MAC_SIZE], struct error *err)
{
	BUG_ON(slot >= NETWORK_SLOTS);
	return net_attach(machine->cards[slot], tap_fd, mac, err);
}

void machine_detach_card(struct machine *machine, unsigned int slot)
{
	BUG_ON(slot >= NETWORK_SLOTS);
	net_detach(machine->cards[slot]);
}
