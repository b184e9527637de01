/* SPDX-License-Identifier: Apache-2.0 */
/* What is kept of a console without end, what is shown of it, and how much is mirrored. */
#include <sys/mman.h>
#include <unistd.h>

#include "tests/unit/tap.h"
#include "vmm/backend/boot_log.h"

static struct boot_log boot_log;
static char text[BOOT_LOG_SIZE + 1];

static void append(const char *string)
{
	boot_log_append(&boot_log, string, strlen(string));
}

static void test_tail_by_lines(void)
{
	boot_log_init(&boot_log, -1, 0);
	is_int(boot_log_tail(&boot_log, 5, text, sizeof(text)), 0);
	is_str(text, "");
	append("\n\n");
	is_int(boot_log_tail(&boot_log, 5, text, sizeof(text)), 0);
	append("one\ntwo\n\nfour");
	is_int(boot_log_tail(&boot_log, 1, text, sizeof(text)), 4);
	is_str(text, "four");
	append("\n\n");
	is_int(boot_log_tail(&boot_log, 1, text, sizeof(text)), 4);
	is_int(boot_log_tail(&boot_log, 3, text, sizeof(text)), 9);
	is_str(text, "two\n\nfour");
	is_int(boot_log_tail(&boot_log, 0, text, sizeof(text)), 0);
	(void)boot_log_tail(&boot_log, 100, text, sizeof(text));
	is_str(text, "\n\none\ntwo\n\nfour");
	boot_log_fini(&boot_log);
}

static void test_tail_fits_its_buffer(void)
{
	char small[5];
	char least[1];

	boot_log_init(&boot_log, -1, 0);
	append("abcdefgh\n");
	is_int(boot_log_tail(&boot_log, 3, small, sizeof(small)), 4);
	is_str(small, "efgh");
	is_int(boot_log_tail(&boot_log, 3, least, sizeof(least)), 0);
	is_str(least, "");
	boot_log_fini(&boot_log);
}

/* Class: escape sequences that steer the terminal of whoever reads the message. */
static void test_only_printable_text(void)
{
	uint8_t all[256];
	bool is_clean = true;
	size_t len;

	boot_log_init(&boot_log, -1, 0);
	for (unsigned int i = 0; i < 256; i++)
		all[i] = (uint8_t)i;
	boot_log_append(&boot_log, all, sizeof(all));
	len = boot_log_tail(&boot_log, 100, text, sizeof(text));
	is_int(len, 255); /* all but the carriage return */
	for (size_t i = 0; i < len; i++)
		is_clean &=
			(text[i] >= 0x20 && text[i] < 0x7f) || text[i] == '\n' || text[i] == '\t';
	ok(is_clean);
	append("\n\033[31mred\r\n");
	(void)boot_log_tail(&boot_log, 1, text, sizeof(text));
	is_str(text, "?[31mred");
	boot_log_fini(&boot_log);
}

/* Class: output without end. The newest bytes stay. */
static void test_ring_wraps(void)
{
	char line[16];

	boot_log_init(&boot_log, -1, 0);
	for (unsigned int i = 0; i < 100000; i++) {
		(void)snprintf(line, sizeof(line), "%08u\n", i);
		append(line);
	}
	(void)boot_log_tail(&boot_log, 2, text, sizeof(text));
	is_str(text, "00099998\n00099999");
	is_int(boot_log_tail(&boot_log, 1000000, text, sizeof(text)), BOOT_LOG_SIZE - 1);
	is_int(strlen(text), BOOT_LOG_SIZE - 1);
	boot_log_fini(&boot_log);
}

/* Class: a guest that fills the host's disk through its console. */
static void test_mirror_has_a_budget(void)
{
	int fd = memfd_create("mirror", MFD_CLOEXEC);
	char copy[32] = { 0 };

	boot_log_init(&boot_log, fd, 10);
	append("\033abc");
	append("defghijkl");
	append("more");
	is_int(pread(fd, copy, sizeof(copy), 0), 10);
	is_str(copy, "?abcdefghi");
	(void)boot_log_tail(&boot_log, 1, text, sizeof(text));
	is_str(text, "?abcdefghijklmore");
	boot_log_fini(&boot_log);
	(void)close(fd);
}

int main(void)
{
	test_tail_by_lines();
	test_tail_fits_its_buffer();
	test_only_printable_text();
	test_ring_wraps();
	test_mirror_has_a_budget();
	return tap_done();
}
