/* SPDX-License-Identifier: Apache-2.0 */
#include "tests/guests/attack.h"

#include "tests/guests/fuse.h"
#include "tests/guests/runtime.h"

void conclude(struct device *device, enum outcome outcome, const char *name)
{
	struct device *other =
		&devices[device == &devices[DEVICE_RNG] ? DEVICE_CONSOLE : DEVICE_RNG];
	bool is_ok = outcome != FAILS || device_fails(device);

	if (!device_still_answers(other)) {
		report("# the %s device does not answer\n", other->name);
		is_ok = false;
	}
	if (outcome == GOES_ON && device_has_failed(device)) {
		report("# the device failed\n");
		is_ok = false;
	}
	if (!device_answers(device)) {
		report("# no answer after a reset\n");
		is_ok = false;
	}
	report_result(is_ok, device->name, name);
}

void conclude_all(const char *target, const char *name)
{
	bool is_ok = true;

	for (unsigned int i = 0; i < NR_DEVICES; i++) {
		if (device_answers(&devices[i]))
			continue;
		report("# the %s device does not answer\n", devices[i].name);
		is_ok = false;
	}
	report_result(is_ok, target, name);
}

void attack_device(struct device *device, const struct attack *attacks, size_t nr_attacks)
{
	device_start(device);
	for (size_t i = 0; i < nr_attacks; i++) {
		attacks[i].run(device);
		conclude(device, attacks[i].outcome, attacks[i].name);
	}
}

void attack_server(const struct file_attack *attacks, size_t nr_attacks)
{
	for (size_t i = 0; i < nr_attacks; i++) {
		bool is_ok = device_answers(&devices[DEVICE_FS]) && attacks[i].run();

		if (!device_answers(&devices[DEVICE_FS])) {
			report("# no answer after a reset\n");
			is_ok = false;
		}
		if (fuse_has_seen_canary()) {
			report("# a file of the host was read\n");
			is_ok = false;
		}
		report_result(is_ok, "files", attacks[i].name);
	}
}
