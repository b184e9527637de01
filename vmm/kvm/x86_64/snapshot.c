/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The order is that of restoring: the mode of the processor decides what its other registers may
 * be; the address of the local APIC is one of its special registers; a deadline is one of a timer
 * whose mode the local APIC has, in terms of the time stamp counter; what is pending comes last.
 *
 * The time stamp counter is set by its offset, not by its MSR: KVM takes a value close to that of
 * a new processor (less than a second's worth) for an attempt to synchronise the two, and does not
 * set it. All processors get the first one's offset, as they have since they were made.
 */
#include "vmm/kvm/x86_64/snapshot.h"

#include <errno.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"

#define MSR_TSC 0x10
#define MSRS_MAX 1024u
#define XSAVE_MAX ((size_t)256 * 1024)
#define INTERRUPT_CHIPS 3 /* two PICs and the IOAPIC */

struct part {
	const char *name;
	unsigned long get, set;
	size_t size;
};

static const struct part parts_before_timer[] = {
	{ "SREGS", KVM_GET_SREGS, KVM_SET_SREGS, sizeof(struct kvm_sregs) },
	{ "XCRS", KVM_GET_XCRS, KVM_SET_XCRS, sizeof(struct kvm_xcrs) },
	{ "REGS", KVM_GET_REGS, KVM_SET_REGS, sizeof(struct kvm_regs) },
	{ "DEBUGREGS", KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, sizeof(struct kvm_debugregs) },
	{ "LAPIC", KVM_GET_LAPIC, KVM_SET_LAPIC, sizeof(struct kvm_lapic_state) },
};

static const struct part parts_after_timer[] = {
	{ "VCPU_EVENTS", KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, sizeof(struct kvm_vcpu_events) },
	{ "MP_STATE", KVM_GET_MP_STATE, KVM_SET_MP_STATE, sizeof(struct kvm_mp_state) },
};

union part_buffer {
	struct kvm_sregs special;
	struct kvm_xcrs extended_control;
	struct kvm_regs registers;
	struct kvm_debugregs debug;
	struct kvm_lapic_state local_apic;
	struct kvm_vcpu_events events;
	struct kvm_mp_state mp_state;
};

/* As many as there is room for behind struct kvm_msrs: one. */
union one_msr {
	struct kvm_msrs list;
	uint8_t room[sizeof(struct kvm_msrs) + sizeof(struct kvm_msr_entry)];
};

static int truncated(struct error *err)
{
	return error_invalid(err, "the state of the processors is truncated");
}

static int save_parts(int vcpu_fd, const struct part *parts, size_t nr, struct byte_writer *writer,
		      struct error *err)
{
	union part_buffer buffer;

	for (size_t i = 0; i < nr; i++) {
		memset(&buffer, 0, sizeof(buffer));
		if (ioctl(vcpu_fd, parts[i].get, &buffer) < 0)
			return error_set(err, errno, "KVM_GET_%s", parts[i].name);
		byte_writer_put(writer, &buffer, parts[i].size);
	}
	return 0;
}

static int restore_parts(int vcpu_fd, const struct part *parts, size_t nr,
			 struct byte_reader *reader, struct error *err)
{
	union part_buffer buffer;

	for (size_t i = 0; i < nr; i++) {
		if (!byte_reader_get(reader, &buffer, parts[i].size))
			return truncated(err);
		if (ioctl(vcpu_fd, parts[i].set, &buffer) < 0)
			return error_set(err, errno, "KVM_SET_%s", parts[i].name);
	}
	return 0;
}

/* --- vector registers ------------------------------------------------------------------------- */

/* How many bytes KVM_GET_XSAVE2 fills and KVM_SET_XSAVE reads. */
static size_t xsave_size(int vm_fd)
{
	int size = ioctl(vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_XSAVE2);

	return size > (int)sizeof(struct kvm_xsave) ? (size_t)size : sizeof(struct kvm_xsave);
}

static int save_xsave(int vm_fd, int vcpu_fd, struct byte_writer *writer, struct error *err)
{
	size_t size = xsave_size(vm_fd);
	unsigned long get = size > sizeof(struct kvm_xsave) ? KVM_GET_XSAVE2 : KVM_GET_XSAVE;
	AUTO_FREE uint8_t *area = calloc(1, size);

	if (!area)
		return error_set(err, ENOMEM, "read the vector registers");
	if (ioctl(vcpu_fd, get, area) < 0)
		return error_set(err, errno, "KVM_GET_XSAVE");
	byte_writer_put_u32(writer, (uint32_t)size);
	byte_writer_put(writer, area, size);
	return 0;
}

static int restore_xsave(int vm_fd, int vcpu_fd, struct byte_reader *reader, struct error *err)
{
	uint32_t size = byte_reader_get_u32(reader);
	AUTO_FREE uint8_t *area = NULL;

	if (size != xsave_size(vm_fd) || size > XSAVE_MAX)
		return error_invalid(err, "the vector registers have %u bytes here, %zu saved",
				     (unsigned int)xsave_size(vm_fd), (size_t)size);
	area = malloc(size);
	if (!area)
		return error_set(err, ENOMEM, "set the vector registers");
	if (!byte_reader_get(reader, area, size))
		return truncated(err);
	if (ioctl(vcpu_fd, KVM_SET_XSAVE, area) < 0)
		return error_set(err, errno, "KVM_SET_XSAVE");
	return 0;
}

/* --- model-specific registers ----------------------------------------------------------------- */

static int get_msr(int vcpu_fd, uint32_t index, uint64_t *ret_value)
{
	union one_msr msr = { .room = { 0 } };

	msr.list.nmsrs = 1;
	msr.list.entries[0].index = index;
	if (ioctl(vcpu_fd, KVM_GET_MSRS, &msr) != 1)
		return -EIO;
	*ret_value = msr.list.entries[0].data;
	return 0;
}

static int save_msrs(int kvm_fd, int vcpu_fd, struct byte_writer *writer, struct error *err)
{
	AUTO_FREE struct kvm_msr_list *list = calloc(1, sizeof(*list) + MSRS_MAX * sizeof(__u32));
	AUTO_FREE struct kvm_msr_entry *entries = calloc(MSRS_MAX, sizeof(*entries));
	uint32_t nr = 0;

	if (!list || !entries)
		return error_set(err, ENOMEM, "read the MSRs");
	list->nmsrs = MSRS_MAX;
	if (ioctl(kvm_fd, KVM_GET_MSR_INDEX_LIST, list) < 0)
		return error_set(err, errno, "KVM_GET_MSR_INDEX_LIST");
	/* Some are listed that this CPUID does not have. */
	for (uint32_t i = 0; i < list->nmsrs; i++) {
		uint64_t value;

		if (list->indices[i] == MSR_TSC || get_msr(vcpu_fd, list->indices[i], &value) < 0)
			continue;
		entries[nr++] = (struct kvm_msr_entry){ .index = list->indices[i], .data = value };
	}
	byte_writer_put_u32(writer, nr);
	byte_writer_put(writer, entries, nr * sizeof(*entries));
	return 0;
}

/* One that KVM does not let be set has to be the way it is. */
static int check_msr(int vcpu_fd, const struct kvm_msr_entry *entry, struct error *err)
{
	uint64_t value;

	if (get_msr(vcpu_fd, entry->index, &value) < 0 || value != entry->data)
		return error_invalid(err, "KVM refuses to set MSR %#x to %#llx", entry->index,
				     (unsigned long long)entry->data);
	return 0;
}

static int restore_msrs(int vcpu_fd, struct byte_reader *reader, struct error *err)
{
	uint32_t nr = byte_reader_get_u32(reader);
	AUTO_FREE struct kvm_msrs *msrs = NULL;
	uint32_t done = 0;

	if (nr > MSRS_MAX)
		return error_invalid(err, "%u MSRs in the state of a processor", nr);
	msrs = calloc(1, sizeof(*msrs) + nr * sizeof(msrs->entries[0]));
	if (!msrs)
		return error_set(err, ENOMEM, "set the MSRs");
	if (!byte_reader_get(reader, msrs->entries, nr * sizeof(msrs->entries[0])))
		return truncated(err);
	while (done < nr) {
		int n;

		msrs->nmsrs = nr - done;
		n = ioctl(vcpu_fd, KVM_SET_MSRS, msrs);
		if (n < 0)
			return error_set(err, errno, "KVM_SET_MSRS");
		if ((uint32_t)n < nr - done && check_msr(vcpu_fd, &msrs->entries[n++], err) < 0)
			return -err->code;
		done += (uint32_t)n;
		memmove(msrs->entries, msrs->entries + n, (nr - done) * sizeof(msrs->entries[0]));
	}
	return 0;
}

/* --- time ------------------------------------------------------------------------------------- */

/* @request gets or sets the offset at @address. */
static int tsc_offset(int vcpu_fd, unsigned long request, uintptr_t address, struct error *err)
{
	struct kvm_device_attr attribute = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = address,
	};

	if (ioctl(vcpu_fd, request, &attribute) < 0)
		return error_set(err, errno, "the offset of the time stamp counter");
	return 0;
}

/* The offset with which a new vCPU's counter shows @value now. */
static int find_tsc_offset(int vcpu_fd, uint64_t value, uint64_t *ret_offset, struct error *err)
{
	uint64_t now = 0;
	int r = tsc_offset(vcpu_fd, KVM_GET_DEVICE_ATTR, (uintptr_t)ret_offset, err);

	if (!r && get_msr(vcpu_fd, MSR_TSC, &now) < 0)
		r = error_set(err, EIO, "read the time stamp counter");
	if (!r)
		*ret_offset += value - now; /* both modulo 2^64 */
	return r;
}

static uint32_t tsc_khz(int vcpu_fd)
{
	int khz = ioctl(vcpu_fd, KVM_GET_TSC_KHZ, 0);

	return khz > 0 ? (uint32_t)khz : 0;
}

/* --- the machine ------------------------------------------------------------------------------ */

static int save_vm(int vm_fd, struct byte_writer *writer, struct error *err)
{
	struct kvm_clock_data clock = { 0 };

	for (uint32_t i = 0; i < INTERRUPT_CHIPS; i++) {
		struct kvm_irqchip chip = { .chip_id = i };

		if (ioctl(vm_fd, KVM_GET_IRQCHIP, &chip) < 0)
			return error_set(err, errno, "KVM_GET_IRQCHIP %u", i);
		byte_writer_put(writer, &chip, sizeof(chip));
	}
	if (ioctl(vm_fd, KVM_GET_CLOCK, &clock) < 0)
		return error_set(err, errno, "KVM_GET_CLOCK");
	byte_writer_put_u64(writer, clock.clock);
	return 0;
}

static int restore_vm(int vm_fd, struct byte_reader *reader, struct error *err)
{
	struct kvm_clock_data clock = { 0 };

	for (uint32_t i = 0; i < INTERRUPT_CHIPS; i++) {
		struct kvm_irqchip chip;

		if (!byte_reader_get(reader, &chip, sizeof(chip)))
			return truncated(err);
		chip.chip_id = i;
		if (ioctl(vm_fd, KVM_SET_IRQCHIP, &chip) < 0)
			return error_set(err, errno, "KVM_SET_IRQCHIP %u", i);
	}
	clock.clock = byte_reader_get_u64(reader);
	if (reader->has_failed)
		return truncated(err);
	if (ioctl(vm_fd, KVM_SET_CLOCK, &clock) < 0)
		return error_set(err, errno, "KVM_SET_CLOCK");
	return 0;
}

int snapshot_save(int kvm_fd, int vm_fd, const int *vcpu_fds, unsigned int nr_vcpus,
		  struct byte_writer *writer, struct error *err)
{
	uint64_t tsc;
	int r = get_msr(vcpu_fds[0], MSR_TSC, &tsc);

	if (r < 0)
		return error_set(err, EIO, "read the time stamp counter");
	byte_writer_put_u32(writer, tsc_khz(vcpu_fds[0]));
	byte_writer_put_u64(writer, tsc);
	for (unsigned int i = 0; i < nr_vcpus && !r; i++) {
		r = save_parts(vcpu_fds[i], parts_before_timer, ARRAY_SIZE(parts_before_timer),
			       writer, err);
		if (!r)
			r = save_xsave(vm_fd, vcpu_fds[i], writer, err);
		if (!r)
			r = save_msrs(kvm_fd, vcpu_fds[i], writer, err);
		if (!r)
			r = save_parts(vcpu_fds[i], parts_after_timer,
				       ARRAY_SIZE(parts_after_timer), writer, err);
		if (r < 0)
			return error_prefix(err, "processor %u", i);
	}
	return save_vm(vm_fd, writer, err);
}

static int restore_vcpu(int vm_fd, int vcpu_fd, uint64_t offset, struct byte_reader *reader,
			struct error *err)
{
	int r = tsc_offset(vcpu_fd, KVM_SET_DEVICE_ATTR, (uintptr_t)&offset, err);

	if (!r)
		r = restore_parts(vcpu_fd, parts_before_timer, ARRAY_SIZE(parts_before_timer),
				  reader, err);
	if (!r)
		r = restore_xsave(vm_fd, vcpu_fd, reader, err);
	if (!r)
		r = restore_msrs(vcpu_fd, reader, err);
	if (!r)
		r = restore_parts(vcpu_fd, parts_after_timer, ARRAY_SIZE(parts_after_timer), reader,
				  err);
	return r;
}

int snapshot_restore(int vm_fd, const int *vcpu_fds, unsigned int nr_vcpus,
		     struct byte_reader *reader, struct error *err)
{
	uint32_t khz = byte_reader_get_u32(reader);
	uint64_t tsc = byte_reader_get_u64(reader);
	uint64_t offset = 0;
	int r;

	if (khz != tsc_khz(vcpu_fds[0]))
		return error_invalid(err, "the time stamp counter has %u kHz here, %u when saved",
				     tsc_khz(vcpu_fds[0]), khz);
	r = find_tsc_offset(vcpu_fds[0], tsc, &offset, err);
	for (unsigned int i = 0; i < nr_vcpus && !r; i++) {
		r = restore_vcpu(vm_fd, vcpu_fds[i], offset, reader, err);
		if (r < 0)
			return error_prefix(err, "processor %u", i);
	}
	return r ? r : restore_vm(vm_fd, reader, err);
}
