/* SPDX-License-Identifier: Apache-2.0 */
/* fuse.h - requests to the file server through the fs device, as wrong as the caller makes them */
#pragma once

#include <linux/fuse.h>
#include <stdbool.h>
#include <stdint.h>

#define FUSE_CALL_BYTES 8192 /* room for a request, and for an answer */
#define FUSE_NO_ANSWER 1     /* what fuse_call() returns when there is none */

/*
 * A request that is being put together: the bytes from request.bytes on, header included, are sent
 * as they are.
 */
struct fuse_call {
	uint8_t bytes[FUSE_CALL_BYTES];
	uint32_t len;
};

/* Begin a request; its header says what is added later. */
void fuse_prepare(struct fuse_call *call, uint32_t opcode, uint64_t node);

/* Add arguments, or a name with its NUL. */
void fuse_add(struct fuse_call *call, const void *bytes, uint32_t len);
void fuse_add_name(struct fuse_call *call, const char *name);

/*
 * Send it. Returns 0, the negative errno value in the answer, or FUSE_NO_ANSWER. What follows the
 * header of the answer is at fuse_answer() until the next call.
 */
int fuse_call(struct fuse_call *call);
const void *fuse_answer(void);
uint32_t fuse_answer_len(void);

/* Whether any answer so far held bytes of the host's file that no guest may read. */
bool fuse_has_seen_canary(void);
#define FUSE_CANARY "CANARY"

/* Without setting the length in the header. */
int fuse_call_as_is(const struct fuse_call *call, uint32_t readable, uint32_t writable);

/* FUSE_INIT: a session begins. */
bool fuse_begin(void);

/* Whether the root is a directory. */
bool fuse_answers(void);

/* A request of arguments and a name, either of which may be absent (NULL). */
int fuse_do(uint32_t opcode, uint64_t node, const void *arguments, uint32_t len, const char *name);

/* Look up @name in directory @parent. Returns 0 and its node, or like fuse_call(). */
int fuse_look_up(uint64_t parent, const char *name, struct fuse_entry_out *ret_entry);
