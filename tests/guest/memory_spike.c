/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory_spike.c - use memory: memory_spike touch MIB, or hold MIB
 *
 * `touch` writes to every page, in an order without neighbours, checks that new pages are empty and
 * written ones keep what they have, and ends. `hold` gives every second page back at once, so that
 * free memory lies in pieces, says "held", and for each line of its input whether all that it kept
 * is as it was.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define PAGE_SIZE 4096u
#define STRIDE 7919u /* a prime: no number of pages below is a multiple of it */

static uint64_t word_of(size_t page, size_t word)
{
	return (page * PAGE_SIZE + word) * UINT64_C(0x9e3779b97f4a7c15);
}

static void write_page(uint8_t *memory, size_t page)
{
	uint64_t *words = (uint64_t *)(void *)(memory + page * PAGE_SIZE);

	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		words[i] = word_of(page, i);
}

static int is_empty(const uint8_t *memory, size_t page)
{
	static const uint8_t nothing[PAGE_SIZE];

	return memcmp(memory + page * PAGE_SIZE, nothing, PAGE_SIZE) == 0;
}

static int is_intact(const uint8_t *memory, size_t page)
{
	const uint64_t *words = (const uint64_t *)(const void *)(memory + page * PAGE_SIZE);

	for (size_t i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		if (words[i] != word_of(page, i))
			return 0;
	return 1;
}

static int touch(uint8_t *memory, size_t nr_pages)
{
	size_t nr_full = 0, nr_damaged = 0;

	for (size_t i = 0; i < nr_pages; i++) {
		size_t page = i * STRIDE % nr_pages;

		nr_full += !is_empty(memory, page);
		write_page(memory, page);
	}
	for (size_t i = 0; i < nr_pages; i++)
		nr_damaged += !is_intact(memory, i);
	printf("touched %zu pages: %zu not empty, %zu damaged\n", nr_pages, nr_full, nr_damaged);
	return nr_full || nr_damaged;
}

static int hold(uint8_t *memory, size_t nr_pages)
{
	char line[16];

	for (size_t i = 0; i < nr_pages; i++)
		write_page(memory, i);
	for (size_t i = 0; i < nr_pages; i += 2)
		if (madvise(memory + i * PAGE_SIZE, PAGE_SIZE, MADV_DONTNEED))
			return 1;
	puts("held");
	while (fgets(line, sizeof(line), stdin)) {
		size_t nr_damaged = 0;

		for (size_t i = 0; i < nr_pages; i++)
			nr_damaged += i % 2 ? !is_intact(memory, i) : !is_empty(memory, i);
		printf("%zu pages: %zu damaged\n", nr_pages, nr_damaged);
	}
	return 0;
}

int main(int argc, char **argv)
{
	size_t size = argc == 3 ? (size_t)strtoul(argv[2], NULL, 10) << 20 : 0;
	uint8_t *memory =
		size ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
		     : MAP_FAILED;

	if (memory == MAP_FAILED) {
		fputs("usage: memory_spike touch|hold MIB\n", stderr);
		return 2;
	}
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (strcmp(argv[1], "touch") == 0)
		return touch(memory, size / PAGE_SIZE);
	return hold(memory, size / PAGE_SIZE);
}
