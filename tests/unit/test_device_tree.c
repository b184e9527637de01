/* SPDX-License-Identifier: Apache-2.0 */
/* test_device_tree.c - the tree, read back as a kernel reads it */
#include <errno.h>
#include <libfdt.h>
#include <stdlib.h>

#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/boot/device_tree.h"
#include "vmm/boot/memory_layout.h"

static char tree[LAYOUT_DEVICE_TREE_SIZE];
static struct error err;

static uint64_t cells(int node, const char *name, int index, int nr_cells)
{
	int len = 0;
	const fdt32_t *value = fdt_getprop(tree, node, name, &len);
	uint64_t result = 0;

	if (!value || len < (index + nr_cells) * (int)sizeof(*value))
		return UINT64_MAX;
	for (int i = 0; i < nr_cells; i++)
		result = result << 32 | fdt32_to_cpu(value[index + i]);
	return result;
}

static unsigned int count_compatible(const char *compatible)
{
	unsigned int nr = 0;

	for (int node = fdt_node_offset_by_compatible(tree, -1, compatible); node >= 0;
	     node = fdt_node_offset_by_compatible(tree, node, compatible))
		nr++;
	return nr;
}

static void check_root(void)
{
	int ioapic = fdt_node_offset_by_compatible(tree, -1, "intel,ce4100-ioapic");
	int soc = fdt_path_offset(tree, "/soc");

	is_int(fdt_check_header(tree), 0);
	is_int(fdt_address_cells(tree, 0), 2);
	is_int(fdt_size_cells(tree, 0), 2);
	ok(soc >= 0 && fdt_node_check_compatible(tree, soc, "simple-bus") == 0);
	is_int(fdt_address_cells(tree, soc), 2);
	is_int(fdt_size_cells(tree, soc), 2);
	ok(fdt_getprop(tree, soc, "ranges", NULL) != NULL);
	is_int(count_compatible("intel,ce4100-lapic"), 1);
	is_int(count_compatible("intel,ce4100-ioapic"), 1);
	is_int(cells(ioapic, "reg", 0, 2), LAYOUT_IOAPIC);
	is_int(cells(ioapic, "#interrupt-cells", 0, 1), 2);
	ok(fdt_getprop(tree, ioapic, "interrupt-controller", NULL) != NULL);
	/* Every interrupt that names no parent of its own is the IOAPIC's. */
	is_int(cells(0, "interrupt-parent", 0, 1), fdt_get_phandle(tree, ioapic));
}

static void check_cpus(unsigned int nr_cpus)
{
	unsigned int nr = 0;
	int cpus = fdt_path_offset(tree, "/cpus"), node;

	is_int(cells(cpus, "#address-cells", 0, 1), 1);
	is_int(cells(cpus, "#size-cells", 0, 1), 0);
	fdt_for_each_subnode(node, tree, cpus)
	{
		is_str(fdt_getprop(tree, node, "device_type", NULL), "cpu");
		is_int(cells(node, "reg", 0, 1), nr);
		nr++;
	}
	is_int(nr, nr_cpus);
}

static void check_devices(unsigned int nr_virtio)
{
	is_int(count_compatible("virtio,mmio"), nr_virtio);
	for (unsigned int i = 0; i < nr_virtio; i++) {
		uint64_t address = LAYOUT_VIRTIO_BASE + i * LAYOUT_VIRTIO_STRIDE;
		char path[64];
		int node;

		(void)snprintf(path, sizeof(path), "/soc/virtio@%" PRIx64, address);
		node = fdt_path_offset(tree, path);
		ok(node >= 0);
		is_int(cells(node, "reg", 0, 2), address);
		is_int(cells(node, "reg", 2, 2), 0x1000);
		is_int(cells(node, "interrupts", 0, 1), LAYOUT_VIRTIO_PIN(i));
		is_int(cells(node, "interrupts", 1, 1), 0); /* rising edge */
	}
}

static void test_counts(void)
{
	static const unsigned int nr_cpus[] = { 1, 2, 32 };

	for (size_t i = 0; i < ARRAY_SIZE(nr_cpus); i++)
		for (unsigned int nr = 1; nr <= LAYOUT_VIRTIO_MAX_DEVICES; nr++) {
			is_int(device_tree_build(tree, sizeof(tree), nr_cpus[i], nr, &err), 0);
			check_root();
			check_cpus(nr_cpus[i]);
			check_devices(nr);
		}
}

/* At every size either a whole tree or an error, and not one byte behind the buffer. */
static void test_small_buffers(void)
{
	size_t enough = 0;

	for (size_t size = 0; size < sizeof(tree) && !enough; size += 40) {
		char *buffer = malloc(size + 1); /* its end is guarded by the sanitizer */
		const void *header = buffer;

		buffer[size] = 'x';
		err.text[0] = 0;
		if (device_tree_build(buffer, size, 2, 4, &err) == 0) {
			enough = size;
			is_int(fdt_check_header(header), 0);
			ok(fdt_totalsize(header) <= size);
		} else {
			is_int(err.code, EINVAL);
			ok(strncmp(err.text, "build the device tree: ", 23) == 0);
		}
		ok(buffer[size] == 'x');
		free(buffer);
	}
	ok(enough > 1000);
}

int main(void)
{
	test_counts();
	test_small_buffers();
	return tap_done();
}
