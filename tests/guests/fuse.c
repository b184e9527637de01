/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/guests/fuse.h"

#include "tests/guests/device.h"
#include "tests/guests/runtime.h"

#define TYPE_MASK 0170000u
#define TYPE_DIRECTORY 0040000u

static struct fuse_call own_call;
static uint8_t answer[FUSE_CALL_BYTES] __attribute__((aligned(4096)));
static uint32_t answer_len;
static uint64_t unique;
static bool has_seen_canary;

void fuse_prepare(struct fuse_call *call, uint32_t opcode, uint64_t node)
{
	struct fuse_in_header header = { .opcode = opcode, .unique = ++unique, .nodeid = node };

	call->len = 0;
	fuse_add(call, &header, sizeof(header));
}

void fuse_add(struct fuse_call *call, const void *bytes, uint32_t len)
{
	memcpy(call->bytes + call->len, bytes, len);
	call->len += len;
}

void fuse_add_name(struct fuse_call *call, const char *name)
{
	fuse_add(call, name, (uint32_t)strlen(name) + 1);
}

static void look_for_canary(uint32_t len)
{
	static const char canary[] = FUSE_CANARY;

	for (uint32_t i = 0; i + sizeof(canary) - 1 <= len && i < sizeof(answer); i++)
		if (answer[i] == canary[0] && memcmp(answer + i, canary, sizeof(canary) - 1) == 0)
			has_seen_canary = true;
}

bool fuse_has_seen_canary(void)
{
	return has_seen_canary;
}

int fuse_call_as_is(const struct fuse_call *call, uint32_t readable, uint32_t writable)
{
	struct device *device = &devices[DEVICE_FS];
	struct fuse_out_header header;
	uint32_t written;

	memset(answer, 0, sizeof(header));
	answer_len = 0;
	if (!device_request(device, device->main_queue, call->bytes, readable, answer, writable,
			    &written) ||
	    written < sizeof(header))
		return FUSE_NO_ANSWER;
	memcpy(&header, answer, sizeof(header));
	if (header.unique != ((const struct fuse_in_header *)call->bytes)->unique ||
	    header.len != written)
		return FUSE_NO_ANSWER;
	look_for_canary(written);
	answer_len = header.len - (uint32_t)sizeof(header);
	return header.error;
}

int fuse_call(struct fuse_call *call)
{
	((struct fuse_in_header *)call->bytes)->len = call->len;
	return fuse_call_as_is(call, call->len, sizeof(answer));
}

const void *fuse_answer(void)
{
	return answer + sizeof(struct fuse_out_header);
}

uint32_t fuse_answer_len(void)
{
	return answer_len;
}

bool fuse_begin(void)
{
	struct fuse_init_in in = { .major = FUSE_KERNEL_VERSION,
				   .minor = FUSE_KERNEL_MINOR_VERSION };

	fuse_prepare(&own_call, FUSE_INIT, 0);
	fuse_add(&own_call, &in, sizeof(in));
	return fuse_call(&own_call) == 0;
}

bool fuse_answers(void)
{
	struct fuse_getattr_in in = { .getattr_flags = 0 };
	const struct fuse_attr_out *out = fuse_answer();

	fuse_prepare(&own_call, FUSE_GETATTR, FUSE_ROOT_ID);
	fuse_add(&own_call, &in, sizeof(in));
	return fuse_call(&own_call) == 0 && (out->attr.mode & TYPE_MASK) == TYPE_DIRECTORY;
}

int fuse_do(uint32_t opcode, uint64_t node, const void *arguments, uint32_t len, const char *name)
{
	fuse_prepare(&own_call, opcode, node);
	if (arguments)
		fuse_add(&own_call, arguments, len);
	if (name)
		fuse_add_name(&own_call, name);
	return fuse_call(&own_call);
}

int fuse_look_up(uint64_t parent, const char *name, struct fuse_entry_out *ret_entry)
{
	int r = fuse_do(FUSE_LOOKUP, parent, NULL, 0, name);

	if (r == 0)
		memcpy(ret_entry, fuse_answer(), sizeof(*ret_entry));
	/* Node 0: there is none. */
	return r == 0 && !ret_entry->nodeid ? -2 : r;
}
