/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/machine_template.h"

#include <errno.h>
#include <stdlib.h>

#include "vmm/base/fd.h"
#include "vmm/kvm/x86_64/snapshot.h"
#include "vmm/virtio/device_state.h"
#include "vmm/virtio/vsock_packet.h"

#define STATE_MAGIC UINT64_C(0x316574617473686b) /* "khstate1" */

/* What a state begins with: that of another machine fits nobody. */
struct state_header {
	uint64_t magic;
	uint64_t memory_bytes;
	uint32_t nr_vcpus, nr_devices;
};

static struct state_header header_of(const struct machine_config *config)
{
	return (struct state_header){
		.magic = STATE_MAGIC,
		.memory_bytes = config->memory_bytes,
		.nr_vcpus = config->nr_vcpus,
		.nr_devices = MACHINE_NR_DEVICES,
	};
}

static struct virtio_device *device_at(struct machine *machine, unsigned int index)
{
	switch (index) {
	case MACHINE_FS:
		return &machine->fs.device;
	case MACHINE_VSOCK:
		return vsock_device(machine->vsock);
	case MACHINE_CONSOLE:
		return &machine->console.device;
	case MACHINE_RNG:
		return &machine->rng.device;
	case MACHINE_BALLOON:
		return &machine->balloon.device;
	default:
		return net_device(machine->cards[index - MACHINE_CARDS]);
	}
}

static void list_vcpus(const struct machine *machine, int fds[VCPU_MAX])
{
	for (unsigned int i = 0; i < machine->nr_vcpus; i++)
		fds[i] = machine->vcpus[i].fd;
}

static int save_state(struct machine *machine, struct byte_writer *writer, struct error *err)
{
	const struct state_header header = header_of(&machine->config);
	const struct vsock_header *request = vsock_held(machine->vsock);
	int fds[VCPU_MAX];
	int r = 0;

	if (!request)
		return error_invalid(err, "the guest has not asked for its control connection");
	byte_writer_put(writer, &header, sizeof(header));
	byte_writer_put(writer, request, sizeof(*request));
	for (unsigned int i = 0; i < machine->nr_vcpus && !r; i++)
		r = vcpu_complete(&machine->vcpus[i], err);
	list_vcpus(machine, fds);
	if (!r)
		r = snapshot_save(machine->vm.kvm_fd, machine->vm.vm_fd, fds, machine->nr_vcpus,
				  writer, err);
	for (unsigned int i = 0; i < MACHINE_NR_DEVICES && !r; i++)
		r = device_state_save(device_at(machine, i), writer, err);
	if (!r && writer->has_failed)
		r = error_set(err, ENOMEM, "keep the machine's state");
	return r;
}

int machine_save(struct machine *machine, int memory_fd, uint8_t **ret_state, size_t *ret_size,
		 struct error *err)
{
	struct byte_writer writer = { 0 };
	int r = save_state(machine, &writer, err);

	if (!r)
		r = guest_memory_save(&machine->memory, memory_fd, err);
	if (r < 0) {
		free(writer.data);
		return error_prefix(err, "save the machine");
	}
	*ret_state = writer.data;
	*ret_size = writer.len;
	return 0;
}

static int restore_state(struct machine *machine, struct byte_reader *reader, struct error *err)
{
	struct vsock_header request;
	int fds[VCPU_MAX];
	int r;

	(void)byte_reader_get(reader, &request, sizeof(request));
	if (vsock_expect(machine->vsock, &request) < 0)
		return error_invalid(err, "no request for the control connection is in it");
	list_vcpus(machine, fds);
	r = snapshot_restore(machine->vm.vm_fd, fds, machine->nr_vcpus, reader, err);
	/* Interrupts that were raised are in the chips, those to come need them. */
	for (unsigned int i = 0; i < MACHINE_NR_DEVICES && !r; i++)
		r = device_state_restore(device_at(machine, i), reader, err);
	if (!r && reader->left)
		r = error_invalid(err, "%zu bytes too many", reader->left);
	return r;
}

int machine_restore(struct machine *machine, const struct machine_config *config, int memory_fd,
		    const uint8_t *state, size_t size, struct event_loop *loop, struct error *err)
{
	const struct state_header expected = header_of(config);
	struct byte_reader reader = { .data = state, .left = size };
	struct state_header header;
	int r;

	(void)byte_reader_get(&reader, &header, sizeof(header));
	if (header.magic != expected.magic || header.memory_bytes != expected.memory_bytes ||
	    header.nr_vcpus != expected.nr_vcpus || header.nr_devices != expected.nr_devices)
		return error_invalid(err, "restore the machine: the saved one is a different one");
	r = machine_build(machine, config, memory_fd, loop, err);
	if (r < 0)
		return error_prefix(err, "restore the machine");
	r = restore_state(machine, &reader, err);
	if (r < 0) {
		machine_fini(machine);
		return error_prefix(err, "restore the machine");
	}
	return 0;
}
