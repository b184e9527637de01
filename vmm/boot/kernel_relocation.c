/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/boot/kernel_relocation.h"

#include <elf.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/boot/kernel_image.h"
#include "vmm/boot/memory_layout.h"

#define RELOCATION_SECTION ".bulkhead.relocs"
#define RELOCATION_SIZE_MAX (UINT32_C(8) << 20)
#define SECTIONS_MAX 256
#define SECTION_NAMES_MAX 16384

/* The kernel's part of the address space: 1 GiB, linked so that its start is physical 0. */
#define KERNEL_MAP_START UINT64_C(0xffffffff80000000)
#define KERNEL_MAP_SIZE (UINT64_C(1) << 30)
#define KERNEL_ALIGNMENT (UINT64_C(2) << 20)

/* Lists of places to change, in the order in which they come from the section's end. */
enum relocation_kind { ADD_32, SUBTRACT_32, ADD_64, NR_RELOCATION_KINDS };

static int malformed(struct error *err, const char *path, const char *what)
{
	return error_invalid(err, "'%s' cannot be relocated: %s", path, what);
}

static bool read_at(int fd, void *data, size_t len, uint64_t offset)
{
	return offset <= INT64_MAX && pread(fd, data, len, (off_t)offset) == (ssize_t)len;
}

/* Find the section. Returns 1 and its place in the file, 0 when there is none. */
static int find_section(int fd, const char *path, uint64_t *ret_offset, uint64_t *ret_size,
			struct error *err)
{
	AUTO_FREE Elf64_Shdr *sections = calloc(SECTIONS_MAX, sizeof(*sections));
	AUTO_FREE char *names = calloc(1, SECTION_NAMES_MAX + 1);
	const Elf64_Shdr *strings;
	Elf64_Ehdr header;

	if (!sections || !names)
		return error_set(err, ENOMEM, "relocate '%s'", path);
	if (!read_at(fd, &header, sizeof(header), 0) || header.e_shnum == 0)
		return 0;
	if (header.e_shentsize != sizeof(*sections) || header.e_shnum > SECTIONS_MAX ||
	    header.e_shstrndx >= header.e_shnum ||
	    !read_at(fd, sections, header.e_shnum * sizeof(*sections), header.e_shoff))
		return malformed(err, path, "its section headers are damaged");
	strings = &sections[header.e_shstrndx];
	if (strings->sh_size > SECTION_NAMES_MAX ||
	    !read_at(fd, names, strings->sh_size, strings->sh_offset))
		return malformed(err, path, "its section names are damaged");
	for (unsigned int i = 0; i < header.e_shnum; i++) {
		if (sections[i].sh_name >= strings->sh_size ||
		    strcmp(names + sections[i].sh_name, RELOCATION_SECTION) != 0)
			continue;
		*ret_offset = sections[i].sh_offset;
		*ret_size = sections[i].sh_size;
		return 1;
	}
	return 0;
}

/*
 * The image as one range: there are so many places that looking each of them up in guest memory
 * shows in the time of a start.
 */
struct image_range {
	uint8_t *host;
	uint64_t start; /* virtual address, as linked */
	uint64_t size;
};

/* Inlined where @kind is a constant. */
static inline bool relocate_one(const struct image_range *image, enum relocation_kind kind,
				uint32_t place, uint64_t offset)
{
	uint64_t at = (uint64_t)(int64_t)(int32_t)place - image->start;
	uint64_t wide;
	uint32_t narrow;

	if (!range_fits(at, kind == ADD_64 ? sizeof(wide) : sizeof(narrow), image->size))
		return false;
	if (kind == ADD_64) {
		memcpy(&wide, image->host + at, sizeof(wide));
		wide += offset;
		memcpy(image->host + at, &wide, sizeof(wide));
		return true;
	}
	memcpy(&narrow, image->host + at, sizeof(narrow));
	narrow += (uint32_t)(kind == SUBTRACT_32 ? -offset : offset);
	memcpy(image->host + at, &narrow, sizeof(narrow));
	return true;
}

static int relocate_all(const struct image_range *image, const uint32_t *places, size_t count,
			uint64_t offset, const char *path, struct error *err)
{
	unsigned int kind = ADD_32;

	for (size_t i = count; i > 0 && kind < NR_RELOCATION_KINDS; i--) {
		uint32_t place = places[i - 1];

		if (place == 0)
			kind++;
		else if (!relocate_one(image, (enum relocation_kind)kind, place, offset))
			return malformed(err, path, "a relocation lies outside of the kernel");
	}
	return 0;
}

static int choose_offset(uint64_t end, uint64_t *ret_offset, const char *path, struct error *err)
{
	uint64_t random;

	if (end <= LAYOUT_HIGH_RAM || end > KERNEL_MAP_SIZE)
		return malformed(err, path, "it does not lie in the first GiB");
	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return error_set(err, errno, "get random bytes");
	/* So many slots that the remainder's bias does not matter: 2^64 to a few hundred. */
	*ret_offset = random % ((KERNEL_MAP_SIZE - end) / KERNEL_ALIGNMENT + 1) * KERNEL_ALIGNMENT;
	return 0;
}

int kernel_relocate(const struct guest_memory *memory, int fd, const char *path, struct error *err)
{
	AUTO_FREE uint32_t *places = NULL;
	uint64_t file_offset = 0, size = 0, offset = 0;
	struct image_range image = { .start = KERNEL_MAP_START + LAYOUT_HIGH_RAM };
	uint64_t end = kernel_image_end(fd);
	int r = find_section(fd, path, &file_offset, &size, err);

	if (r <= 0)
		return r;
	if (size > RELOCATION_SIZE_MAX || size % sizeof(*places))
		return malformed(err, path, "its list of relocations has an impossible size");
	r = choose_offset(end, &offset, path, err);
	if (r < 0)
		return r;
	image.size = end - LAYOUT_HIGH_RAM; /* no segment lies below */
	image.host = guest_memory_range(memory, (gpa_t){ LAYOUT_HIGH_RAM }, image.size);
	if (!image.host)
		return malformed(err, path, "it does not lie in the VM's memory");
	places = malloc(size + 1);
	if (!places)
		return error_set(err, ENOMEM, "relocate '%s'", path);
	if (!read_at(fd, places, size, file_offset))
		return malformed(err, path, "its list of relocations lies outside the file");
	return relocate_all(&image, places, size / sizeof(*places), offset, path, err);
}
