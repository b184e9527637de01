/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Kernel images with hostile headers. Whatever a file says, pages are mapped and bytes are written
 * inside guest memory only: the memory around it keeps its pattern.
 */
#include <elf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/fake_program.h"
#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"
#include "vmm/boot/kernel_image.h"
#include "vmm/boot/kernel_relocation.h"
#include "vmm/boot/memory_layout.h"

#define LOW_SIZE UINT64_C(0x400000)
#define HIGH_SIZE UINT64_C(0x10000)
#define GUARD_SIZE UINT64_C(0x40000)
#define GUARD_BYTE 0xa5
#define FILE_MAX 0x8000u
#define SEGMENTS_MAX 6u
#define SECTIONS_MAX 3u
#define NAMES_SIZE sizeof("\0.bulkhead.relocs")
#define RELOCATIONS_MAX 16u
#define KERNEL_MAP_START UINT64_C(0xffffffff80000000)
#define ENTRY_UNTOUCHED UINT64_C(0xdead)

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct kernel_file {
	Elf64_Ehdr header;
	Elf64_Phdr segments[SEGMENTS_MAX];
	Elf64_Shdr sections[SECTIONS_MAX];
	char names[NAMES_SIZE];
	uint32_t relocations[RELOCATIONS_MAX];
};

static struct guest_memory memory;
static uint8_t guard_pattern[GUARD_SIZE];
static struct fake_program program;

static void add_region(uint64_t base, uint64_t size)
{
	uint8_t *host = mmap(NULL, size + 2 * GUARD_SIZE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	BUG_ON(host == MAP_FAILED);
	memset(host, GUARD_BYTE, GUARD_SIZE);
	memset(host + GUARD_SIZE + size, GUARD_BYTE, GUARD_SIZE);
	memory.regions[memory.nr_regions++] = (struct guest_memory_region){
		.base = { base }, .size = size, .host = host + GUARD_SIZE
	};
}

static void check_guards(void)
{
	for (unsigned int i = 0; i < memory.nr_regions; i++) {
		const struct guest_memory_region *region = &memory.regions[i];

		BUG_ON(memcmp(region->host - GUARD_SIZE, guard_pattern, GUARD_SIZE) != 0);
		BUG_ON(memcmp(region->host + region->size, guard_pattern, GUARD_SIZE) != 0);
	}
}

/* The next image must not find the pages of this one. */
static void forget_pages(void)
{
	for (unsigned int i = 0; i < memory.nr_regions; i++)
		BUG_ON(mmap(memory.regions[i].host, memory.regions[i].size, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED);
}

static uint64_t place(void)
{
	uint64_t address =
		LAYOUT_HIGH_RAM + fake_program_number(&program, LOW_SIZE - LAYOUT_HIGH_RAM);

	if (fake_program_byte(&program) % 8)
		address &= ~UINT64_C(0xfff);
	return fake_program_byte(&program) % 16 ? address : fake_program_number(&program, LOW_SIZE);
}

static Elf64_Phdr make_segment(uint64_t file_size)
{
	Elf64_Phdr segment = {
		.p_type = fake_program_byte(&program) % 8 ? PT_LOAD : fake_program_word(&program),
		.p_paddr = place(),
		.p_offset = fake_program_number(&program, file_size),
		.p_filesz = fake_program_number(&program, file_size),
	};

	segment.p_memsz = segment.p_filesz;
	if (fake_program_byte(&program) % 2)
		segment.p_memsz += fake_program_number(&program, 0x20000);
	else if (fake_program_byte(&program) % 8 == 0)
		segment.p_memsz = fake_program_number(&program, file_size);
	/* Mostly an offset that fits the address, and a length that fits the file. */
	if (fake_program_byte(&program) % 8)
		segment.p_offset =
			(segment.p_offset & ~UINT64_C(0xfff)) | (segment.p_paddr & UINT64_C(0xfff));
	if (fake_program_byte(&program) % 8 && segment.p_offset < file_size)
		segment.p_filesz = min_u64(segment.p_filesz, file_size - segment.p_offset);
	return segment;
}

/* A list of places to move, most of them in the kernel; and the sections that lead to it. */
static void make_relocations(struct kernel_file *kernel)
{
	uint32_t nr = fake_program_byte(&program) % (RELOCATIONS_MAX + 1);
	Elf64_Shdr *names = &kernel->sections[1];
	Elf64_Shdr *list = &kernel->sections[2];

	memcpy(kernel->names, "\0.bulkhead.relocs", NAMES_SIZE);
	kernel->header.e_shoff = offsetof(struct kernel_file, sections);
	kernel->header.e_shentsize = sizeof(Elf64_Shdr);
	kernel->header.e_shnum = SECTIONS_MAX;
	kernel->header.e_shstrndx = 1;
	names->sh_offset = offsetof(struct kernel_file, names);
	names->sh_size = NAMES_SIZE;
	list->sh_name = 1;
	list->sh_offset = offsetof(struct kernel_file, relocations);
	list->sh_size = nr * sizeof(uint32_t);
	for (uint32_t i = 0; i < nr; i++)
		if (fake_program_byte(&program) % 4) /* else the end of a list */
			kernel->relocations[i] = (uint32_t)(KERNEL_MAP_START + place());
	switch (fake_program_byte(&program) % 16) {
	case 0:
		list->sh_size = fake_program_number(&program, FILE_MAX);
		break;
	case 1:
		list->sh_offset = fake_program_number(&program, FILE_MAX);
		break;
	case 2:
		names->sh_size = fake_program_number(&program, FILE_MAX);
		break;
	case 3:
		names->sh_offset = fake_program_number(&program, FILE_MAX);
		break;
	case 4:
		list->sh_name = fake_program_word(&program) % (NAMES_SIZE + 2);
		break;
	case 5:
		kernel->header.e_shoff = fake_program_number(&program, FILE_MAX);
		break;
	case 6:
		kernel->header.e_shnum = (uint16_t)fake_program_number(&program, 257);
		break;
	case 7:
		kernel->header.e_shstrndx = (uint16_t)fake_program_number(&program, SECTIONS_MAX);
		break;
	case 8:
		kernel->relocations[0] = fake_program_word(&program);
		break;
	default:
		break;
	}
}

/* Returns the size of the file in @bytes. */
static size_t make_kernel(uint8_t bytes[FILE_MAX])
{
	struct kernel_file kernel = { 0 };
	size_t size =
		sizeof(kernel) + fake_program_word(&program) % (FILE_MAX - sizeof(kernel) + 1);
	unsigned int nr = 1 + fake_program_byte(&program) % SEGMENTS_MAX;

	memset(bytes, 0x5a, size);
	kernel.header = (Elf64_Ehdr){
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_phoff = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = (uint16_t)nr,
	};
	for (unsigned int i = 0; i < nr; i++)
		kernel.segments[i] = make_segment(size);
	kernel.header.e_entry = kernel.segments[fake_program_byte(&program) % nr].p_paddr +
				fake_program_number(&program, 0x1000);
	if (fake_program_byte(&program) % 16 == 0)
		kernel.header.e_phoff = fake_program_number(&program, size);
	if (fake_program_byte(&program) % 16 == 0)
		kernel.header.e_phnum = (uint16_t)fake_program_number(&program, 33);
	if (fake_program_byte(&program) % 4)
		make_relocations(&kernel);
	memcpy(bytes, &kernel, sizeof(kernel));
	return size;
}

static void relocate(int fd)
{
	struct error err = { 0 };

	if (kernel_relocate(&memory, fd, "kernel", &err) < 0)
		BUG_ON(err.code <= 0 || !err.text[0]);
}

static void load_initramfs(int fd)
{
	gpa_t address = { ENTRY_UNTOUCHED };
	struct error err = { 0 };
	uint64_t size = 0;

	if (initramfs_load(&memory, fd, "initramfs", &address, &size, &err) < 0)
		BUG_ON(err.code <= 0 || !err.text[0]);
	else
		BUG_ON(!guest_memory_range(&memory, address, size) || !size);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	memset(guard_pattern, GUARD_BYTE, sizeof(guard_pattern));
	add_region(0, LOW_SIZE);
	add_region(GUEST_MEMORY_HIGH_BASE, HIGH_SIZE);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t bytes[FILE_MAX];
	gpa_t entry = { ENTRY_UNTOUCHED };
	struct error err = { 0 };
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	program = (struct fake_program){ data, size };
	if (fake_program_byte(&program) % 8) {
		size = make_kernel(bytes);
	} else {
		size = min_u64(program.len, sizeof(bytes));
		memcpy(bytes, program.bytes, size);
	}
	BUG_ON(fd < 0 || write(fd, bytes, size) != (ssize_t)size);
	if (kernel_image_load(&memory, fd, "kernel", &entry, &err) < 0)
		BUG_ON(err.code <= 0 || !err.text[0] || entry.raw != ENTRY_UNTOUCHED);
	else
		BUG_ON(entry.raw < LAYOUT_HIGH_RAM || entry.raw >= LOW_SIZE);
	relocate(fd);
	load_initramfs(fd);
	check_guards();
	forget_pages();
	(void)close(fd);
	return 0;
}
