/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/sandbox/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "vmm/base/checked_math.h"

#define SECURE_BITS                                                                                \
	(SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP |                           \
	 SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | SECBIT_NO_CAP_AMBIENT_RAISE |   \
	 SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

/* Setting another user clears the effective set: have it as the permitted one again. */
static int raise_permitted(void)
{
	cap_t caps = cap_get_proc();
	int r = caps ? 0 : -1;

	for (cap_value_t cap = 0; cap < cap_max_bits() && !r; cap++) {
		cap_flag_value_t has = CAP_CLEAR;

		(void)cap_get_flag(caps, cap, CAP_PERMITTED, &has);
		if (has == CAP_SET)
			r = cap_set_flag(caps, CAP_EFFECTIVE, 1, &cap, CAP_SET);
	}
	if (!r)
		r = cap_set_proc(caps);
	(void)cap_free(caps);
	return r;
}

int privileges_become(uid_t id, struct error *err)
{
	if (setgroups(0, NULL) < 0 && errno != EPERM)
		return error_set(err, errno, "leave the caller's groups");
	/* Who has no other id to give has perhaps not the right to this group either. */
	if (id == getuid() && id == geteuid())
		return 0;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setresgid(id, id, id) < 0 || setresuid(id, id, id) < 0)
		return error_set(err, errno, "become user %u", id);
	return raise_permitted() < 0 ? error_set(err, errno, "keep capabilities") : 0;
}

static int drop_bounding(uint64_t kept, struct error *err)
{
	/* Of those that the kernel has and we do not know, too. */
	for (unsigned int cap = 0; cap < 64 && prctl(PR_CAPBSET_READ, cap) >= 0; cap++)
		if (!(kept & UINT64_C(1) << cap) && prctl(PR_CAPBSET_DROP, cap) < 0 &&
		    errno != EPERM) /* a caller without CAP_SETPCAP; no_new_privs does it, too */
			return error_set(err, errno, "drop capability %u", cap);
	return 0;
}

static int keep_only(uint64_t kept, struct error *err)
{
	cap_t old = cap_get_proc(), new = cap_init();
	int r = old && new ? 0 : -1;

	for (cap_value_t cap = 0; cap < cap_max_bits() && !r; cap++) {
		cap_flag_value_t has = CAP_CLEAR;

		(void)cap_get_flag(old, cap, CAP_PERMITTED, &has);
		if (has != CAP_SET || !(kept & UINT64_C(1) << cap))
			continue;
		r = cap_set_flag(new, CAP_PERMITTED, 1, &cap, CAP_SET);
		if (!r)
			r = cap_set_flag(new, CAP_EFFECTIVE, 1, &cap, CAP_SET);
	}
	if (!r)
		r = cap_set_proc(new);
	if (r < 0)
		r = error_set(err, errno, "drop capabilities");
	(void)cap_free(old);
	(void)cap_free(new);
	return r;
}

int privileges_drop(uint64_t kept, struct error *err)
{
	const struct rlimit none = { 0, 0 };
	int r;

	if (setrlimit(RLIMIT_CORE, &none) < 0 || setrlimit(RLIMIT_MEMLOCK, &none) < 0)
		return error_set(err, errno, "lower limits");
	if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ||
	    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
		return error_set(err, errno, "give up privileges");
	if (prctl(PR_SET_SECUREBITS, SECURE_BITS) < 0 && errno != EPERM)
		return error_set(err, errno, "lock the securebits");
	r = drop_bounding(kept, err);
	return r < 0 ? r : keep_only(kept, err);
}

void privileges_forget_environment(void)
{
	for (char **variable = environ; variable && *variable; variable++)
		explicit_bzero(*variable, strlen(*variable));
	environ = NULL;
}
