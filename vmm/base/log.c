/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"

#define LOG_LINE_SIZE 5120

static struct {
	int fd;
	bool json;
	enum log_level level;
} log_state = { .fd = STDERR_FILENO, .level = LOG_LEVEL_WARNING };

static const char *const level_names[] = {
	[LOG_LEVEL_ERROR] = "error",
	[LOG_LEVEL_WARNING] = "warning",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_DEBUG] = "debug",
};
_Static_assert(ARRAY_SIZE(level_names) == LOG_LEVEL_DEBUG + 1, "a name for every level");

int log_open(const char *path, bool json, bool debug, struct error *err)
{
	if (path) {
		int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);

		if (fd < 0)
			return error_set(err, errno, "open log file '%s'", path);
		log_state.fd = fd;
	}
	log_state.json = json;
	log_state.level = debug ? LOG_LEVEL_DEBUG : LOG_LEVEL_WARNING;
	return 0;
}

void log_set_level(enum log_level level)
{
	log_state.level = level;
}

void log_set_descriptor(int fd)
{
	log_state.fd = fd;
}

int log_descriptor(void)
{
	return log_state.fd;
}

/* Bytes of the UTF-8 character at @text, which a NUL ends; 0 when there is none. */
static size_t utf8_length(const unsigned char *text)
{
	static const struct {
		unsigned char mask, lead; /* of the first byte */
		uint32_t first;		  /* character that needs this length */
	} forms[] = {
		{ 0x80, 0x00, 0 },
		{ 0xe0, 0xc0, 0x80 },
		{ 0xf0, 0xe0, 0x800 },
		{ 0xf8, 0xf0, 0x10000 },
	};
	uint32_t character;
	size_t form = 0;

	while (form < ARRAY_SIZE(forms) && (text[0] & forms[form].mask) != forms[form].lead)
		form++;
	if (form == ARRAY_SIZE(forms))
		return 0;
	character = text[0] & ~(uint32_t)forms[form].mask;
	for (size_t i = 1; i <= form; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		character = character << 6 | (text[i] & 0x3fu);
	}
	/* Longer forms than needed, halves of UTF-16 pairs, and what Unicode does not have. */
	if (character < forms[form].first || character > 0x10ffff ||
	    (character >= 0xd800 && character < 0xe000))
		return 0;
	return form + 1;
}

/*
 * Append @text to @line as the inside of a JSON string, which has to be UTF-8. Returns the new
 * length.
 */
static size_t append_json(char *line, size_t size, size_t len, const char *text)
{
	size_t character_len;

	for (; *text && len + 7 < size; text += character_len ? character_len : 1) {
		unsigned char c = (unsigned char)*text;

		character_len = utf8_length((const unsigned char *)text);
		if (c == '"' || c == '\\') {
			line[len++] = '\\';
			line[len++] = (char)c;
		} else if (c == '\n') {
			line[len++] = '\\';
			line[len++] = 'n';
		} else if (c < 0x20 || c == 0x7f) {
			len += (size_t)snprintf(line + len, size - len, "\\u%04x", c);
		} else if (!character_len) {
			len += (size_t)snprintf(line + len, size - len, "\\ufffd");
		} else {
			memcpy(line + len, text, character_len);
			len += character_len;
		}
	}
	line[len] = 0;
	return len;
}

void log_clean_text(char *text)
{
	unsigned char *c = (unsigned char *)text;

	while (*c) {
		size_t len = utf8_length(c);
		bool is_line = *c == '\n' || *c == '\t';
		bool is_c1 = len == 2 && c[0] == 0xc2 && c[1] < 0xa0;

		if (len == 0 || is_c1 || (*c < 0x20 && !is_line) || *c == 0x7f) {
			*c++ = '?';
			if (is_c1)
				*c++ = '?';
		} else {
			c += len;
		}
	}
}

void log_message(enum log_level level, const char *format, ...)
{
	char text[ERROR_TEXT_SIZE + 256];
	char line[LOG_LINE_SIZE];
	size_t len;
	va_list args;

	if (level > log_state.level)
		return;
	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (log_state.json) {
		struct tm tm;
		time_t now = time(NULL);

		len = (size_t)snprintf(line, sizeof(line), "{\"level\":\"%s\",\"msg\":\"",
				       level_names[level]);
		len = append_json(line, sizeof(line) - 64, len, text);
		(void)gmtime_r(&now, &tm);
		len += strftime(line + len, sizeof(line) - len,
				"\",\"time\":\"%Y-%m-%dT%H:%M:%SZ\"}\n", &tm);
	} else {
		log_clean_text(text);
		len = (size_t)snprintf(line, sizeof(line), "bulkhead: %s: %s\n", level_names[level],
				       text);
		if (len >= sizeof(line))
			len = sizeof(line) - 1;
	}
	/* A log that cannot be written has nowhere to say so. */
	(void)!write(log_state.fd, line, len);
}
