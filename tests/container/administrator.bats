#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the administrator's configuration sets holds for every container, whatever config.json asks.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
# shellcheck disable=SC2154,SC2030,SC2031 # output is set by run, and each test is a subshell
load helpers

# administrator FILTER: the configuration, as jq makes it of nothing.
administrator()
{
	export BULKHEAD_CONFIG=$BATS_TEST_TMPDIR/admin.json
	jq --null-input --arg tmp "$BATS_TEST_TMPDIR" "$1" > "$BULKHEAD_CONFIG"
}

# refused TEXT FILTER: a container with that change to its config.json is, with TEXT in one line
# that names the administrator's file, too.
refused()
{
	local said status=0

	bundle b "$2" true || return 1
	said=$(run_bundle b 2>&1 < /dev/null) || status=$?
	[ "$status" -eq 1 ] || { echo "$2: status $status, $said"; return 1; }
	is_one_line_with "$1" "$said" && has_text "$BULKHEAD_CONFIG" "$said" || return 1
	nothing_is_left
}

@test "what is beyond a limit is refused by name, and nothing is left" {
	administrator '{annotations: ["bulkhead.vcpus"],
		limits: {vcpus: 2, memory: 134217728, devices: 1, mounts: 1}}'
	refused 'config.json: linux.resources.memory.limit asks for 134217729, more than limits.m' \
		'.mounts = [] | .linux.resources.memory.limit = 134217729'
	refused 'config.json: linux.resources.cpu.quota asks for 3, more than limits.vcpus' \
		'.mounts = [] | .linux.resources.cpu = {quota: 200001, period: 100000}'
	refused 'config.json: linux.devices asks for 2, more than limits.devices' '.mounts = [] |
		.linux.devices = [{path: "/dev/a", type: "c", major: 1, minor: 3},
			{path: "/dev/b", type: "c", major: 1, minor: 5}]'
	refused 'config.json: mounts asks for 2, more than limits.mounts' \
		'.mounts = [{destination: "/proc", type: "proc"}, {destination: "/x", type: "tmpfs"}]'
	refused 'config.json: annotations.bulkhead.vcpus asks for 3, more than limits.vcpus' \
		'.mounts = [] | .annotations["bulkhead.vcpus"] = "3"'
	refused 'config.json: annotations.bulkhead.memory: "annotations" of' \
		'.mounts = [] | .annotations["bulkhead.memory"] = "134217728"'
}

sources='{limits: {mountSources: {allow: [$tmp + "/volumes", $tmp + "/link-to-more"],
	deny: [$tmp + "/volumes/secret"]}}}'

# bind SOURCE: a filter that adds it at /mnt.
bind()
{
	echo ".mounts += [{destination: \"/mnt\", type: \"bind\", options: [\"rbind\"],
		source: (\$tmp + \"$1\")}]"
}

@test "sources of mounts: what is allowed works, no name leads to anything else" {
	local tmp=$BATS_TEST_TMPDIR

	mkdir -p "$tmp/volumes/data" "$tmp/volumes/secret" "$tmp/more" "$tmp/elsewhere"
	echo text > "$tmp/volumes/data/file"
	ln -s data "$tmp/volumes/alias"
	ln -s ../elsewhere "$tmp/volumes/out"
	ln -s secret "$tmp/volumes/data-too"
	ln -s more "$tmp/link-to-more"
	ln -s / "$tmp/root"
	administrator "$sources"
	run -0 container good "$(bind /volumes/alias) | $(bind /more | sed s,/mnt,/more,)" \
		sh -c 'cat /mnt/file; ls -d /more'
	[ "$output" = $'text\n/more' ]
	refused 'config.json: mounts[' "$(bind /elsewhere)"
	refused 'limits.mountSources.allow' "$(bind /elsewhere)"
	refused 'limits.mountSources.allow' "$(bind /volumes/out)"
	refused 'limits.mountSources.deny' "$(bind /volumes/data-too)"
	# What contains it shows it.
	refused 'limits.mountSources.deny' "$(bind /volumes)"
	refused 'limits.mountSources.deny' '.root.path = $tmp + "/volumes/secret"'
	administrator '{limits: {mountSources: {denyHostSystem: true}}}'
	refused 'limits.mountSources.denyHostSystem' "$(bind /root)"
	refused 'limits.mountSources.denyHostSystem' "$(bind /root/etc)"
	refused 'limits.mountSources.denyHostSystem' "$(bind /state)"
	refused 'limits.mountSources.denyHostSystem' '.root.path = "/"'
}

# update_is_refused TEXT ARG...
update_is_refused()
{
	local text=$1

	shift
	run -1 bulkhead update "$@" box < /dev/null
	is_one_line_with "$text" "$output"
	has_text "$BULKHEAD_CONFIG"
}

# up_to NUMBER: that many processors, unless this host has fewer.
up_to()
{
	echo $(($1 < $(nproc) ? $1 : $(nproc)))
}

memory_mib()
{
	bulkhead exec box sed -n 's/^MemTotal: *\([0-9]*\)...$/\1/p' /proc/meminfo < /dev/null |
		awk '{ print int($1 / 1024) }'
}

@test "defaults size the machine for as long as it lives, and updates keep to the limits" {
	administrator '{defaults: {memory: 100663296, vcpus: 2},
		limits: {memory: 134217728, vcpus: 2}}'
	bundle box . sleep 1000
	bulkhead run --detach --bundle "$BATS_TEST_TMPDIR/box" box \
		> "$BATS_TEST_TMPDIR/box.out" 2>&1 < /dev/null 3>&-
	# From here on the file says something else.
	administrator '{defaults: {memory: 67108864}, limits: {memory: 67108864, vcpus: 1}}'
	[ "$(bulkhead exec box grep -c ^processor /proc/cpuinfo < /dev/null)" -eq "$(up_to 2)" ]
	[ "$(memory_mib)" -gt 70 ]
	[ "$(memory_mib)" -lt 96 ]
	run -0 bulkhead events --stats box
	[ "$(jq .data.vm.memory.guest <<< "$output")" -eq 100663296 ]
	# The machine could give it. The administrator does not.
	administrator '{limits: {memory: 67108864, vcpus: 1}}'
	bulkhead update --memory 32m --cpu-quota 100000 --cpu-period 100000 box < /dev/null
	update_is_refused 'update: cpu.quota asks for 2, more than limits.vcpus' --cpu-quota 200000
	update_is_refused 'update: cpu.quota asks for 2, more than limits.vcpus' --cpu-quota -1
	bulkhead update --memory 48m box < /dev/null
	# A file that cannot be read keeps nobody from looking and ending.
	echo '{"limits": {"memmory": 1}}' > "$BULKHEAD_CONFIG"
	update_is_refused 'limits.memmory: is not known here' --memory 32m
	bundle other . true
	run -1 create_bundle other
	is_one_line_with 'limits.memmory: is not known here' "$output"
	is_status box running
	bulkhead exec box true < /dev/null
	bulkhead delete --force box
}

@test "annotations size a machine; kernel and initramfs come from where the file says" {
	cp "$TOP/build/vmlinux" "$BATS_TEST_TMPDIR/kernel"
	administrator '{kernel: ($tmp + "/kernel"), limits: {vcpus: 2}}'
	run -0 container sized '.annotations = {"bulkhead.memory": "134217728",
		"bulkhead.vcpus": "2", "org.example.other": "x"} |
		.linux.resources.memory.limit = 67108864' \
		sh -c 'grep -c ^processor /proc/cpuinfo; grep MemTotal /proc/meminfo
			cat /sys/fs/cgroup/memory.max'
	has_line "$(up_to 2)"
	has_line 67108864
	(($(sed -n 's/^MemTotal: *\([0-9]*\) kB/\1/p' <<< "$output") > 100 * 1024))
	administrator '{initramfs: "/no/such/initramfs"}'
	bundle b . true
	run -1 run_bundle b
	is_one_line_with /no/such/initramfs "$output"
	# The command line has the last word.
	run -0 bulkhead --initramfs "$TOP/build/initramfs.cpio" run \
		--bundle "$BATS_TEST_TMPDIR/b" b
}

# At its own place, below an /etc that has nothing else.
checked_in_etc()
{
	unshare --mount sh -c 'mount --bind "$1" /etc && shift && unset BULKHEAD_CONFIG && exec "$@"' \
		sh "$BATS_TEST_TMPDIR/etc" "$BULKHEAD" --root "$STATE" check "$@"
}

@test "check shows what is in effect, and what is wrong with the file" {
	administrator '{kernel: "/no/such/kernel", logLevel: "info", limits: {mounts: 3}}'
	run -1 bulkhead check
	has_line 'ok      configuration'
	has_text 'failed  guest kernel: '
	has_line "configuration, $BULKHEAD_CONFIG:"
	jq -e '.limits.mounts == 3 and .logLevel == "info" and .defaults.vcpus == 1' \
		<<< "$(sed -n '/^{/,$p' <<< "$output")"
	administrator '{limits: {memory: "1g"}}'
	run -1 bulkhead check
	has_line "failed  configuration: $BULKHEAD_CONFIG: limits.memory: must be a number"
	run -1 bulkhead check --json
	jq -e '(has("configuration") | not) and (.checks[] | select(.name == "configuration") |
		(.ok | not) and .remedy != "")' <<< "$output"
	chmod 0666 "$BULKHEAD_CONFIG"
	run -1 bulkhead check
	has_text 'has mode 0666: nobody but its owner may be able to write it'

	mkdir -p "$BATS_TEST_TMPDIR/etc/bulkhead"
	run -0 checked_in_etc --json
	jq -e '.configuration | .file == "/etc/bulkhead/config.json" and (.present | not) and
		(.effective.kernel | endswith("/vmlinux")) and .effective.ids.count == 65536' \
		<<< "$output"
	echo '{"limits": {"vcpus": 1}}' > "$BATS_TEST_TMPDIR/etc/bulkhead/config.json"
	run -0 checked_in_etc --json
	jq -e '.configuration | .present and .effective.limits.vcpus == 1' <<< "$output"
	# The machine's own is not there, or not like that.
	unset BULKHEAD_CONFIG
	run -0 bulkhead check
	has_line 'ok      configuration'
}
