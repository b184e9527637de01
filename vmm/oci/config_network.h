/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_network.h - annotations about a container's network
 *
 *   bulkhead.network.spoofFilter  "on", "off"
 *   bulkhead.network.allow        rules (network_rule.h), with commas or spaces between; none:
 *                                 nothing
 *   bulkhead.network.receive      "bytes=N packets=N burst=N", any of them; none: no limit
 *   bulkhead.network.transmit     likewise
 */
#pragma once

#include <stdbool.h>

#include "vmm/oci/json_fields.h"
#include "vmm/oci/network_settings.h"

/* True for the annotations above. */
bool config_is_network_annotation(const char *name);

/* Take one of them, which is a string, into @settings; the caller clears it, also on failure. */
int config_parse_network_annotation(const struct json_field *field,
				    struct network_settings *settings, struct error *err);
