/* SPDX-License-Identifier: Apache-2.0 */
/*
 * administrator_network.h - "network" of the administrator's configuration (used by
 * administrator_config.c)
 */
#pragma once

#include <jansson.h>

#include "vmm/oci/json_fields.h"
#include "vmm/oci/network_settings.h"

/* Fill @settings (all zeros) from the object @top; the caller clears it, also after a failure. */
int administrator_parse_network(const struct json_field *top, struct network_settings *settings,
				struct error *err);

/* A new value in the form of the file. */
json_t *administrator_network_to_json(const struct network_settings *settings);
