/* SPDX-License-Identifier: Apache-2.0 */
/* test_kernel_image.c - a good kernel and initramfs are loaded, every wrong one is refused */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/boot/kernel_image.h"
#include "vmm/boot/memory_layout.h"

#define MIB UINT64_C(0x100000)
#define MEMORY_SIZE (64 * MIB)
#define PAGE UINT64_C(4096)
#define NR_SEGMENTS 2
#define TEXT (16 * MIB)
#define TEXT_SIZE (2 * PAGE)
#define DATA (TEXT + TEXT_SIZE + 0x10)
#define DATA_OFFSET (3 * PAGE + 0x10)
#define DATA_SIZE 100
#define FILE_TAIL 500 /* of something else, behind the last segment */
#define FILE_SIZE (DATA_OFFSET + DATA_SIZE + FILE_TAIL)

/* A kernel of two segments, the second with memory beyond its part of the file. */
struct kernel {
	Elf64_Ehdr header;
	Elf64_Phdr segments[NR_SEGMENTS];
};

static struct guest_memory memory;
static struct error err;
static gpa_t entry;

static struct kernel good_kernel(void)
{
	return (struct kernel){
		.header = {
			.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_entry = TEXT + 0x123,
			.e_phoff = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = NR_SEGMENTS,
		},
		.segments = {
			{ .p_type = PT_LOAD, .p_offset = PAGE, .p_paddr = TEXT,
			  .p_filesz = TEXT_SIZE, .p_memsz = TEXT_SIZE },
			{ .p_type = PT_LOAD, .p_offset = DATA_OFFSET, .p_paddr = DATA,
			  .p_filesz = DATA_SIZE, .p_memsz = 3 * PAGE },
		},
	};
}

/* The file: each byte behind the headers tells its place. */
static int make_file(const struct kernel *kernel, size_t size)
{
	static uint8_t bytes[FILE_SIZE];
	int fd = memfd_create("kernel", MFD_CLOEXEC);

	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(1 + i % 251);
	memcpy(bytes, kernel, sizeof(*kernel));
	if (fd < 0 || write(fd, bytes, size) != (ssize_t)size)
		perror("memfd");
	return fd;
}

static int load(const struct kernel *kernel, size_t size)
{
	int fd = make_file(kernel, size);
	int r;

	entry.raw = 0;
	err.text[0] = 0;
	r = kernel_image_load(&memory, fd, "vmlinux", &entry, &err);
	(void)close(fd);
	return r;
}

static uint8_t at(uint64_t address)
{
	uint8_t byte = 0;

	is_int(guest_memory_read(&memory, (gpa_t){ address }, &byte, 1), 0);
	return byte;
}

static void test_good(void)
{
	struct kernel kernel = good_kernel();

	is_int(load(&kernel, FILE_SIZE), 0);
	is_int(entry.raw, TEXT + 0x123);
	is_int(at(TEXT), 1 + PAGE % 251);
	is_int(at(TEXT + TEXT_SIZE - 1), 1 + (PAGE + TEXT_SIZE - 1) % 251);
	is_int(at(DATA), 1 + DATA_OFFSET % 251);
	is_int(at(DATA + DATA_SIZE - 1), 1 + (DATA_OFFSET + DATA_SIZE - 1) % 251);
	is_int(at(DATA + DATA_SIZE), 0); /* not what follows in the file */
	is_int(at(DATA + 2 * PAGE), 0);
	is_int(at(TEXT - 1), 0);
	kernel.header.e_type = ET_DYN;
	kernel.segments[1].p_type = PT_NOTE;
	kernel.segments[1].p_paddr = 1; /* not loaded, so not looked at */
	is_int(load(&kernel, FILE_SIZE), 0);
	/* Where the bytes lie in the file's pages does not matter. */
	kernel = good_kernel();
	kernel.segments[1].p_offset = DATA_OFFSET - 1;
	is_int(load(&kernel, FILE_SIZE), 0);
	is_int(at(DATA), 1 + (DATA_OFFSET - 1) % 251);
}

/* The guest writes into its own copy, never into the file that others share. */
static void test_private(void)
{
	struct kernel kernel = good_kernel();
	int fd = make_file(&kernel, FILE_SIZE);
	uint8_t byte = 0xee;

	is_int(kernel_image_load(&memory, fd, "vmlinux", &entry, &err), 0);
	is_int(guest_memory_write(&memory, (gpa_t){ TEXT }, &byte, 1), 0);
	is_int(pread(fd, &byte, 1, (off_t)PAGE), 1);
	is_int(byte, 1 + PAGE % 251);
	(void)close(fd);
}

static void refuse(const struct kernel *kernel, size_t size, const char *why)
{
	char want[200];

	(void)snprintf(want, sizeof(want), "'vmlinux' is not a kernel this monitor can start: %s",
		       why);
	is_int(load(kernel, size), -EINVAL);
	is_str(err.text, want);
	is_int(entry.raw, 0);
}

#define REFUSE(field, value, why)                                                                  \
	do {                                                                                       \
		struct kernel kernel_ = good_kernel();                                             \
		kernel_.field = (value);                                                           \
		refuse(&kernel_, FILE_SIZE, why);                                                  \
	} while (0)

static void test_bad_header(void)
{
	static const char no_elf[] = "it is no ELF file (an uncompressed vmlinux)";
	static const char no_headers[] = "it has no usable program headers";
	static const char outside[] = "its program headers lie outside the file";
	struct kernel kernel = good_kernel();

	for (size_t i = 0; i < SELFMAG; i++)
		REFUSE(header.e_ident[i], 0, no_elf);
	REFUSE(header.e_ident[EI_CLASS], ELFCLASS32, "it is not for x86-64");
	REFUSE(header.e_ident[EI_DATA], ELFDATA2MSB, "it is not for x86-64");
	REFUSE(header.e_machine, EM_AARCH64, "it is not for x86-64");
	REFUSE(header.e_type, ET_REL, "it is not an executable");
	REFUSE(header.e_type, ET_CORE, "it is not an executable");
	REFUSE(header.e_phentsize, sizeof(Elf64_Phdr) - 1, no_headers);
	REFUSE(header.e_phnum, 0, no_headers);
	REFUSE(header.e_phnum, 33, no_headers);
	REFUSE(header.e_phnum, UINT16_MAX, no_headers);
	REFUSE(header.e_phoff, FILE_SIZE - 10, outside);
	REFUSE(header.e_phoff, INT64_MAX, outside);
	REFUSE(header.e_phoff, UINT64_MAX, outside);
	refuse(&kernel, 0, no_elf);
	refuse(&kernel, sizeof(Elf64_Ehdr) - 1, no_elf);
	refuse(&kernel, sizeof(Elf64_Ehdr), outside);
	refuse(&kernel, sizeof(kernel) - 1, outside);
	refuse(&kernel, DATA_OFFSET + DATA_SIZE - 1, "a segment lies outside the file");
}

static void test_bad_segments(void)
{
	static const char no_file[] = "a segment lies outside the file";
	static const char no_ram[] = "a segment lies outside of RAM";
	static const char no_entry[] = "its entry point lies in no segment";

	REFUSE(segments[1].p_offset, FILE_SIZE + 0x10, no_file);
	REFUSE(segments[1].p_offset, UINT64_MAX - 0xfef, no_file);
	REFUSE(segments[1].p_filesz, DATA_SIZE + FILE_TAIL + 1, no_file);
	REFUSE(segments[1].p_filesz, UINT64_MAX, no_file);
	REFUSE(segments[1].p_filesz, UINT64_MAX - DATA_OFFSET + 1, no_file); /* wraps to 0 */
	REFUSE(segments[1].p_memsz, DATA_SIZE - 1, no_file);
	REFUSE(segments[0].p_paddr, LAYOUT_HIGH_RAM - PAGE, no_ram);
	REFUSE(segments[0].p_paddr, 0, no_ram);
	REFUSE(segments[0].p_paddr, GUEST_MEMORY_LOW_LIMIT - PAGE, no_ram);
	REFUSE(segments[0].p_paddr, GUEST_MEMORY_HIGH_BASE, no_ram);
	REFUSE(segments[0].p_paddr, UINT64_MAX - PAGE + 1, no_ram); /* its end wraps to TEXT_SIZE */
	REFUSE(segments[1].p_memsz, UINT64_MAX, no_ram);
	REFUSE(segments[1].p_memsz, UINT64_MAX - DATA + 1, no_ram);
	REFUSE(header.e_entry, TEXT - 1, no_entry);
	REFUSE(header.e_entry, TEXT + TEXT_SIZE, no_entry);
	REFUSE(header.e_entry, DATA + DATA_SIZE, no_entry); /* zeroes are no program */
	REFUSE(header.e_entry, UINT64_MAX, no_entry);
}

/* The last byte of RAM may be used, the next one not. */
static void test_edges_of_memory(void)
{
	struct kernel kernel = good_kernel();

	kernel.segments[0].p_paddr = LAYOUT_HIGH_RAM;
	kernel.header.e_entry = LAYOUT_HIGH_RAM + TEXT_SIZE - 1;
	is_int(load(&kernel, FILE_SIZE), 0);
	kernel = good_kernel();
	kernel.segments[1].p_memsz = MEMORY_SIZE - DATA;
	is_int(load(&kernel, FILE_SIZE), 0);
	kernel.segments[1].p_memsz++;
	is_int(load(&kernel, FILE_SIZE), -EINVAL);
	is_str(err.text, "the kernel 'vmlinux' does not fit into the VM's memory");
	kernel = good_kernel();
	kernel.segments[1].p_filesz = 0;
	kernel.segments[1].p_memsz = 0;
	is_int(load(&kernel, FILE_SIZE), 0);
}

static void test_no_file(void)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	is_int(kernel_image_load(&memory, fd, "/", &entry, &err), -EINVAL);
	is_int(kernel_image_load(&memory, -1, "none", &entry, &err), -EBADF);
	(void)close(fd);
}

static void test_initramfs(void)
{
	static const char content[PAGE + 5] = "first";
	int fd = memfd_create("initramfs", MFD_CLOEXEC);
	gpa_t address = { 7 };
	uint64_t size = 7;

	is_int(initramfs_load(&memory, fd, "empty", &address, &size, &err), -EINVAL);
	ok(address.raw == 7 && size == 7);
	ok(write(fd, content, sizeof(content)) == (ssize_t)sizeof(content));
	ok(pwrite(fd, "!", 1, (off_t)sizeof(content) - 1) == 1);
	is_int(initramfs_load(&memory, fd, "initramfs", &address, &size, &err), 0);
	is_int(size, sizeof(content));
	is_int(address.raw, MEMORY_SIZE - 2 * PAGE);
	is_int(at(address.raw), 'f');
	is_int(at(address.raw + size - 1), '!');
	is_int(at(MEMORY_SIZE - 1), 0);
	ok(ftruncate(fd, (off_t)(MEMORY_SIZE / 2)) == 0);
	is_int(initramfs_load(&memory, fd, "half", &address, &size, &err), 0);
	ok(ftruncate(fd, (off_t)(MEMORY_SIZE / 2 + 1)) == 0);
	is_int(initramfs_load(&memory, fd, "large", &address, &size, &err), -EINVAL);
	is_str(err.text, "the initramfs 'large' does not fit into the VM's memory");
	(void)close(fd);
	is_int(initramfs_load(&memory, -1, "none", &address, &size, &err), -EBADF);
}

int main(void)
{
	is_int(guest_memory_init(&memory, MEMORY_SIZE, &err), 0);
	test_good();
	test_private();
	test_bad_header();
	test_bad_segments();
	test_edges_of_memory();
	test_no_file();
	test_initramfs();
	guest_memory_fini(&memory);
	return tap_done();
}
