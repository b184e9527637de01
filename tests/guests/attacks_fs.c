/* SPDX-License-Identifier: Apache-2.0 */
/* Requests to the file server with wrong headers, sizes, nodes and handles. */
#include <asm-generic/errno.h>
#include <linux/stat.h>

#include "tests/guests/attack.h"
#include "tests/guests/fuse.h"
#include "tests/guests/runtime.h"

#define LAST_OPCODE 60
#define NR_OPENS 300
#define NR_FLOOD 256
#define READ_WRITE 2u
#define LARGE (320 * 1024u) /* more than a slot of the file server's channel */

static struct fuse_call call;
static uint8_t large[LARGE] __attribute__((aligned(4096)));

/* --- headers: what becomes of the device ------------------------------------------------------ */

static void prepare_getattr(void)
{
	struct fuse_getattr_in in = { .getattr_flags = 0 };

	fuse_prepare(&call, FUSE_GETATTR, FUSE_ROOT_ID);
	fuse_add(&call, &in, sizeof(in));
}

static void send_with_length(struct device *device, uint32_t header_len, uint32_t readable)
{
	prepare_getattr();
	((struct fuse_in_header *)call.bytes)->len = header_len;
	ring_describe(device_main_ring(device), 0, (uintptr_t)call.bytes, readable, 0, 0);
	ring_offer(device_main_ring(device), 0);
	device_ring(device, device->main_queue);
}

static void length_beyond(struct device *device)
{
	send_with_length(device, 4096, 56);
}

static void length_below(struct device *device)
{
	send_with_length(device, 40, 56);
}

static void length_huge(struct device *device)
{
	send_with_length(device, UINT32_MAX, 56);
}

static void request_too_short(struct device *device)
{
	send_with_length(device, 39, 39);
}

static void request_of_nothing(struct device *device)
{
	ring_describe(device_main_ring(device), 0, (uintptr_t)large, 4096, VRING_DESC_F_WRITE, 0);
	ring_offer(device_main_ring(device), 0);
	device_ring(device, device->main_queue);
}

static void no_room(struct device *device)
{
	(void)device;
	for (uint32_t room = 0; room < 24; room += 5) {
		prepare_getattr();
		((struct fuse_in_header *)call.bytes)->len = call.len;
		(void)fuse_call_as_is(&call, call.len, room);
	}
}

static void too_large(struct device *device)
{
	struct fuse_in_header header = { .len = LARGE, .opcode = FUSE_WRITE, .nodeid = 1 };
	uint32_t written;

	memcpy(large, &header, sizeof(header));
	(void)device_request(device, device->main_queue, large, LARGE, call.bytes, 4096, &written);
}

/* A ring full of requests at once, without a stop. */
static void ring_full(struct device *device)
{
	const struct ring *ring = device_main_ring(device);
	uint32_t written;

	prepare_getattr();
	((struct fuse_in_header *)call.bytes)->len = call.len;
	for (unsigned int i = 0; i < NR_FLOOD / 2; i++) {
		ring_describe(ring, 2 * i, (uintptr_t)call.bytes, call.len, VRING_DESC_F_NEXT,
			      (uint16_t)(2 * i + 1));
		ring_describe(ring, 2 * i + 1, (uintptr_t)large + i * 128, 128, VRING_DESC_F_WRITE,
			      0);
		ring_offer(ring, (uint16_t)(2 * i));
	}
	device_ring(device, device->main_queue);
	for (unsigned int i = 0; i < NR_FLOOD / 2; i++)
		if (!ring_await(device_main_ring(device), &written))
			device_ring(device, UINT32_MAX);
}

static void reset_with_requests(struct device *device)
{
	const struct ring *ring = device_main_ring(device);

	for (unsigned int i = 0; i < 20; i++) {
		prepare_getattr();
		((struct fuse_in_header *)call.bytes)->len = call.len;
		ring_describe(ring, 0, (uintptr_t)call.bytes, call.len, VRING_DESC_F_NEXT, 1);
		ring_describe(ring, 1, (uintptr_t)large, 4096, VRING_DESC_F_WRITE, 0);
		ring_offer(ring, 0);
		device_ring(device, device->main_queue);
		device_start(device);
	}
}

/* --- requests: what the answers are ----------------------------------------------------------- */

/* Every operation, with nothing and with too much behind its header, for nodes that are none. */
static bool every_operation(void)
{
	static const uint64_t nodes[] = { 0, FUSE_ROOT_ID, 77, UINT64_C(1) << 32 | 1, UINT64_MAX };

	memset(large, 0xff, sizeof(large));
	for (uint32_t opcode = 0; opcode < LAST_OPCODE; opcode++)
		for (size_t i = 0; i < ARRAY_SIZE(nodes); i += 1 + opcode % 2) {
			(void)fuse_do(opcode, nodes[i], NULL, 0, NULL);
			(void)fuse_do(opcode, nodes[i], large, 4096, NULL);
		}
	return fuse_do(4096, 1, NULL, 0, NULL) == -ENOSYS &&
	       fuse_do(UINT32_MAX, 1, NULL, 0, NULL) == -ENOSYS;
}

static int init_version(uint32_t major, uint32_t minor)
{
	struct fuse_init_in in = { .major = major, .minor = minor, .flags = UINT32_MAX };

	return fuse_do(FUSE_INIT, 0, &in, sizeof(in), NULL);
}

static bool sessions(void)
{
	bool is_ok = init_version(FUSE_KERNEL_VERSION, 1) < 0 && init_version(6, 99) < 0 &&
		     init_version(UINT32_MAX, 0) == 0;

	is_ok &= !fuse_answers(); /* not begun */
	is_ok &= fuse_begin() && fuse_begin() && fuse_answers();
	is_ok &= fuse_do(FUSE_DESTROY, 0, NULL, 0, NULL) == 0 && !fuse_answers();
	return is_ok && fuse_begin();
}

static bool forged_handles(void)
{
	static const uint64_t forged[] = { 0, 1, 2, 77, UINT64_C(1) << 32 | 1, UINT64_MAX };
	bool is_ok = true;

	for (size_t i = 0; i < ARRAY_SIZE(forged); i++) {
		struct fuse_read_in read = { .fh = forged[i], .size = 4096 };
		struct fuse_write_in write = { .fh = forged[i] };
		struct fuse_release_in release = { .fh = forged[i] };
		struct fuse_fallocate_in allocate = { .fh = forged[i], .length = 1 };
		struct fuse_lseek_in seek = { .fh = forged[i], .whence = 4 };
		struct fuse_copy_file_range_in copy = { .fh_in = forged[i], .fh_out = forged[i] };

		is_ok &= fuse_do(FUSE_READ, 1, &read, sizeof(read), NULL) == -EBADF;
		is_ok &= fuse_do(FUSE_READDIR, 1, &read, sizeof(read), NULL) == -EBADF;
		is_ok &= fuse_do(FUSE_WRITE, 1, &write, sizeof(write), NULL) == -EBADF;
		is_ok &= fuse_do(FUSE_RELEASE, 1, &release, sizeof(release), NULL) == -EBADF;
		is_ok &= fuse_do(FUSE_RELEASEDIR, 1, &release, sizeof(release), NULL) == -EBADF;
		is_ok &= fuse_do(FUSE_FALLOCATE, 1, &allocate, sizeof(allocate), NULL) == -EBADF;
		is_ok &= fuse_do(FUSE_LSEEK, 1, &seek, sizeof(seek), NULL) == -EBADF;
		is_ok &= fuse_do(FUSE_COPY_FILE_RANGE, 1, &copy, sizeof(copy), NULL) == -EBADF;
	}
	return is_ok;
}

static bool forgotten_nodes(void)
{
	struct fuse_forget_in all = { .nlookup = UINT64_MAX };
	struct fuse_batch_forget_in batch = { .count = UINT32_MAX };
	struct fuse_open_in open = { .flags = 0 };
	struct fuse_setattr_in set = { .valid = FATTR_MODE, .mode = 0777 };
	struct fuse_entry_out entry;

	if (fuse_look_up(FUSE_ROOT_ID, "plain", &entry) != 0)
		return false;
	(void)fuse_do(FUSE_FORGET, entry.nodeid, &all, sizeof(all), NULL);
	(void)fuse_do(FUSE_FORGET, entry.nodeid, &all, sizeof(all), NULL);
	(void)fuse_do(FUSE_FORGET, FUSE_ROOT_ID, &all, sizeof(all), NULL);
	(void)fuse_do(FUSE_BATCH_FORGET, 0, &batch, sizeof(batch), "twenty bytes of text");
	return fuse_do(FUSE_OPEN, entry.nodeid, &open, sizeof(open), NULL) == -ESTALE &&
	       fuse_do(FUSE_SETATTR, entry.nodeid, &set, sizeof(set), NULL) == -ESTALE &&
	       fuse_do(FUSE_LOOKUP, entry.nodeid, NULL, 0, "plain") == -ESTALE && fuse_answers();
}

/* Returns the handle of "plain" of the root, 0 when it cannot be opened. */
static uint64_t open_plain(uint32_t flags)
{
	const struct fuse_open_out *out = fuse_answer();
	struct fuse_open_in open = { .flags = flags };
	struct fuse_entry_out entry;

	if (fuse_look_up(FUSE_ROOT_ID, "plain", &entry) != 0 ||
	    fuse_do(FUSE_OPEN, entry.nodeid, &open, sizeof(open), NULL) != 0)
		return 0;
	return out->fh;
}

static bool sizes_and_offsets(void)
{
	uint64_t fh = open_plain(READ_WRITE);
	struct fuse_read_in read = { .fh = fh, .size = UINT32_MAX };
	struct fuse_write_in write = { .fh = fh, .size = UINT32_MAX };
	struct fuse_fallocate_in allocate = { .fh = fh, .length = UINT64_MAX / 4 };
	struct fuse_copy_file_range_in copy = { .fh_in = fh, .fh_out = fh, .len = UINT64_MAX };
	struct fuse_getxattr_in attribute = { .size = UINT32_MAX };
	struct fuse_setxattr_in set = { .size = UINT32_MAX };
	bool is_ok = fh && fuse_do(FUSE_READ, 1, &read, sizeof(read), NULL) == -EINVAL &&
		     fuse_do(FUSE_WRITE, 1, &write, sizeof(write), "little") == -EINVAL &&
		     fuse_do(FUSE_FALLOCATE, 1, &allocate, sizeof(allocate), NULL) < 0 &&
		     fuse_do(FUSE_SETXATTR, 1, &set, FUSE_COMPAT_SETXATTR_IN_SIZE, "user.a") < 0;

	read.size = 4096;
	read.offset = UINT64_MAX - 1;
	write.size = 1;
	write.offset = UINT64_C(1) << 63;
	is_ok &= fuse_do(FUSE_READ, 1, &read, sizeof(read), NULL) < 0 &&
		 fuse_do(FUSE_WRITE, 1, &write, sizeof(write), "x") < 0;
	write.offset = INT64_MAX;
	is_ok &= fuse_do(FUSE_WRITE, 1, &write, sizeof(write), "x") < 0;
	(void)fuse_do(FUSE_COPY_FILE_RANGE, 1, &copy, sizeof(copy), NULL);
	(void)fuse_do(FUSE_GETXATTR, 1, &attribute, sizeof(attribute), "user.a");
	(void)fuse_do(FUSE_LISTXATTR, 1, &attribute, sizeof(attribute), NULL);
	return is_ok;
}

static bool directories_of_any_size(void)
{
	static const uint64_t offsets[] = { 0, 1, INT64_MAX, UINT64_MAX, UINT64_C(1) << 40 };
	const struct fuse_open_out *out = fuse_answer();
	struct fuse_open_in open = { .flags = 0 };
	struct fuse_read_in read = { .size = UINT32_MAX };

	if (fuse_do(FUSE_OPENDIR, FUSE_ROOT_ID, &open, sizeof(open), NULL) != 0)
		return false;
	read.fh = out->fh;
	for (size_t i = 0; i < ARRAY_SIZE(offsets); i++) {
		read.offset = offsets[i];
		for (read.size = 0; read.size < 64; read.size += 21)
			(void)fuse_do(FUSE_READDIR, 1, &read, sizeof(read), NULL);
		read.size = UINT32_MAX;
		(void)fuse_do(FUSE_READDIR, 1, &read, sizeof(read), NULL);
		(void)fuse_do(FUSE_READDIRPLUS, 1, &read, sizeof(read), NULL);
	}
	/* A directory's handle is no file's. */
	read.size = 16;
	return fuse_do(FUSE_READ, 1, &read, sizeof(read), NULL) == -EBADF;
}

/* Never closed: bounded by what the host gives, and over with the session. */
static bool many_handles(void)
{
	for (unsigned int i = 0; i < NR_OPENS; i++)
		if (!open_plain(0))
			break;
	return fuse_begin() && open_plain(0);
}

static const struct attack headers[] = {
	{ "length in the header beyond the request", FAILS, length_beyond },
	{ "length in the header below the request", FAILS, length_below },
	{ "length 2^32 - 1", FAILS, length_huge },
	{ "request shorter than its header", FAILS, request_too_short },
	{ "request of nothing", FAILS, request_of_nothing },
	{ "no room for the answer", GOES_ON, no_room },
	{ "request larger than any", GOES_ON, too_large },
	{ "128 requests at once", GOES_ON, ring_full },
	{ "resets with requests under way", GOES_ON, reset_with_requests },
};

void attack_files(void)
{
	static const struct file_attack attacks[] = {
		{ "every operation", every_operation },
		{ "INIT twice, of other versions, missing", sessions },
		{ "forged handles", forged_handles },
		{ "nodes that were forgotten", forgotten_nodes },
		{ "sizes and offsets", sizes_and_offsets },
		{ "directories of any size, from anywhere", directories_of_any_size },
		{ "handles that are never closed", many_handles },
	};

	attack_device(&devices[DEVICE_FS], headers, ARRAY_SIZE(headers));
	attack_server(attacks, ARRAY_SIZE(attacks));
}
