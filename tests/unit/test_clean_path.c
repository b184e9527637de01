/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>

#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/oci/clean_path.h"

int main(void)
{
	static const struct {
		const char *base, *path, *want;
	} cases[] = {
		{ "/", "/", "/" },
		{ "/", "", "/" },
		{ "/", "a", "/a" },
		{ "/b", "", "/b" },
		{ "/b", ".", "/b" },
		{ "/b/", "a//c/", "/b/a/c" },
		{ "/b", "/a", "/a" },
		{ "/b/c", "../a", "/b/a" },
		{ "/b/c", "../../../a", "/a" },
		{ "/", "/..", "/" },
		{ "/", "/../..//a/./b/../c", "/a/c" },
		{ "/", "/a/..", "/" },
		{ "/", "/...", "/..." },
		{ "/", "/..a/.b", "/..a/.b" },
		{ "/", "/a/b/..", "/a" },
		{ "//x//", "y", "/x/y" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		char *clean = clean_path(cases[i].base, cases[i].path);

		is_str(clean, cases[i].want);
		free(clean);
	}
	return tap_done();
}
