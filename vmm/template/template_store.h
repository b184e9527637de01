/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template_store.h - where templates are kept: saved virtual machines that others go on from
 *
 *   DIRECTORY/NAME/memory   the machine's RAM, page by page; zero pages are holes
 *   DIRECTORY/NAME/state    header, key (template_key.h), and everything else of the machine
 *
 * A template is made in a directory whose name begins with a dot, and gets its own by one rename:
 * what has a NAME is complete, whoever was killed when. What a maker has left behind the next one
 * removes; makers exclude each other by a lock on the directory.
 *
 * The header has a checksum of the whole state file. It also has size, inode and ctime of the
 * memory file, which the kernel keeps: every later write, or copy, changes them (but a write in the
 * same tick of the host's clock). To read all of RAM would take longer than a start from it saves;
 * template_verify() does it, for `list`.
 *
 * Trust:  whoever can write there decides what every container's kernel does: the directory, and
 *         all in it, must be the caller's and nobody else may write to it. Otherwise nothing of it
 *         is used.
 * Thread: any, one at a time.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmm/base/error.h"
#include "vmm/template/template_key.h"

#define TEMPLATE_STATE_MAX ((size_t)4 << 20) /* bytes of the machine's state without RAM */
#define TEMPLATES_MAX 64u		     /* in one store */

struct template_store {
	int dir_fd;
	const char *path; /* the caller's */
};

struct template
{
	char name[TEMPLATE_NAME_SIZE];
	char *key;	/* text, heap */
	uint8_t *state; /* heap */
	size_t state_size;
	int memory_fd; /* read-only */
	uint64_t memory_size;
	uint32_t memory_sum;
	int64_t created; /* seconds since 1970 */
};

#define TEMPLATE_NONE ((struct template){ .memory_fd = -1 })

/*
 * Open the store in the directory @path, which is made when it is missing and @makes is true. A
 * missing one is -ENOENT otherwise; one that others can write to is -EPERM.
 */
int template_store_open(struct template_store *store, const char *path, bool makes,
			struct error *err);
void template_store_close(struct template_store *store);

/*
 * Keep other makers away until template_store_unlock(); -EBUSY when that takes longer than
 * @timeout_ms. What killed makers have left behind is removed.
 */
int template_store_lock(struct template_store *store, unsigned int timeout_ms, struct error *err);
void template_store_unlock(struct template_store *store);

/*
 * Find the template for @key. Returns 0 and fills *@ret, which template_clear() releases; -ENOENT
 * when there is none; -ESTALE when it is for something else that was there before; -EPERM when it
 * is not the caller's alone; another negative errno value when it is damaged.
 */
int template_find(const struct template_store *store, const struct template_key *key,
		  struct template *ret, struct error *err);

/* The same by name, for whatever key. */
int template_load(const struct template_store *store, const char *name, struct template *ret,
		  struct error *err);
void template_clear(struct template *template);

/* Read all of RAM: -EIO when it is not what was saved. */
int template_verify(const struct template *template, struct error *err);

/* Remove the template @name, or what is left of it; -ENOENT when there is none. With the lock. */
int template_remove(const struct template_store *store, const char *name, struct error *err);

/* A template that is being made. */
struct template_draft {
	int dir_fd;
	int memory_fd; /* all zeros, of the size that was asked for: for the maker to write */
};

/*
 * Begin a template of @memory_size bytes of RAM; template_draft_end() releases the draft, and
 * removes it if it was not published. With the lock, as the next one.
 */
int template_draft_begin(const struct template_store *store, uint64_t memory_size,
			 struct template_draft *draft, struct error *err);

/*
 * Give the draft, whose memory nobody writes to any more, its name. One that had the name before
 * goes. Takes the store's place for one more: -ENOSPC when it is full.
 */
int template_draft_publish(const struct template_store *store, struct template_draft *draft,
			   const struct template_key *key, const uint8_t *state, size_t state_size,
			   struct error *err);
void template_draft_end(const struct template_store *store, struct template_draft *draft);

/*
 * Call @visit for the name of each template, in no order. Returns 0, the first value of @visit that
 * is not 0, or a negative errno value.
 */
int template_store_visit(const struct template_store *store,
			 int (*visit)(void *context, const char *name, struct error *err),
			 void *context, struct error *err);
