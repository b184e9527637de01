/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template_key.h - all that a template depends on, as text
 *
 * The first lines are the place: which files and which size of machine somebody asks for. A place
 * has one template at most, whose name is a hash of these lines. The other lines say what was found
 * there: the files themselves, host, processor. A template is used where all lines are the same.
 *
 * What is in use for the same place changes by an upgrade, by another kernel in the old one's file,
 * by the host's next boot: then the template is stale.
 *
 * Thread: any.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "vmm/base/error.h"

#define TEMPLATE_NAME_SIZE 17 /* 16 hex digits */
#define TEMPLATE_KEY_MAX 16384

/* Descriptors are borrowed. */
struct template_needs {
	const char *build; /* version and commit of this program */
	int kernel_fd, initramfs_fd;
	uint64_t memory_bytes;
	unsigned int nr_vcpus;
	bool is_debug;	    /* the guest's kernel is not quiet */
	uint64_t processor; /* processor_identity() */
};

struct template_key {
	char name[TEMPLATE_NAME_SIZE];
	char *text; /* heap */
};

/* The key for @needs, on this host, now; template_key_clear() releases it. */
int template_key_make(struct template_key *key, const struct template_needs *needs,
		      struct error *err);
void template_key_clear(struct template_key *key);

/*
 * What a key's @text says of the machine. Returns 0, or -EINVAL when it does not: it is not one of
 * template_key_make().
 */
int template_key_read_size(const char *text, uint64_t *ret_memory_bytes,
			   unsigned int *ret_nr_vcpus);

/*
 * The first line in which @text differs from @wanted, or NULL; what is before the first space of it
 * is a word for what has changed.
 */
const char *template_key_difference(const char *text, const char *wanted);

/*
 * Whether the files that @text names are no longer those that it describes, or the host has booted
 * since: then nobody will ask for the template again. *@ret_word is a word for what has changed.
 */
bool template_key_is_outdated(const char *text, const char **ret_word);

/* The name that belongs to @text. */
void template_key_name(const char *text, char ret_name[TEMPLATE_NAME_SIZE]);

/* Whether it may be a template's name. */
bool template_name_is_valid(const char *name);
