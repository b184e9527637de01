/* SPDX-License-Identifier: Apache-2.0 */
/* clean_path.h - path names made absolute and plain, without looking at any file */
#pragma once

/*
 * @path as seen from @base when it is relative (@base is absolute): absolute, one slash between
 * components, "." and ".." worked out by their letters ("/.." is "/"), no slash at the end but
 * for "/" itself. Heap text of the caller's, or NULL without memory.
 */
char *clean_path(const char *base, const char *path);
