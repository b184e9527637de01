/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/kernel_image.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/boot/memory_layout.h"

#define PAGE_SIZE UINT64_C(4096)
#define PROGRAM_HEADERS_MAX 32

static int not_a_kernel(struct error *err, const char *path, const char *why)
{
	return error_invalid(err, "'%s' is not a kernel this monitor can start: %s", path, why);
}

/* Read @len bytes of @fd from @offset into guest memory at @host. */
static int load(uint8_t *host, uint64_t len, int fd, uint64_t offset, const char *path,
		struct error *err)
{
	while (len > 0) {
		ssize_t n = pread(fd, host, len, (off_t)offset);

		if (n < 0)
			return error_set(err, errno, "read '%s'", path);
		if (n == 0)
			return error_invalid(err, "'%s' became shorter while it was read", path);
		host += n;
		offset += (uint64_t)n;
		len -= (uint64_t)n;
	}
	return 0;
}

static int load_segment(const struct guest_memory *memory, int fd, const char *path,
			const Elf64_Phdr *header, uint64_t file_size, struct error *err)
{
	uint8_t *host;

	if (!range_fits(header->p_offset, header->p_filesz, file_size) ||
	    header->p_filesz > header->p_memsz)
		return not_a_kernel(err, path, "a segment lies outside the file");
	if (header->p_paddr < LAYOUT_HIGH_RAM ||
	    !range_fits(header->p_paddr, header->p_memsz, GUEST_MEMORY_LOW_LIMIT))
		return not_a_kernel(err, path, "a segment lies outside of RAM");
	host = guest_memory_range(memory, (gpa_t){ header->p_paddr }, header->p_memsz);
	if (!host)
		return error_invalid(err, "the kernel '%s' does not fit into the VM's memory",
				     path);
	/* Nearly all of it is written anyway, by relocation and by the kernel to itself. */
	guest_memory_prefer_huge_pages(memory, (gpa_t){ header->p_paddr }, header->p_memsz);
	return load(host, header->p_filesz, fd, header->p_offset, path, err);
}

static int check_header(const Elf64_Ehdr *header, const char *path, struct error *err)
{
	if (memcmp(header->e_ident, ELFMAG, SELFMAG) != 0)
		return not_a_kernel(err, path, "it is no ELF file (an uncompressed vmlinux)");
	if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
	    header->e_machine != EM_X86_64)
		return not_a_kernel(err, path, "it is not for x86-64");
	if (header->e_type != ET_EXEC && header->e_type != ET_DYN)
		return not_a_kernel(err, path, "it is not an executable");
	if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
	    header->e_phnum > PROGRAM_HEADERS_MAX)
		return not_a_kernel(err, path, "it has no usable program headers");
	return 0;
}

/* pread() of exactly @len bytes; false when the file ends before. */
static bool read_at(int fd, void *data, size_t len, uint64_t offset)
{
	return offset <= INT64_MAX && pread(fd, data, len, (off_t)offset) == (ssize_t)len;
}

int kernel_image_load(const struct guest_memory *memory, int fd, const char *path, gpa_t *ret_entry,
		      struct error *err)
{
	Elf64_Phdr segments[PROGRAM_HEADERS_MAX];
	bool entry_is_loaded = false;
	Elf64_Ehdr header;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "stat '%s'", path);
	if (!S_ISREG(st.st_mode) || !read_at(fd, &header, sizeof(header), 0))
		return not_a_kernel(err, path, "it is no ELF file (an uncompressed vmlinux)");
	r = check_header(&header, path, err);
	if (r < 0)
		return r;
	if (!read_at(fd, segments, header.e_phnum * sizeof(segments[0]), header.e_phoff))
		return not_a_kernel(err, path, "its program headers lie outside the file");
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		const Elf64_Phdr *segment = &segments[i];

		if (segment->p_type != PT_LOAD)
			continue;
		r = load_segment(memory, fd, path, segment, (uint64_t)st.st_size, err);
		if (r < 0)
			return r;
		if (header.e_entry >= segment->p_paddr &&
		    header.e_entry - segment->p_paddr < segment->p_filesz)
			entry_is_loaded = true;
	}
	if (!entry_is_loaded)
		return not_a_kernel(err, path, "its entry point lies in no segment");
	if (header.e_entry >= LAYOUT_IDENTITY_SIZE)
		return not_a_kernel(err, path, "its entry point lies too high");
	ret_entry->raw = header.e_entry;
	return 0;
}

uint64_t kernel_image_end(int fd)
{
	Elf64_Phdr segments[PROGRAM_HEADERS_MAX];
	Elf64_Ehdr header;
	uint64_t end = 0;

	if (!read_at(fd, &header, sizeof(header), 0) || header.e_phnum > ARRAY_SIZE(segments) ||
	    !read_at(fd, segments, header.e_phnum * sizeof(segments[0]), header.e_phoff))
		return 0;
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		const Elf64_Phdr *segment = &segments[i];

		if (segment->p_type == PT_LOAD &&
		    range_fits(segment->p_paddr, segment->p_memsz, GUEST_MEMORY_LOW_LIMIT) &&
		    segment->p_paddr + segment->p_memsz > end)
			end = segment->p_paddr + segment->p_memsz;
	}
	return end;
}

int initramfs_load(const struct guest_memory *memory, int fd, const char *path, gpa_t *ret_address,
		   uint64_t *ret_size, struct error *err)
{
	uint64_t low_end = memory->regions[0].size;
	uint64_t room, size;
	struct stat st;
	uint8_t *host;
	int r;

	if (fstat(fd, &st) < 0)
		return error_set(err, errno, "stat '%s'", path);
	if (!S_ISREG(st.st_mode) || st.st_size == 0)
		return error_invalid(err, "'%s' is not an initramfs: it is empty or no file", path);
	size = (uint64_t)st.st_size;
	room = align_up(size, PAGE_SIZE);
	if (room > low_end / 2)
		return error_invalid(err, "the initramfs '%s' does not fit into the VM's memory",
				     path);
	ret_address->raw = low_end - room;
	host = guest_memory_range(memory, *ret_address, room);
	if (!host)
		return error_set(err, EFAULT, "place the initramfs");
	r = load(host, size, fd, 0, path, err);
	if (!r)
		*ret_size = size;
	return r;
}
