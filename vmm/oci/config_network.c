/* SPDX-License-Identifier: Apache-2.0 */
#include "vmm/oci/config_network.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/checked_math.h"
#include "vmm/oci/config_annotations.h"

#define SEPARATORS ", "

/* The next word of *@text, of *@ret_len bytes; NULL at the end. *@text is moved behind it. */
static const char *next_word(const char **text, size_t *ret_len)
{
	const char *word = *text + strspn(*text, SEPARATORS);

	*ret_len = strcspn(word, SEPARATORS);
	*text = word + *ret_len;
	return *ret_len ? word : NULL;
}

static int parse_spoof_filter(const struct json_field *field, struct network_settings *settings,
			      struct error *err)
{
	static const char *const choices[] = { "on", "off" };
	size_t choice = 0;
	int r = json_field_get_choice(field, choices, ARRAY_SIZE(choices), &choice, err);

	settings->has_spoof_filter = true;
	settings->policy.allows_spoofing = choice == 1;
	return r;
}

static int parse_allow(const struct json_field *field, struct network_settings *settings,
		       struct error *err)
{
	const char *text = json_string_value(field->value), *word;
	size_t len;
	int r = 0;

	settings->policy.has_allow_list = true;
	while (!r && (word = next_word(&text, &len)))
		r = network_policy_add_rule(&settings->policy, field, word, len, err);
	return r;
}

static int parse_rate(const struct json_field *field, struct network_rate *rate, struct error *err)
{
	const struct {
		const char *key;
		uint64_t min, max, *value;
	} known[] = {
		{ "bytes=", NETWORK_BYTES_MIN, NETWORK_BYTES_MAX, &rate->bytes_per_second },
		{ "packets=", 1, NETWORK_PACKETS_MAX, &rate->packets_per_second },
		{ "burst=", NETWORK_BURST_MIN, UINT32_MAX, &rate->burst_bytes },
	};
	const char *text = json_string_value(field->value), *word;
	size_t len, i;

	while ((word = next_word(&text, &len))) {
		const char *digits;
		uint64_t value;

		for (i = 0; i < ARRAY_SIZE(known); i++)
			if (strncmp(word, known[i].key, strlen(known[i].key)) == 0)
				break;
		if (i == ARRAY_SIZE(known) || *known[i].value)
			return json_field_error(field, err,
						"must be bytes=N, packets=N and burst=N, each "
						"once or not at all");
		digits = word + strlen(known[i].key);
		len -= strlen(known[i].key);
		errno = 0;
		value = strtoull(digits, NULL, 10);
		if (!len || strspn(digits, "0123456789") != len || errno || value < known[i].min ||
		    value > known[i].max)
			return json_field_error(field, err,
						"%s must be a whole number from %" PRIu64
						" to %" PRIu64,
						known[i].key, known[i].min, known[i].max);
		*known[i].value = value;
	}
	return network_rate_check(rate, field, err);
}

static int parse_receive(const struct json_field *field, struct network_settings *settings,
			 struct error *err)
{
	settings->has_receive = true;
	return parse_rate(field, &settings->policy.receive, err);
}

static int parse_transmit(const struct json_field *field, struct network_settings *settings,
			  struct error *err)
{
	settings->has_transmit = true;
	return parse_rate(field, &settings->policy.transmit, err);
}

static const struct {
	const char *name;
	int (*parse)(const struct json_field *field, struct network_settings *settings,
		     struct error *err);
} annotations[] = {
	{ ANNOTATION_SPOOF_FILTER, parse_spoof_filter },
	{ ANNOTATION_ALLOW, parse_allow },
	{ ANNOTATION_RECEIVE, parse_receive },
	{ ANNOTATION_TRANSMIT, parse_transmit },
};

bool config_is_network_annotation(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++)
		if (strcmp(annotations[i].name, name) == 0)
			return true;
	return false;
}

int config_parse_network_annotation(const struct json_field *field,
				    struct network_settings *settings, struct error *err)
{
	for (size_t i = 0; i < ARRAY_SIZE(annotations); i++)
		if (strcmp(annotations[i].name, field->name) == 0)
			return annotations[i].parse(field, settings, err);
	return 0;
}
