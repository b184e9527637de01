/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/unit/net_driver.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "vmm/base/bug.h"

/* Receive buffers lie here, apart from what fake_driver_alloc() gives. */
#define RECEIVE_BUFFERS UINT64_C(0x100000)

const uint8_t net_driver_mac[NET_MAC_SIZE] = { 0x02, 0x42, 0xac, 0x11, 0x00, 0x02 };

static uint8_t wire[NET_WIRE_MAX + 1]; /* what is too long is seen, too */

void net_driver_init(struct net_driver *driver, uint16_t queue_size)
{
	struct error err;

	*driver = (struct net_driver){ .wire_fd = -1 };
	fake_driver_init(&driver->fake);
	for (unsigned int i = 0; i < NET_NR_QUEUES; i++)
		driver->fake.queues[i].size = queue_size;
	BUG_ON(net_new(&driver->net, "net0", &driver->fake.memory, &driver->fake.loop,
		       driver->fake.transport, &err) < 0);
	driver->fake.device = net_device(driver->net);
}

void net_driver_fini(struct net_driver *driver)
{
	net_free(driver->net);
	fake_driver_fini(&driver->fake);
	if (driver->wire_fd >= 0)
		(void)close(driver->wire_fd);
}

int net_driver_attach(struct net_driver *driver)
{
	struct error err;
	int fds[2];

	BUG_ON(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) < 0);
	if (driver->wire_fd >= 0)
		(void)close(driver->wire_fd);
	driver->wire_fd = fds[1];
	return net_attach(driver->net, fds[0], net_driver_mac, &err);
}

bool net_driver_start(struct net_driver *driver)
{
	driver->nr_offered = 0;
	fake_driver_reset(&driver->fake);
	return fake_driver_start(&driver->fake);
}

void net_driver_offer(struct net_driver *driver, unsigned int nr, uint32_t len)
{
	for (unsigned int i = 0; i < nr; i++) {
		struct fake_queue *queue = &driver->fake.queues[NET_QUEUE_RECEIVE];
		struct fake_buffer buffer = {
			.gpa = RECEIVE_BUFFERS + (uint64_t)queue->next_descriptor * len,
			.len = len,
		};

		memset(fake_driver_bytes(&driver->fake, buffer.gpa, len), 0xee, len);
		(void)fake_driver_add(&driver->fake, NET_QUEUE_RECEIVE, NULL, 0, &buffer, 1);
	}
	fake_driver_kick(&driver->fake, NET_QUEUE_RECEIVE);
}

static uint8_t byte_of(uint8_t seed, size_t at)
{
	return (uint8_t)(seed + at * 7 + (at >> 8));
}

static bool is_frame(const uint8_t *bytes, size_t len, uint8_t seed)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != byte_of(seed, i))
			return false;
	return true;
}

static void make_frame(uint8_t *bytes, size_t len, uint8_t seed)
{
	for (size_t i = 0; i < len; i++)
		bytes[i] = byte_of(seed, i);
}

bool net_driver_put(struct net_driver *driver, const struct virtio_net_hdr_v1 *header, size_t len,
		    uint8_t seed)
{
	/* A tap leaves the last field as it is; here it is nonsense. */
	struct virtio_net_hdr_v1 any = { .num_buffers = 0xabcd };
	size_t size = NET_HEADER_SIZE + len;

	memcpy(wire, header ? header : &any, NET_HEADER_SIZE);
	make_frame(wire + NET_HEADER_SIZE, len, seed);
	return send(driver->wire_fd, wire, size, 0) == (ssize_t)size;
}

/* Append the next used buffer to the @done bytes in wire[]. Returns its length, 0 without one. */
static size_t take_buffer(struct net_driver *driver, size_t done)
{
	const struct fake_driver *fake = &driver->fake;
	uint64_t at;
	uint32_t words[4];
	uint32_t id;
	uint32_t len;

	if (!fake_driver_take_used(&driver->fake, NET_QUEUE_RECEIVE, &id, &len) ||
	    len > sizeof(wire) - done)
		return 0;
	at = fake->queues[NET_QUEUE_RECEIVE].descriptors + sizeof(words) * (uint64_t)id;
	memcpy(words, fake_driver_bytes(fake, at, sizeof(words)), sizeof(words));
	memcpy(wire + done, fake_driver_bytes(fake, words[0], len), len);
	return len;
}

unsigned int net_driver_got(struct net_driver *driver, size_t len, uint8_t seed)
{
	struct virtio_net_hdr_v1 header;
	size_t done = take_buffer(driver, 0);

	if (done < NET_HEADER_SIZE)
		return 0;
	memcpy(&header, wire, sizeof(header));
	for (unsigned int i = 1; i < header.num_buffers; i++) {
		size_t more = take_buffer(driver, done);

		if (more == 0)
			return 0;
		done += more;
	}
	return done == NET_HEADER_SIZE + len && is_frame(wire + NET_HEADER_SIZE, len, seed)
		       ? header.num_buffers
		       : 0;
}

void net_driver_send(struct net_driver *driver, const struct virtio_net_hdr_v1 *header, size_t len,
		     uint8_t seed)
{
	static const struct virtio_net_hdr_v1 none;
	struct fake_driver *fake = &driver->fake;
	struct fake_buffer buffers[2] = {
		{ fake_driver_alloc(fake, NET_HEADER_SIZE), NET_HEADER_SIZE },
		{ fake_driver_alloc(fake, (uint32_t)len), (uint32_t)len },
	};

	memcpy(fake_driver_bytes(fake, buffers[0].gpa, NET_HEADER_SIZE), header ? header : &none,
	       NET_HEADER_SIZE);
	make_frame(fake_driver_bytes(fake, buffers[1].gpa, len), len, seed);
	(void)fake_driver_add(fake, NET_QUEUE_TRANSMIT, buffers, len > 0 ? 2 : 1, NULL, 0);
}

bool net_driver_was_sent(struct net_driver *driver, size_t len, uint8_t seed,
			 struct virtio_net_hdr_v1 *ret_header)
{
	ssize_t r = recv(driver->wire_fd, wire, sizeof(wire), 0);

	if (r != (ssize_t)(NET_HEADER_SIZE + len))
		return false;
	memcpy(ret_header, wire, sizeof(*ret_header));
	return is_frame(wire + NET_HEADER_SIZE, len, seed);
}

unsigned int net_driver_count_sent(struct net_driver *driver)
{
	unsigned int nr = 0;
	uint32_t id;
	uint32_t len;

	while (fake_driver_take_used(&driver->fake, NET_QUEUE_TRANSMIT, &id, &len))
		nr += len == 0;
	return nr;
}
