/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/virtio/fs.h"

#include <errno.h>
#include <linux/fuse.h>
#include <linux/virtio_ids.h>
#include <string.h>

#include "vmm/base/bug.h"
#include "vmm/base/checked_math.h"

#define FS_HIPRIO_QUEUE 0
#define FS_REQUEST_QUEUE 1
#define FS_NR_QUEUES 2

_Static_assert(sizeof(struct virtio_fs_config) == 40, "section 5.11.4");
_Static_assert(sizeof(struct fuse_in_header) == 40, "the FUSE wire format");
_Static_assert(sizeof(struct fuse_out_header) == 16, "the FUSE wire format");

static void complete(struct fs *fs, struct fs_request *request, uint32_t written)
{
	virtqueue_push(&fs->device.queues[request->queue_index], request->chain.head, written);
}

/* Answer in the file server's place, as far as the chain has room for an answer. */
static void complete_with_error(struct fs *fs, struct fs_request *request, int error)
{
	struct fuse_out_header header = {
		.len = sizeof(header),
		.error = -error,
		.unique = request->unique,
	};
	bool has_room = request->chain.writable_len >= sizeof(header);

	if (has_room)
		(void)virtqueue_chain_write(&request->chain, 0, &header, sizeof(header));
	complete(fs, request, has_room ? sizeof(header) : 0);
}

/* Whether the answer to a request taken before still has somebody to go to. */
static bool is_awaited(const struct fs *fs, const struct fs_request *request)
{
	return request->is_busy && !request->is_abandoned && virtio_device_is_live(&fs->device);
}

static void notify_queues(struct fs *fs)
{
	for (unsigned int i = 0; i < FS_NR_QUEUES; i++)
		virtio_device_notify(&fs->device, i);
}

/* How many answers the file server owes. */
static unsigned int count_busy(const struct fs *fs)
{
	unsigned int nr = 0;

	for (unsigned int i = 0; i < FS_CHANNEL_SLOTS; i++)
		nr += fs->requests[i].is_busy;
	return nr;
}

static void give_up_server(struct fs *fs)
{
	if (fs->is_server_gone)
		return;
	fs->is_server_gone = true;
	event_loop_remove(fs->loop, &fs->channel_source);
	for (unsigned int i = 0; i < FS_CHANNEL_SLOTS; i++) {
		struct fs_request *request = &fs->requests[i];

		if (is_awaited(fs, request))
			complete_with_error(fs, request, ENOTCONN);
		request->is_busy = false;
	}
	notify_queues(fs);
	fs->on_server_gone(fs->context);
}

/* Pass the request in @slot, just popped, to the file server, or answer it here. */
static void submit(struct fs *fs, uint32_t slot)
{
	struct fs_request *request = &fs->requests[slot];
	const struct virtqueue_chain *chain = &request->chain;
	struct fuse_in_header header = { 0 };
	uint8_t *area = fs_channel_request(fs->channel, slot);

	(void)virtqueue_chain_read(chain, 0, &header, sizeof(header));
	if (chain->readable_len < sizeof(header) || header.len != chain->readable_len) {
		virtio_device_fail(&fs->device, "request of %llu bytes says it has %u",
				   (unsigned long long)chain->readable_len, header.len);
		return;
	}
	request->unique = header.unique;
	if (fs->is_server_gone) {
		complete_with_error(fs, request, ENOTCONN);
		return;
	}
	if (header.len > FS_CHANNEL_AREA_SIZE) {
		complete_with_error(fs, request, EIO);
		return;
	}
	/* The header that was checked goes out; the guest's is not fetched again. */
	memcpy(area, &header, sizeof(header));
	(void)virtqueue_chain_read(chain, sizeof(header), area + sizeof(header),
				   header.len - sizeof(header));
	request->is_busy = true;
	request->is_abandoned = false;
	/* No more messages are under way than there are slots, so the socket always has room. */
	if (fs_channel_send(fs->channel, slot, header.len) < 0)
		give_up_server(fs);
}

static struct fs_request *find_free_request(struct fs *fs)
{
	for (unsigned int i = 0; i < FS_CHANNEL_SLOTS; i++)
		if (!fs->requests[i].is_busy)
			return &fs->requests[i];
	return NULL;
}

/* Take requests as long as there are some, and slots for them. */
static void serve_queue(struct fs *fs, unsigned int index)
{
	unsigned int nr_max = fs->device.queue_size_max;

	for (unsigned int nr = 0; nr < nr_max; nr++) {
		struct fs_request *request = find_free_request(fs);

		if (!request || !virtio_device_pop(&fs->device, index, &request->chain))
			return;
		request->queue_index = index;
		submit(fs, (uint32_t)(request - fs->requests));
	}
	virtio_device_ring(&fs->device, index);
}

static void on_queue(struct virtio_device *device, unsigned int index)
{
	struct fs *fs = (struct fs *)device;

	serve_queue(fs, index);
	virtio_device_notify(device, index); /* for those that were answered here */
}

static void on_reset(struct virtio_device *device)
{
	struct fs *fs = (struct fs *)device;

	for (unsigned int i = 0; i < FS_CHANNEL_SLOTS; i++)
		fs->requests[i].is_abandoned = true;
}

/* Hand the file server's answer in @message to the driver. Returns false if none was due. */
static bool accept_answer(struct fs *fs, const struct fs_channel_message *message)
{
	struct fs_request *request = &fs->requests[message->slot];
	const struct virtqueue_chain *chain = &request->chain;
	bool expects_none = chain->writable_len == 0;

	if (!request->is_busy)
		return false;
	if (is_awaited(fs, request)) {
		if (expects_none) {
			complete(fs, request, 0);
		} else if (message->len < sizeof(struct fuse_out_header) ||
			   message->len > chain->writable_len) {
			complete_with_error(fs, request, EIO);
		} else {
			(void)virtqueue_chain_write(chain, 0,
						    fs_channel_reply(fs->channel, message->slot),
						    message->len);
			complete(fs, request, message->len);
		}
	}
	request->is_busy = false;
	return true;
}

/* Take the answers that wait. Returns false if the file server is gone or broke the rules. */
static bool receive_answers(struct fs *fs)
{
	struct fs_channel_message message;

	/* After the last one that it owes nothing comes; what comes all the same wakes us again. */
	do {
		int r = fs_channel_receive(fs->channel, &message);

		if (r == -EAGAIN)
			return true;
		if (r <= 0 || !accept_answer(fs, &message))
			return false;
	} while (count_busy(fs));
	return true;
}

/* An event_fn. */
static void on_channel(void *context, uint32_t events)
{
	struct fs *fs = context;
	bool had_no_slot;

	(void)events; /* a hang-up is read as one, after the answers before it */
	pthread_mutex_lock(&fs->device.lock);
	had_no_slot = count_busy(fs) == FS_CHANNEL_SLOTS;
	if (!receive_answers(fs))
		give_up_server(fs);
	/* Slots are free again: take what had to wait for one. */
	if (had_no_slot && virtio_device_is_live(&fs->device))
		for (unsigned int i = 0; i < FS_NR_QUEUES; i++)
			serve_queue(fs, i);
	notify_queues(fs);
	pthread_mutex_unlock(&fs->device.lock);
}

static const struct virtio_device_ops fs_ops = { .on_queue = on_queue, .on_reset = on_reset };

int fs_init(struct fs *fs, const char *tag, const struct fs_channel *channel,
	    void (*on_server_gone)(void *context), void *context, const struct guest_memory *memory,
	    struct event_loop *loop, struct virtio_transport transport, struct error *err)
{
	size_t tag_len = strlen(tag);
	int r;

	BUG_ON(tag_len > sizeof(fs->config.tag));
	memset(fs, 0, sizeof(*fs));
	memcpy(fs->config.tag, tag, tag_len); /* NULs fill the rest, if there is one */
	fs->config.num_request_queues = 1;
	fs->channel = channel;
	fs->loop = loop;
	fs->on_server_gone = on_server_gone;
	fs->context = context;
	fs->device.name = "fs";
	fs->device.device_id = VIRTIO_ID_FS;
	fs->device.ops = &fs_ops;
	fs->device.nr_queues = FS_NR_QUEUES;
	fs->device.queue_size_max = VIRTQUEUE_SIZE_MAX;
	fs->device.config = (const uint8_t *)&fs->config;
	fs->device.config_size = sizeof(fs->config);
	r = virtio_device_init(&fs->device, memory, loop, transport, err);
	if (r < 0)
		return r;
	r = event_loop_add(loop, &fs->channel_source, channel->socket_fd, EPOLLIN, on_channel, fs,
			   err);
	if (r < 0)
		virtio_device_fini(&fs->device, loop);
	return r;
}

void fs_fini(struct fs *fs, struct event_loop *loop)
{
	event_loop_remove(loop, &fs->channel_source);
	virtio_device_fini(&fs->device, loop);
}
