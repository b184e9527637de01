/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dirty_mapping FILE - fill a new file through a shared mapping, and end without writing it back
 *
 * The content is the same everywhere: it can be compared with that of another run.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (1024 * 1024 + 100) /* the last page is not full */

int main(int argc, char **argv)
{
	uint8_t *map;
	int fd;

	if (argc != 2) {
		(void)fprintf(stderr, "usage: dirty_mapping FILE\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || ftruncate(fd, SIZE) < 0) {
		perror(argv[1]);
		return 1;
	}
	map = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (map == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	for (uint32_t index = 0; index < SIZE; index++)
		map[index] = (uint8_t)(index * 2654435761U >> 24);
	_exit(0);
}
