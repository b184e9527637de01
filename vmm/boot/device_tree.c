/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/device_tree.h"

#include <errno.h>
#include <libfdt.h>
#include <stdio.h>
#include <string.h>

#include "vmm/boot/memory_layout.h"

#define PHANDLE_IOAPIC 1
#define INTERRUPT_RISING_EDGE 0 /* the second cell of intel,ce4100-ioapic */
#define REGISTER_PAGE UINT64_C(0x1000)

/* A writer that remembers its first failure, so that the tree reads as a tree. */
struct writer {
	void *fdt;
	int status;
};

static void check(struct writer *writer, int status)
{
	if (!writer->status)
		writer->status = status;
}

static void begin_node(struct writer *writer, const char *name)
{
	check(writer, fdt_begin_node(writer->fdt, name));
}

static void begin_node_at(struct writer *writer, const char *name, uint64_t unit)
{
	char full[48];

	(void)snprintf(full, sizeof(full), "%s@%llx", name, (unsigned long long)unit);
	begin_node(writer, full);
}

static void end_node(struct writer *writer)
{
	check(writer, fdt_end_node(writer->fdt));
}

static void put_u32(struct writer *writer, const char *name, uint32_t value)
{
	check(writer, fdt_property_u32(writer->fdt, name, value));
}

static void put_string(struct writer *writer, const char *name, const char *value)
{
	check(writer, fdt_property(writer->fdt, name, value, (int)strlen(value) + 1));
}

static void put_flag(struct writer *writer, const char *name)
{
	check(writer, fdt_property(writer->fdt, name, NULL, 0));
}

static void put_registers(struct writer *writer, uint64_t address)
{
	const fdt64_t cells[2] = { cpu_to_fdt64(address), cpu_to_fdt64(REGISTER_PAGE) };

	check(writer, fdt_property(writer->fdt, "reg", cells, sizeof(cells)));
}

static void put_cells(struct writer *writer, uint32_t address_cells, uint32_t size_cells)
{
	put_u32(writer, "#address-cells", address_cells);
	put_u32(writer, "#size-cells", size_cells);
}

static void put_cpus(struct writer *writer, unsigned int nr_cpus)
{
	begin_node(writer, "cpus");
	put_cells(writer, 1, 0);
	for (uint32_t i = 0; i < nr_cpus; i++) {
		begin_node_at(writer, "cpu", i);
		put_string(writer, "device_type", "cpu");
		put_string(writer, "compatible", "x86");
		put_u32(writer, "reg", i); /* the APIC id */
		end_node(writer);
	}
	end_node(writer);
}

/* The kernel knows LAPIC and IOAPIC by the names of the one x86 platform with a device tree. */
static void put_interrupt_controllers(struct writer *writer)
{
	begin_node_at(writer, "interrupt-controller", LAYOUT_LAPIC);
	put_string(writer, "compatible", "intel,ce4100-lapic");
	put_registers(writer, LAYOUT_LAPIC);
	end_node(writer);

	begin_node_at(writer, "interrupt-controller", LAYOUT_IOAPIC);
	put_string(writer, "compatible", "intel,ce4100-ioapic");
	put_registers(writer, LAYOUT_IOAPIC);
	put_flag(writer, "interrupt-controller");
	put_u32(writer, "#interrupt-cells", 2);
	put_u32(writer, "phandle", PHANDLE_IOAPIC);
	end_node(writer);
}

static void put_virtio(struct writer *writer, unsigned int index)
{
	uint64_t address = LAYOUT_VIRTIO_BASE + index * LAYOUT_VIRTIO_STRIDE;
	const fdt32_t interrupt[2] = { cpu_to_fdt32(LAYOUT_VIRTIO_PIN(index)),
				       cpu_to_fdt32(INTERRUPT_RISING_EDGE) };

	begin_node_at(writer, "virtio", address);
	put_string(writer, "compatible", "virtio,mmio");
	put_registers(writer, address);
	check(writer, fdt_property(writer->fdt, "interrupts", interrupt, sizeof(interrupt)));
	end_node(writer);
}

int device_tree_build(void *buffer, size_t size, unsigned int nr_cpus, unsigned int nr_virtio,
		      struct error *err)
{
	struct writer writer = { .fdt = buffer };

	check(&writer, fdt_create(buffer, (int)size));
	check(&writer, fdt_finish_reservemap(buffer));
	begin_node(&writer, "");
	put_cells(&writer, 2, 2);
	put_string(&writer, "compatible", "bulkhead,vm");
	put_u32(&writer, "interrupt-parent", PHANDLE_IOAPIC);
	put_cpus(&writer, nr_cpus);
	begin_node(&writer, "soc");
	put_cells(&writer, 2, 2);
	put_string(&writer, "compatible", "simple-bus");
	put_flag(&writer, "ranges");
	put_interrupt_controllers(&writer);
	for (unsigned int i = 0; i < nr_virtio; i++)
		put_virtio(&writer, i);
	end_node(&writer);
	end_node(&writer);
	check(&writer, fdt_finish(buffer));
	if (writer.status)
		return error_invalid(err, "build the device tree: %s", fdt_strerror(writer.status));
	return 0;
}
