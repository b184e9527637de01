/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/cli/size_argument.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int size_argument_parse(const char *text, int64_t *ret)
{
	static const char units[] = "kmgtp";
	char *end;
	long long number;
	unsigned int shift = 0;

	errno = 0;
	number = strtoll(text, &end, 10);
	if (end == text || errno || isspace((unsigned char)*text) || number < -1)
		return -EINVAL;
	if (*end && number >= 0) {
		const char *unit = strchr(units, tolower((unsigned char)*end));
		if (unit) {
			shift = 10 * (unsigned int)(unit - units + 1);
			end += 1 + (tolower((unsigned char)end[1]) == 'i');
		}
		end += tolower((unsigned char)*end) == 'b';
	}
	if (*end || number > INT64_MAX >> shift)
		return -EINVAL;
	*ret = number < 0 ? number : number << shift;
	return 0;
}
