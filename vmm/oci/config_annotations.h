/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_annotations.h - "annotations" (config.md, "Annotations"), and those that mean something here
 *
 * Names that begin with "bulkhead." are this runtime's. Those by which users of others size or
 * choose a virtual machine ("krun.", "run.oci.handler") would be missed when they have no effect, so
 * they are refused. All others are for somebody else: kept, shown, not looked at.
 */
#pragma once

#include <stdbool.h>

#include "vmm/oci/container_config.h"
#include "vmm/oci/json_fields.h"

#define ANNOTATION_MEMORY "bulkhead.memory" /* bytes of the virtual machine */
#define ANNOTATION_VCPUS "bulkhead.vcpus"   /* its processors */

/* Its network (config_network.h). */
#define ANNOTATION_SPOOF_FILTER "bulkhead.network.spoofFilter"
#define ANNOTATION_ALLOW "bulkhead.network.allow"
#define ANNOTATION_RECEIVE "bulkhead.network.receive"
#define ANNOTATION_TRANSMIT "bulkhead.network.transmit"

/* Fill annotations and what is annotated of @config from the object @top. */
int config_parse_annotations(const struct json_field *top, struct container_config *config,
			     struct error *err);

/* True when @name would change what this runtime does. */
bool config_annotation_has_effect(const char *name);

/* What engines may set unless the administrator says otherwise, no path among it; NULL ends it. */
extern const char *const config_annotations_by_default[];
