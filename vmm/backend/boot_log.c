/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/backend/boot_log.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"

void boot_log_init(struct boot_log *log, int mirror_fd, uint64_t mirror_budget)
{
	memset(log, 0, sizeof(*log));
	pthread_mutex_init(&log->lock, NULL);
	log->mirror_fd = mirror_fd;
	log->mirror_budget = mirror_fd < 0 ? 0 : mirror_budget;
}

void boot_log_fini(struct boot_log *log)
{
	pthread_mutex_destroy(&log->lock);
}

/* Keep what may be shown of @data. Returns the length of @clean, which has room for @len bytes. */
static size_t clean_text(char *clean, const char *data, size_t len)
{
	size_t nr = 0;

	for (size_t i = 0; i < len; i++) {
		char c = data[i];
		bool is_shown = (c >= ' ' && c <= '~') || c == '\n' || c == '\t';

		if (c != '\r')
			clean[nr++] = (char)(is_shown ? c : '?');
	}
	return nr;
}

static void mirror(struct boot_log *log, const char *text, size_t len)
{
	len = min_u64(len, log->mirror_budget);
	if (len == 0)
		return;
	log->mirror_budget -= len;
	(void)!write(log->mirror_fd, text, len);
}

static void keep(struct boot_log *log, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		log->bytes[log->next] = text[i];
		log->next = (log->next + 1) % BOOT_LOG_SIZE;
	}
	log->len = min_u64(log->len + len, BOOT_LOG_SIZE);
}

void boot_log_append(struct boot_log *log, const void *data, size_t len)
{
	char clean[1024];

	pthread_mutex_lock(&log->lock);
	for (size_t done = 0; done < len;) {
		size_t part = min_u64(len - done, sizeof(clean));
		size_t nr = clean_text(clean, (const char *)data + done, part);

		mirror(log, clean, nr);
		keep(log, clean, nr);
		done += part;
	}
	pthread_mutex_unlock(&log->lock);
}

/* The byte that came @age bytes before the next one: 1 is the newest. */
static char byte_of_age(const struct boot_log *log, size_t age)
{
	return log->bytes[(log->next + BOOT_LOG_SIZE - age) % BOOT_LOG_SIZE];
}

size_t boot_log_tail(struct boot_log *log, unsigned int nr_lines, char *text, size_t size)
{
	unsigned int nr_newlines = 0;
	size_t newest = 1;
	size_t oldest;
	size_t len = 0;

	pthread_mutex_lock(&log->lock);
	while (newest <= log->len && byte_of_age(log, newest) == '\n')
		newest++;
	for (oldest = newest; oldest <= log->len && oldest - newest < size - 1; oldest++) {
		nr_newlines += byte_of_age(log, oldest) == '\n';
		if (nr_newlines == nr_lines)
			break;
	}
	for (size_t age = oldest - 1; age >= newest; age--)
		text[len++] = byte_of_age(log, age);
	text[len] = 0;
	pthread_mutex_unlock(&log->lock);
	return len;
}
