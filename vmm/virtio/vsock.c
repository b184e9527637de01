/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * Whatever happens on the loop (a doorbell, our own wake-up) has the same three steps: packets of
 * the guest change connections; the service is called about what changed; what is then owed to
 * the guest goes into the buffers it offers. A locked section of the service's ends in the last
 * step. Each is bounded by the size of a queue and the number of connections. What is left over
 * rings our own doorbell, so that other sources of the loop get their turn; what waits for buffers
 * or credit of the guest's waits for its doorbell.
 *
 * Callbacks run on the loop only, and never below a function that the service called. What a vCPU
 * thread (device reset) or a locked section causes is noted in the connection, and our wake-up
 * delivers it.
 */
#include "vmm/virtio/vsock.h"

#include <errno.h>
#include <inttypes.h>
#include <linux/virtio_ids.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "vmm/base/fd.h"
#include "vmm/virtio/vsock_host.h"
#include "vmm/virtio/vsock_packet.h"

#define VSOCK_F_STREAM (UINT64_C(1) << 0) /* section 5.10.3 */

struct vsock {
	struct virtio_device device; /* first: see vsock_of() */
	struct event_loop *loop;
	int wake_fd; /* eventfd, makes the loop look at this device */
	struct event_source wake_source;
	uint64_t guest_cid;	      /* the config space (section 5.10.4) */
	struct vsock_host host;	      /* [lock] */
	struct virtqueue_chain chain; /* [lock] the one being read or written */
	void (*on_held)(void *context);
	void *held_context;
};

_Static_assert(offsetof(struct vsock, device) == 0, "vsock_of() relies on it");

static struct vsock *vsock_of(struct virtio_device *device)
{
	return (struct vsock *)device;
}

static void wake(struct vsock *vsock)
{
	uint64_t one = 1;

	/* The only failure is a full counter, and that wakes as well. */
	(void)!write(vsock->wake_fd, &one, sizeof(one));
}

/* Take at most a queue full of packets from the guest. */
static void receive(struct vsock *vsock)
{
	struct virtio_device *device = &vsock->device;
	unsigned int nr_packets = 0;

	while (nr_packets < VSOCK_QUEUE_SIZE &&
	       virtio_device_pop(device, VSOCK_QUEUE_TX, &vsock->chain)) {
		if (vsock->chain.readable_len < sizeof(struct vsock_header)) {
			virtio_device_fail(device, "packet of %" PRIu64 " bytes",
					   vsock->chain.readable_len);
			return;
		}
		vsock_host_receive(&vsock->host, &vsock->chain);
		virtqueue_push(&device->queues[VSOCK_QUEUE_TX], vsock->chain.head, 0);
		nr_packets++;
	}
	if (nr_packets == VSOCK_QUEUE_SIZE)
		virtio_device_ring(device, VSOCK_QUEUE_TX);
	virtio_device_notify(device, VSOCK_QUEUE_TX);
}

/* Fill at most a queue full of the guest's buffers. */
static void deliver(struct vsock *vsock)
{
	struct virtio_device *device = &vsock->device;
	unsigned int nr_packets = 0;

	while (nr_packets < VSOCK_QUEUE_SIZE && vsock_host_has_packet(&vsock->host) &&
	       virtio_device_pop(device, VSOCK_QUEUE_RX, &vsock->chain)) {
		uint32_t written;

		if (vsock->chain.writable_len <= sizeof(struct vsock_header)) {
			virtio_device_fail(device, "receive buffer of %" PRIu64 " bytes",
					   vsock->chain.writable_len);
			return;
		}
		written = vsock_host_send(&vsock->host, &vsock->chain);
		virtqueue_push(&device->queues[VSOCK_QUEUE_RX], vsock->chain.head, written);
		nr_packets++;
	}
	if (nr_packets == VSOCK_QUEUE_SIZE)
		virtio_device_ring(device, VSOCK_QUEUE_RX);
	virtio_device_notify(device, VSOCK_QUEUE_RX);
}

/* The end of every locked section of the loop's. */
static void settle(struct vsock *vsock)
{
	if (virtio_device_is_live(&vsock->device))
		deliver(vsock);
	if (!virtio_device_is_live(&vsock->device))
		vsock_host_lose_all(&vsock->host);
	if (vsock_host_is_call_due(&vsock->host))
		wake(vsock);
}

static void run(struct vsock *vsock)
{
	if (virtio_device_is_live(&vsock->device)) {
		receive(vsock);
		vsock_host_receive_waiting(&vsock->host);
	}
	if (vsock_held(vsock) && vsock->on_held) {
		vsock->on_held(vsock->held_context);
		vsock->on_held = NULL;
	}
	vsock_host_call_service(&vsock->host);
	settle(vsock);
}

static void on_wake(void *context, uint32_t events)
{
	struct vsock *vsock = context;
	uint64_t count;

	(void)events;
	(void)!read(vsock->wake_fd, &count, sizeof(count));
	pthread_mutex_lock(&vsock->device.lock);
	run(vsock);
	pthread_mutex_unlock(&vsock->device.lock);
}

static void on_queue(struct virtio_device *device, unsigned int index)
{
	(void)index;
	run(vsock_of(device));
}

/* On a vCPU thread, where services are not called. */
static void on_reset(struct virtio_device *device)
{
	struct vsock *vsock = vsock_of(device);

	vsock_host_lose_all(&vsock->host);
	wake(vsock);
}

static int watch_wake_ups(struct vsock *vsock, struct error *err)
{
	vsock->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (vsock->wake_fd < 0)
		return error_set(err, errno, "create the wake-up of the vsock device");
	return event_loop_add(vsock->loop, &vsock->wake_source, vsock->wake_fd, EPOLLIN, on_wake,
			      vsock, err);
}

static void release_all_but_device(struct vsock *vsock)
{
	event_loop_remove(vsock->loop, &vsock->wake_source);
	fd_close(&vsock->wake_fd);
	vsock_host_fini(&vsock->host);
	free(vsock);
}

int vsock_new(struct vsock **ret_vsock, const struct vsock_service *service, void *context,
	      const struct guest_memory *memory, struct event_loop *loop,
	      struct virtio_transport transport, struct error *err)
{
	static const struct virtio_device_ops ops = { .on_queue = on_queue, .on_reset = on_reset };
	struct vsock *vsock = calloc(1, sizeof(*vsock));
	int r;

	if (!vsock)
		return error_set(err, ENOMEM, "allocate the vsock device");
	vsock->loop = loop;
	vsock->wake_fd = -1;
	vsock->wake_source.fd = -1;
	vsock->guest_cid = VSOCK_GUEST_CID;
	vsock->device.name = "vsock";
	vsock->device.device_id = VIRTIO_ID_VSOCK;
	vsock->device.device_features = VSOCK_F_STREAM;
	vsock->device.ops = &ops;
	vsock->device.nr_queues = VSOCK_NR_QUEUES;
	vsock->device.queue_size_max = VSOCK_QUEUE_SIZE;
	vsock->device.config = (const uint8_t *)&vsock->guest_cid;
	vsock->device.config_size = sizeof(vsock->guest_cid);

	r = vsock_host_init(&vsock->host, service, context, err);
	if (!r)
		r = watch_wake_ups(vsock, err);
	if (!r)
		r = virtio_device_init(&vsock->device, memory, loop, transport, err);
	if (r < 0) {
		release_all_but_device(vsock);
		return r;
	}
	*ret_vsock = vsock;
	return 0;
}

void vsock_free(struct vsock *vsock)
{
	if (!vsock)
		return;
	virtio_device_fini(&vsock->device, vsock->loop);
	release_all_but_device(vsock);
}

struct virtio_device *vsock_device(struct vsock *vsock)
{
	return &vsock->device;
}

void vsock_hold(struct vsock *vsock, uint32_t port, void (*on_held)(void *context), void *context)
{
	vsock->host.hold_port = port;
	vsock->on_held = on_held;
	vsock->held_context = context;
}

const struct vsock_header *vsock_held(const struct vsock *vsock)
{
	const struct vsock_host *host = &vsock->host;

	return host->hold_port && host->has_request ? &host->request : NULL;
}

int vsock_expect(struct vsock *vsock, const struct vsock_header *request)
{
	if (request->src_cid != VSOCK_GUEST_CID || request->dst_cid != VSOCK_HOST_CID ||
	    request->type != VSOCK_TYPE_STREAM || request->op != VSOCK_OP_REQUEST || request->len)
		return -EINVAL;
	vsock->host.request = *request;
	vsock->host.has_request = true;
	wake(vsock);
	return 0;
}

void vsock_lock(struct vsock *vsock)
{
	pthread_mutex_lock(&vsock->device.lock);
}

void vsock_unlock(struct vsock *vsock)
{
	settle(vsock);
	pthread_mutex_unlock(&vsock->device.lock);
}
