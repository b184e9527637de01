/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/file_server/fuse_message.h"

#include <errno.h>
#include <string.h>

#include "vmm/base/checked_math.h"

void fuse_copy_in(void *copy, const uint8_t *shared, size_t len)
{
	memcpy(copy, shared, len);
	/*
	 * Without this the compiler may drop the copy and load from @shared wherever @copy is used:
	 * the same value twice to it, two different ones to an attacker between the loads.
	 */
	__asm__ volatile("" : : "r"(copy) : "memory");
}

static void skip(struct fuse_request *request, size_t len)
{
	request->bytes += len;
	request->left -= len;
}

int fuse_request_take(struct fuse_request *request, void *copy, size_t len)
{
	if (len > request->left)
		return -EINVAL;
	fuse_copy_in(copy, request->bytes, len);
	skip(request, len);
	return 0;
}

const uint8_t *fuse_request_take_data(struct fuse_request *request, size_t len)
{
	const uint8_t *data = request->bytes;

	if (len > request->left)
		return NULL;
	skip(request, len);
	return data;
}

int fuse_request_take_string(struct fuse_request *request, char *copy, size_t size)
{
	size_t copied = min_u64(request->left, size);
	size_t len;

	if (copied == 0)
		return -EINVAL;
	fuse_copy_in(copy, request->bytes, copied);
	len = strnlen(copy, copied);
	if (len == copied)
		return copied == size ? -ENAMETOOLONG : -EINVAL;
	skip(request, len + 1);
	return len == 0 ? -EINVAL : 0;
}

int fuse_request_take_name(struct fuse_request *request, char copy[NAME_MAX + 1])
{
	int ret = fuse_request_take_string(request, copy, NAME_MAX + 1);

	if (ret < 0)
		return ret;
	if (strchr(copy, '/') || !strcmp(copy, ".") || !strcmp(copy, ".."))
		return -EINVAL;
	return 0;
}

size_t fuse_reply_left(const struct fuse_reply *reply)
{
	return reply->size - reply->len;
}

int fuse_reply_append(struct fuse_reply *reply, const void *bytes, size_t len)
{
	if (len > fuse_reply_left(reply))
		return -ERANGE;
	memcpy(reply->payload + reply->len, bytes, len);
	reply->len += len;
	return 0;
}
