/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Theory of operation
 *
 * The loop watches the tap for what there is something to be done about: for frames while the
 * driver has room for them, for room while a frame of the driver's waits. In between nothing is
 * watched but the tap's end, so that a slow guest costs no turn of the loop, and what it does not
 * take stays in the tap, which drops what exceeds its queue. The doorbells say when the driver has
 * room, or frames, again; the driver's start rings the first one, since it happens on a vCPU
 * thread, which changes nothing in the loop.
 */
#include "vmm/virtio/net.h"

#include <errno.h>
#include <linux/virtio_ids.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "vmm/base/fd.h"
#include "vmm/base/log.h"
#include "vmm/virtio/net_queues.h"

#define FEATURE(bit) (UINT64_C(1) << (bit))

/*
 * A tap hands frames out as their sender made them, without checksum and up to 64 KiB long, so a
 * driver has to take them so.
 */
#define RECEIVE_FEATURES                                                                           \
	(FEATURE(VIRTIO_NET_F_GUEST_CSUM) | FEATURE(VIRTIO_NET_F_GUEST_TSO4) |                     \
	 FEATURE(VIRTIO_NET_F_GUEST_TSO6) | FEATURE(VIRTIO_NET_F_GUEST_ECN) |                      \
	 FEATURE(VIRTIO_NET_F_MRG_RXBUF))
#define TRANSMIT_FEATURES                                                                          \
	(FEATURE(VIRTIO_NET_F_CSUM) | FEATURE(VIRTIO_NET_F_HOST_TSO4) |                            \
	 FEATURE(VIRTIO_NET_F_HOST_TSO6) | FEATURE(VIRTIO_NET_F_HOST_ECN))
#define CONFIG_FEATURES (FEATURE(VIRTIO_NET_F_MAC) | FEATURE(VIRTIO_NET_F_STATUS))

/* The config space, as far as its features are offered (section 5.1.4). */
struct net_config {
	uint8_t mac[NET_MAC_SIZE];
	uint16_t status;
};

struct net {
	struct virtio_device device; /* first: see net_of() */
	struct event_loop *loop;
	struct net_config config;	    /* [lock] */
	struct net_receiver receiver;	    /* [lock] */
	struct net_transmitter transmitter; /* [lock] */
	int tap_fd;			    /* [loop] -1: the slot is empty */
	struct event_source tap_source;	    /* [loop] */
	uint32_t watched;		    /* [loop] what for */
};

_Static_assert(offsetof(struct net, device) == 0, "net_of() relies on it");
_Static_assert(offsetof(struct net_config, status) == offsetof(struct virtio_net_config, status),
	       "section 5.1.4");
_Static_assert(NET_NR_QUEUES <= VIRTIO_DEVICE_MAX_QUEUES, "no control queue");

static struct net *net_of(struct virtio_device *device)
{
	return (struct net *)device;
}

/* Watch the tap for what matters after all that happened. */
static void watch_tap(struct net *net)
{
	bool is_live = virtio_device_is_live(&net->device);
	uint32_t events = 0;

	if (net->tap_fd < 0)
		return;
	if (is_live && !net->receiver.is_starved)
		events |= EPOLLIN;
	if (is_live && net->transmitter.is_waiting)
		events |= EPOLLOUT;
	if (events == net->watched)
		return;
	event_loop_modify(net->loop, &net->tap_source, events);
	net->watched = events;
}

static void remove_card(struct net *net)
{
	if (net->tap_fd < 0)
		return;
	event_loop_remove(net->loop, &net->tap_source);
	fd_close(&net->tap_fd);
	net->device.device_id = 0;
	net->config = (struct net_config){ 0 };
	virtio_device_config_changed(&net->device);
	net_transmit_give_up(&net->transmitter, &net->device);
	/* What lies behind that frame. */
	virtio_device_ring(&net->device, NET_QUEUE_TRANSMIT);
}

/* The end of a turn; @r is that of net_receive() or net_transmit(). */
static void settle(struct net *net, int r)
{
	if (r < 0) {
		log_warning("virtio %s device: lost its tap: %s", net->device.name,
			    strerrordesc_np(-r));
		remove_card(net);
	}
	watch_tap(net);
}

/* An event_fn. */
static void on_tap(void *context, uint32_t events)
{
	struct net *net = context;
	struct virtio_device *device = &net->device;
	int r = 0;

	pthread_mutex_lock(&device->lock);
	if (events & (EPOLLERR | EPOLLHUP))
		r = -ENODEV; /* somebody deleted the interface */
	if (!r && events & EPOLLOUT && virtio_device_is_live(device))
		r = net_transmit(&net->transmitter, device, net->tap_fd);
	if (!r && events & EPOLLIN && virtio_device_is_live(device))
		r = net_receive(&net->receiver, device, net->tap_fd);
	settle(net, r);
	pthread_mutex_unlock(&device->lock);
}

static void on_queue(struct virtio_device *device, unsigned int index)
{
	struct net *net = net_of(device);
	int r = 0;

	if (index == NET_QUEUE_TRANSMIT)
		r = net_transmit(&net->transmitter, device, net->tap_fd);
	else if (net->tap_fd >= 0)
		r = net_receive(&net->receiver, device, net->tap_fd);
	settle(net, r);
}

/* On a vCPU thread. */
static void on_activate(struct virtio_device *device)
{
	virtio_device_ring(device, NET_QUEUE_RECEIVE);
}

/* On a vCPU thread: the tap stays watched until there is something to be seen. */
static void on_reset(struct virtio_device *device)
{
	struct net *net = net_of(device);

	net_receiver_reset(&net->receiver);
	net_transmitter_reset(&net->transmitter);
}

int net_new(struct net **ret, const char *name, const struct guest_memory *memory,
	    struct event_loop *loop, struct virtio_transport transport, struct error *err)
{
	static const struct virtio_device_ops ops = {
		.on_activate = on_activate,
		.on_queue = on_queue,
		.on_reset = on_reset,
	};
	struct net *net = calloc(1, sizeof(*net));
	int r;

	if (!net)
		return error_set(err, ENOMEM, "allocate the virtio %s device", name);
	net->loop = loop;
	net->tap_fd = -1;
	net->tap_source.fd = -1;
	net->device.name = name;
	net->device.device_features = RECEIVE_FEATURES | TRANSMIT_FEATURES | CONFIG_FEATURES;
	net->device.required_features = RECEIVE_FEATURES;
	net->device.ops = &ops;
	net->device.nr_queues = NET_NR_QUEUES;
	net->device.queue_size_max = NET_QUEUE_SIZE;
	net->device.config = (const uint8_t *)&net->config;
	net->device.config_size = sizeof(net->config);
	r = virtio_device_init(&net->device, memory, loop, transport, err);
	if (r < 0) {
		free(net);
		return r;
	}
	*ret = net;
	return 0;
}

void net_free(struct net *net)
{
	if (!net)
		return;
	event_loop_remove(net->loop, &net->tap_source);
	fd_close(&net->tap_fd);
	virtio_device_fini(&net->device, net->loop);
	free(net);
}

struct virtio_device *net_device(struct net *net)
{
	return &net->device;
}

static int add_card(struct net *net, int tap_fd, const uint8_t mac[NET_MAC_SIZE], struct error *err)
{
	int r = event_loop_add(net->loop, &net->tap_source, tap_fd, 0, on_tap, net, err);

	if (r < 0) {
		(void)close(tap_fd);
		return error_prefix(err, "virtio %s device", net->device.name);
	}
	net->tap_fd = tap_fd;
	net->watched = 0;
	net->device.device_id = VIRTIO_ID_NET;
	memcpy(net->config.mac, mac, NET_MAC_SIZE);
	net->config.status = VIRTIO_NET_S_LINK_UP;
	virtio_device_config_changed(&net->device);
	/* A driver that was there all the time. */
	virtio_device_ring(&net->device, NET_QUEUE_RECEIVE);
	return 0;
}

int net_attach(struct net *net, int tap_fd, const uint8_t mac[NET_MAC_SIZE], struct error *err)
{
	int r;

	pthread_mutex_lock(&net->device.lock);
	remove_card(net);
	r = add_card(net, tap_fd, mac, err);
	pthread_mutex_unlock(&net->device.lock);
	return r;
}

void net_detach(struct net *net)
{
	pthread_mutex_lock(&net->device.lock);
	remove_card(net);
	pthread_mutex_unlock(&net->device.lock);
}
