/* SPDX-License-Identifier: Apache-2.0 */
/*
 * malformed_configs.h - bundles whose config.json must be refused, and the words of the refusal
 *
 * A bundle is a directory with rootfs/, volume/, notes.txt and socket, and a config.json made
 * from one that is good. Used in the process by test_malformed_configs, and written to disk by the
 * same program for tests of the real command line.
 */
#pragma once

#include <stddef.h>

struct malformed_config {
	/* What to change: JSON merged into the good one, ' standing for "; null removes. */
	const char *change;
	const char *expect; /* in the error text, after "config.json: " unless it is no field */
	/* Instead of a change: the whole content, or a file that is none. */
	enum {
		MALFORMED_FIELD,
		MALFORMED_TEXT,	     /* change is all of config.json, ' being itself */
		MALFORMED_NUL,	     /* a NUL byte after the good text */
		MALFORMED_TRUNCATED, /* the first half of the good text */
		MALFORMED_DEEP,	     /* arrays in arrays, 100000 of them */
		MALFORMED_HUGE,	     /* 16 MiB and one byte */
		MALFORMED_LONG_ENV,  /* an environment that no guest takes (good until planned) */
		MALFORMED_MISSING,
		MALFORMED_DIRECTORY,
		MALFORMED_FIFO,
	} kind;
};

extern const struct malformed_config malformed_configs[];
extern const size_t nr_malformed_configs;

/* The good configuration. Heap text. */
char *good_config_text(void);

/* The good configuration with @change, in the form described above, merged in. Heap text. */
char *changed_config_text(const char *change);

/* Fill the empty directory @dir_fd with the bundle of @config. Returns 0 or -1. */
int malformed_config_write(const struct malformed_config *config, int dir_fd);

/* The files that every bundle has, without config.json. Returns 0 or -1. */
int bundle_files_write(int dir_fd);
