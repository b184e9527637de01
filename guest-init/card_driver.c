/* SPDX-License-Identifier: Apache-2.0 */
#include "guest-init/card_driver.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest-init/mount_object.h"
#include "guest-init/scope.h"

#define CARD_NAME_SIZE 32
#define DRIVER_PATH "bus/platform/drivers/virtio-mmio/"
#define DEVICES_PATH "bus/platform/devices/"

int card_driver_open(struct failure *err)
{
	return mount_object_create("sysfs", "sysfs", "", "", 0, err);
}

static void card_print_name(uint32_t number, char name[CARD_NAME_SIZE])
{
	(void)snprintf(name, CARD_NAME_SIZE, PROTOCOL_CARD_NAME,
		       PROTOCOL_CARD_BASE + number * PROTOCOL_CARD_STRIDE);
}

/* Write the card's name to a file of the driver. Returns 0 or a negative errno value. */
static int card_tell_driver(int sysfs_fd, uint32_t number, const char *path)
{
	AUTO_CLOSE int fd = openat(sysfs_fd, path, O_WRONLY | O_CLOEXEC);
	char name[CARD_NAME_SIZE];
	size_t len;

	card_print_name(number, name);
	len = strlen(name);
	return fd < 0 || write(fd, name, len) != (ssize_t)len ? -errno : 0;
}

/*
 * The name in the directory @path that begins with @prefix. There is at most one: a card has one
 * virtio device, and that has one interface. Returns 0 or -ENODEV.
 */
static int card_find_entry(int sysfs_fd, const char *path, const char *prefix, char *ret_name,
			   size_t size)
{
	int fd = openat(sysfs_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	int r = -ENODEV;

	if (!dir) {
		fd_close(&fd);
		return -ENODEV;
	}
	while (r && (entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !strncmp(entry->d_name, prefix, strlen(prefix)) &&
		    strlen(entry->d_name) < size) {
			(void)snprintf(ret_name, size, "%s", entry->d_name);
			r = 0;
		}
	(void)closedir(dir);
	return r;
}

static int card_find_interface(int sysfs_fd, uint32_t number, char ret_name[IF_NAMESIZE])
{
	char card[CARD_NAME_SIZE];
	char device[CARD_NAME_SIZE];
	char path[128];
	int r;

	card_print_name(number, card);
	(void)snprintf(path, sizeof(path), DEVICES_PATH "%s", card);
	r = card_find_entry(sysfs_fd, path, "virtio", device, sizeof(device));
	if (r)
		return r;
	(void)snprintf(path, sizeof(path), DEVICES_PATH "%s/%s/net", card, device);
	return card_find_entry(sysfs_fd, path, "", ret_name, IF_NAMESIZE);
}

int card_driver_bind(int sysfs_fd, uint32_t number, char ret_name[IF_NAMESIZE], struct failure *err)
{
	int r;

	/* A card that was there at boot has its driver. */
	if (!card_find_interface(sysfs_fd, number, ret_name))
		return 0;
	r = card_tell_driver(sysfs_fd, number, DRIVER_PATH "bind");
	if (!r)
		r = card_find_interface(sysfs_fd, number, ret_name);
	return r ? failure_set(err, -r, "card %u", number) : 0;
}

int card_driver_unbind(int sysfs_fd, uint32_t number, struct failure *err)
{
	int r = card_tell_driver(sysfs_fd, number, DRIVER_PATH "unbind");

	return r ? failure_set(err, -r, "remove card %u", number) : 0;
}
