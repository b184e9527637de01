/* SPDX-License-Identifier: Apache-2.0 */
/* test_guest_filter.c - the seccomp filter of a container's process is in force, for every user */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>

#include "tests/unit/guest_machine.h"

static json_t *instruction(uint16_t code, uint8_t jt, uint8_t jf, uint32_t k)
{
	return json_integer((json_int_t)code << 48 | (json_int_t)jt << 40 | (json_int_t)jf << 32 |
			    k);
}

/* mkdir fails with EPROTO, which the real call never gives. All else is allowed. */
static json_t *filter_make(void)
{
	const uint32_t number = offsetof(struct seccomp_data, nr);

	return json_pack("{s:i, s:[o,o,o,o,o]}", "flags", 0, "filter",
			 instruction(BPF_LD | BPF_W | BPF_ABS, 0, 0, number),
			 instruction(BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SYS_mkdir),
			 instruction(BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_mkdirat),
			 instruction(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPROTO),
			 instruction(BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW));
}

static void check_filter(uint32_t uid, bool has_no_new_privs)
{
	json_t *plan = plan_make("mkdir /x 2>&1; grep -E '^(CapEff|NoNewPrivs|Seccomp):' "
				 "/proc/self/status | tr '\\t' ' '");
	struct machine machine;
	char want[256];

	json_object_set_new(process_of(plan), "seccomp", filter_make());
	json_object_set_new(process_of(plan), "uid", json_integer(uid));
	json_object_set_new(process_of(plan), "noNewPrivileges", json_boolean(has_no_new_privs));
	run_plan(&machine, plan);
	(void)snprintf(want, sizeof(want),
		       "mkdir: can't create directory '/x': Protocol error\n"
		       "CapEff: %s\nNoNewPrivs: %d\nSeccomp: 2\n",
		       uid ? "0000000000000000" : "00000000000001ff", has_no_new_privs);
	is_str(machine.output, want);
}

/* A program that the kernel does not take is the container's error, not a container without one. */
static void test_bad_program(bool has_no_new_privs)
{
	json_t *plan = plan_make("echo never");
	json_t *seccomp = json_pack("{s:i, s:[o]}", "flags", 0, "filter",
				    instruction(BPF_JMP | BPF_JA, 0, 0, 7));
	struct machine machine;

	json_object_set_new(process_of(plan), "seccomp", seccomp);
	json_object_set_new(process_of(plan), "noNewPrivileges", json_boolean(has_no_new_privs));
	ok(!machine_start(&machine, plan));
	is_int(machine.frame.type, PROTOCOL_ERROR);
	is_str(machine.frame.text, "linux.seccomp: install the filter: invalid argument");
	machine_shut_down(&machine);
}

int main(void)
{
	if (!machines_begin())
		return 0;
	for (int has_no_new_privs = 0; has_no_new_privs < 2; has_no_new_privs++) {
		check_filter(0, has_no_new_privs);
		check_filter(1000, has_no_new_privs);
		test_bad_program(has_no_new_privs);
	}
	return machines_end();
}
