/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attack.h - attacks by name, and what must become of each
 *
 * After every attack the payload looks at the status of the device, does a proper request of
 * another one, and then, after a reset, of the same: nothing an attack does may outlast it.
 */
#pragma once

#include <stddef.h>

#include "tests/guests/device.h"

enum outcome {
	FAILS,	 /* the device says that it needs a reset, and does nothing more */
	GOES_ON, /* it does not */
	EITHER,	 /* a matter of taste, or of chance */
};

struct attack {
	const char *name;
	enum outcome outcome;
	void (*run)(struct device *device); /* the device is ready for use */
};

/* Run them one after the other, and report. */
void attack_device(struct device *device, const struct attack *attacks, size_t nr_attacks);

/*
 * After an attack on @device: report what became of it, and whether that is the @outcome. The
 * device is ready for use again.
 */
void conclude(struct device *device, enum outcome outcome, const char *name);

/* After one that is on no device: all of them answer. */
void conclude_all(const char *target, const char *name);

/* An attack on the file server, which finds a new session and returns whether all went well. */
struct file_attack {
	const char *name;
	bool (*run)(void);
};

void attack_server(const struct file_attack *attacks, size_t nr_attacks);

/* What the file with the payload's tasks can name. */
void attack_rings(void);
void attack_registers(void);
void attack_addresses(void);
void attack_processor(void);
void attack_vsock(void);
void attack_balloon(void);
void attack_files(void);
void attack_names(void);
void race_rings(void);
void flood(void);
void flood_console(void);
void storm(void);

/* An ending: the payload's own memory goes back to the host. */
void report_all_memory(void);
