/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "tests/unit/tap.h"
#include "vmm/base/checked_math.h"
#include "vmm/base/fd.h"
#include "vmm/oci/administrator_config.h"
#include "vmm/oci/administrator_policy.h"
#include "vmm/oci/network_rule.h"

static struct error err;

static char *quote(const char *text)
{
	char *json = strdup(text);

	for (char *c = json; c && *c; c++)
		if (*c == '\'')
			*c = '"';
	return json;
}

/* Both read @text with ' standing for ". NULL with the error in err. */
static struct administrator_config *parse_administrator(const char *text)
{
	struct administrator_config *config = NULL;
	AUTO_FREE char *json = quote(text);

	(void)administrator_config_parse("/admin.json", json, strlen(json), &config, &err);
	return config;
}

static struct container_config *parse_container(const char *annotations)
{
	struct container_config *config = NULL;
	AUTO_FREE char *text = NULL, *json = NULL;

	if (asprintf(&text,
		     "{'ociVersion':'1.0.2','root':{'path':'r'},'process':{'args':['a'],"
		     "'cwd':'/','user':{'uid':0,'gid':0}},'linux':{'namespaces':["
		     "{'type':'mount'},{'type':'pid'},{'type':'network'}]},'annotations':{%s}}",
		     annotations) < 0)
		return NULL;
	json = quote(text);
	(void)container_config_parse(json, strlen(json), "/b", &config, &err);
	return config;
}

static void test_rules(void)
{
	static const char *const valid[][2] = {
		{ "tcp:10.0.0.0/8:443", "tcp:10.0.0.0/8:443" },
		{ "udp:1.1.1.1:53", "udp:1.1.1.1/32:53" },
		{ "icmp:0.0.0.0/0", "icmp:0.0.0.0/0" },
		{ "any:192.168.0.0/16", "any:192.168.0.0/16" },
		{ "tcp:[2001:db8::]/32:8000-8100", "tcp:[2001:db8::]/32:8000-8100" },
		{ "icmp:[::]/0", "icmp:[::]/0" },
		{ "tcp:1.2.3.4:1-65535", "tcp:1.2.3.4/32:1-65535" },
		{ "udp:[::1]:65535", "udp:[::1]/128:65535" },
		{ "tcp:1.2.3.4:7-7", "tcp:1.2.3.4/32:7" },
	};
	static const char *const invalid[] = {
		"",
		"tcp",
		"tcp:",
		"TCP:1.2.3.4",
		"sctp:1.2.3.4",
		"tcp:1.2.3",
		"tcp:01.2.3.4",
		"tcp:1.2.3.4.5",
		"tcp:1.2.3.400",
		"tcp:example.org",
		"tcp:1.2.3.4/33",
		"tcp:1.2.3.4/",
		"tcp:1.2.3.4/-1",
		"tcp:1.2.3.4/8",
		"tcp:1.2.3.4/032",
		"tcp:1.2.3.4:",
		"tcp:1.2.3.4:0",
		"tcp:1.2.3.4:65536",
		"tcp:1.2.3.4:100000",
		"tcp:1.2.3.4:4294967297",
		"tcp:1.2.3.4:5-4",
		"tcp:1.2.3.4:5-",
		"tcp:1.2.3.4:5-65536",
		"tcp:1.2.3.4:5x",
		"tcp:1.2.3.4:5-6-7",
		"icmp:1.2.3.4:5",
		"any:1.2.3.4:5",
		"tcp:2001:db8::1",
		"tcp:[2001:db8::1",
		"tcp:[2001:db8::1]/129",
		"tcp:[2001:db8::1]/32",
		"tcp:[1.2.3.4]",
		"tcp:[fe80::1%1]",
		"tcp:[1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9:1:2:3:4:5:6:7:8:9]",
	};
	char text[NETWORK_RULE_TEXT_SIZE];
	const char *problem = NULL;
	struct network_rule rule;

	for (size_t i = 0; i < ARRAY_SIZE(valid); i++) {
		if (!ok(network_rule_parse(valid[i][0], strlen(valid[i][0]), &rule, &problem) == 0))
			printf("# %s\n", valid[i][0]);
		is_str(network_rule_show(&rule, text), valid[i][1]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++) {
		problem = NULL;
		if (!ok(network_rule_parse(invalid[i], strlen(invalid[i]), &rule, &problem) ==
			-EINVAL) ||
		    !ok(problem))
			printf("# %s\n", invalid[i]);
	}
	/* What stands behind the end is not read, and a NUL is no end. */
	ok(network_rule_parse("tcp:1.2.3.4:80XX", 14, &rule, &problem) == 0);
	is_int(rule.first_port, 80);
	ok(network_rule_parse("tcp:1.2.3.4\0", 12, &rule, &problem) == -EINVAL);
	ok(network_rule_parse("icmp:[::]/0", 11, &rule, &problem) == 0);
	is_int(rule.protocol, IPPROTO_ICMPV6);
	is_int(rule.family, AF_INET6);
	is_int(rule.last_port, UINT16_MAX);
}

static void test_annotations(void)
{
	struct container_config *config = parse_container(
		"'bulkhead.network.spoofFilter':'off',"
		"'bulkhead.network.allow':' tcp:10.0.0.0/8:443, udp:1.1.1.1:53,icmp:[::]/0 ',"
		"'bulkhead.network.receive':'bytes=1000000 packets=500, burst=131072',"
		"'bulkhead.network.transmit':''");
	const struct network_settings *settings;

	if (!ok(config)) {
		printf("# %s\n", err.text);
		return;
	}
	settings = &config->annotated_network;
	ok(settings->has_spoof_filter && settings->policy.allows_spoofing);
	ok(settings->policy.has_allow_list);
	is_int(settings->policy.nr_rules, 3);
	is_int(settings->policy.rules[1].first_port, 53);
	ok(settings->has_receive && settings->has_transmit);
	is_int(settings->policy.receive.bytes_per_second, 1000000);
	is_int(settings->policy.receive.packets_per_second, 500);
	is_int(settings->policy.receive.burst_bytes, 131072);
	is_int(settings->policy.transmit.bytes_per_second, 0);
	container_config_free(config);

	config = parse_container("'bulkhead.network.allow':''");
	ok(config && config->annotated_network.policy.has_allow_list);
	is_int(config->annotated_network.policy.nr_rules, 0);
	container_config_free(config);
}

static void test_malformed_annotations(void)
{
	static const struct {
		const char *name, *value, *expect;
	} cases[] = {
		{ "spoofFilter", "", "unknown value" },
		{ "spoofFilter", "true", "unknown value \"true\"" },
		{ "allow", "tcp", "\"tcp\" does not begin with tcp:, udp:, icmp: or any:" },
		{ "allow", "any:1.2.3.4 tcp:1.2.3.4:0", "\"tcp:1.2.3.4:0\" has no such port" },
		{ "allow", "tcp:\\u001b[0m", "\"tcp:?[0m\" has no address" },
		{ "allow", "any:10.0.0.1/8", "has an address with more bits than its prefix" },
		{ "receive", "1000000", "must be bytes=N, packets=N and burst=N" },
		{ "receive", "bytes=1000000 bytes=1000000", "each once" },
		{ "receive", "bytes=", "bytes= must be a whole number from 1000 to" },
		{ "receive", "bytes=999", "bytes= must be" },
		{ "receive", "bytes=1000000000001", "bytes= must be" },
		{ "receive", "bytes=99999999999999999999999", "bytes= must be" },
		{ "receive", "bytes=-1", "bytes= must be" },
		{ "receive", "bytes=1000x", "bytes= must be" },
		{ "transmit", "packets=0", "packets= must be a whole number from 1 to" },
		{ "transmit", "burst=131072", "has a burst, but no bytes in a second" },
		{ "transmit", "bytes=1000000 burst=1000", "burst= must be" },
		{ "transmit", "bytes=1000 burst=256001",
		  "has a burst that is not from 131072 to "
		  "256000 bytes" },
		{ "policy", "", "is not supported" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *text = NULL;
		char field[64];
		struct container_config *config = NULL;

		(void)snprintf(field, sizeof(field),
			       "annotations.bulkhead.network.%s: ", cases[i].name);
		if (asprintf(&text, "'bulkhead.network.%s':'%s'", cases[i].name, cases[i].value) >
		    0)
			config = parse_container(text);
		if (!ok(!config) || !ok(strstr(err.text, field)) ||
		    !ok(strstr(err.text, cases[i].expect)))
			printf("# %s: %s\n", text, err.text);
		container_config_free(config);
	}
}

static void test_too_many_rules(void)
{
	static char text[NETWORK_RULES_MAX * 16 + 64];
	size_t len = (size_t)snprintf(text, sizeof(text), "'bulkhead.network.allow':'");
	struct container_config *config;

	for (unsigned int i = 0; i < NETWORK_RULES_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "any:1.2.3.4,");
	(void)snprintf(text + len, sizeof(text) - len, "'");
	config = parse_container(text);
	ok(config && config->annotated_network.policy.nr_rules == NETWORK_RULES_MAX);
	container_config_free(config);
	(void)snprintf(text + len, sizeof(text) - len, "any:1.2.3.4'");
	config = parse_container(text);
	ok(!config && strstr(err.text, "has more than 256 rules"));
	container_config_free(config);
}

static void test_administrator(void)
{
	static const char *const malformed[][2] = {
		{ "{'network':1}", "network: must be an object" },
		{ "{'network':{'spoof':1}}", "network.spoof: is not known here" },
		{ "{'network':{'spoofFilter':'on'}}", "network.spoofFilter: must be" },
		{ "{'network':{'allow':'tcp:1.2.3.4'}}", "network.allow: must be an array" },
		{ "{'network':{'allow':['any:1.2.3.4','x']}}", "network.allow[1]: \"x\" does not" },
		{ "{'network':{'allow':['any:1.2.3.4, any:1.2.3.5']}}", "goes on behind its end" },
		{ "{'network':{'receive':{'bytes':1}}}", "network.receive.bytes: is not known" },
		{ "{'network':{'receive':{'bytesPerSecond':1}}}",
		  "network.receive.bytesPerSecond: must be a whole number from 1000" },
		{ "{'network':{'transmit':{'packetsPerSecond':0}}}",
		  "network.transmit.packetsPerSecond: must be" },
		{ "{'network':{'transmit':{'burst':200000}}}",
		  "network.transmit: has a burst, but no bytes in a second" },
	};
	struct administrator_config *config;
	AUTO_FREE char *shown = NULL;
	json_t *json;

	for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
		config = parse_administrator(malformed[i][0]);
		if (!ok(!config) || !ok(strstr(err.text, malformed[i][1])))
			printf("# %s: %s\n", malformed[i][0], err.text);
		administrator_config_free(config);
	}
	config = parse_administrator(
		"{'network':{'spoofFilter':false,'allow':['tcp:[2001:db8::]/32:80'],"
		"'receive':{'bytesPerSecond':1000000,'burst':200000},"
		"'transmit':{'packetsPerSecond':10}}}");
	if (!ok(config))
		return;
	json = administrator_config_to_json(config);
	shown = json_dumps(json_object_get(json, "network"), JSON_COMPACT | JSON_SORT_KEYS);
	is_str(shown, "{\"allow\":[\"tcp:[2001:db8::]/32:80\"],"
		      "\"receive\":{\"burst\":200000,\"bytesPerSecond\":1000000},"
		      "\"spoofFilter\":false,\"transmit\":{\"packetsPerSecond\":10}}");
	json_decref(json);
	administrator_config_free(config);
}

/* Whether @annotations are refused, else what holds with them. */
static bool apply(const char *administrator_text, const char *annotations,
		  struct network_policy *ret)
{
	struct administrator_config *administrator = parse_administrator(administrator_text);
	struct container_config *config = parse_container(annotations);
	bool is_permitted = ok(administrator && config) &&
			    administrator_check_container(administrator, config, &err) == 0;

	if (is_permitted) {
		ok(administrator_set_network(administrator, config, &err) == 0);
		*ret = config->network;
		config->network = (struct network_policy){ 0 };
	}
	container_config_free(config);
	administrator_config_free(administrator);
	return is_permitted;
}

static void test_who_decides(void)
{
	static const char limited[] = "{'network':{'allow':['any:10.0.0.0/8'],"
				      "'transmit':{'packetsPerSecond':10}}}";
	static const char permitting[] = "{'annotations':['bulkhead.network.*'],"
					 "'network':{'allow':['any:10.0.0.0/8'],"
					 "'transmit':{'packetsPerSecond':10}}}";
	struct network_policy policy = { 0 };

	ok(apply("{}", "", &policy));
	ok(!policy.allows_spoofing && !policy.has_allow_list && !policy.rules);
	ok(!apply("{}", "'bulkhead.network.spoofFilter':'off'", &policy));
	ok(!apply("{}", "'bulkhead.network.allow':''", &policy));
	ok(strstr(err.text, "annotations.bulkhead.network.allow"));
	ok(!apply(limited, "'bulkhead.network.transmit':''", &policy));
	ok(apply(limited, "", &policy));
	ok(!policy.allows_spoofing && policy.has_allow_list && policy.nr_rules == 1);
	is_int(policy.transmit.packets_per_second, 10);
	network_policy_clear(&policy);

	ok(apply(permitting,
		 "'bulkhead.network.allow':'any:1.2.3.4 any:1.2.3.5',"
		 "'bulkhead.network.transmit':'','bulkhead.network.spoofFilter':'off',"
		 "'bulkhead.network.receive':'packets=7'",
		 &policy));
	ok(policy.allows_spoofing);
	is_int(policy.nr_rules, 2);
	is_int(policy.transmit.packets_per_second, 0);
	is_int(policy.receive.packets_per_second, 7);
	network_policy_clear(&policy);
}

int main(void)
{
	test_rules();
	test_annotations();
	test_malformed_annotations();
	test_too_many_rules();
	test_administrator();
	test_who_decides();
	return tap_done();
}
