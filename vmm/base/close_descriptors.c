/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/close_descriptors.h"

#include <stdlib.h>
#include <unistd.h>

#define FIRST_CLOSED 3

static int compare_descriptors(const void *a, const void *b)
{
	int left = *(const int *)a, right = *(const int *)b;

	return (left > right) - (left < right);
}

void close_descriptors_except(int *keep, size_t nr_keep)
{
	int next = FIRST_CLOSED;

	qsort(keep, nr_keep, sizeof(*keep), compare_descriptors);
	for (size_t i = 0; i < nr_keep; i++) {
		if (keep[i] < next)
			continue;
		if (keep[i] > next)
			(void)close_range((unsigned int)next, (unsigned int)keep[i] - 1, 0);
		next = keep[i] + 1;
	}
	(void)close_range((unsigned int)next, ~0u, 0);
}
