#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Limits of a container that exists are changed, and what it uses is told.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
# shellcheck disable=SC2154,SC2030,SC2031 # output is set by run, and each test is a subshell
load helpers

MIB=1048576

# start_box FILTER [COMMAND...]: its last argument is 1000
start_box()
{
	local filter=$1

	shift
	[ $# -gt 0 ] || set -- sleep
	bundle box "$filter" "$@" 1000
	bulkhead run --detach --bundle "$BATS_TEST_TMPDIR/box" box \
		> "$BATS_TEST_TMPDIR/box.out" 2>&1 < /dev/null 3>&-
}

# inside FILE...: the first line of these files of the control group, in one line.
inside()
{
	bulkhead exec box sh -c 'cd /sys/fs/cgroup && for file; do head -n 1 "$file"; done' sh "$@" \
		< /dev/null | paste -sd ' '
}

# inside_is VALUES FILE...
inside_is()
{
	local want=$1 values

	shift
	values=$(inside "$@")
	[ "$values" = "$want" ] || { echo "$*: '$values', not '$want'"; return 1; }
}

# on_host FILE: of the container's control group, version 2.
on_host()
{
	cat "/sys/fs/cgroup/bulkhead-update/box/$1"
}

update()
{
	local said status=0

	said=$(bulkhead update "$@" 2>&1 < /dev/null) || status=$?
	[ "$status$said" = 0 ] || { echo "update $*: $status, $said"; return 1; }
}

# refused TEXT ARG...: `update ARG...` fails with that in its one line.
refused()
{
	local text=$1

	shift
	run -1 bulkhead update "$@" < /dev/null
	is_one_line_with "$text" "$output"
}

limited='.linux.cgroupsPath = "/bulkhead-update/box" |
	.linux.resources = {memory: {limit: 67108864}, cpu: {quota: 50000, period: 100000},
		pids: {limit: 50}} |
	.mounts += [{destination: "/full", type: "tmpfs", source: "tmpfs"}]'

teardown()
{
	delete_all
	nothing_is_left
	no_call_was_refused
	[ ! -d /sys/fs/cgroup/bulkhead-update ] || rmdir /sys/fs/cgroup/bulkhead-update
}

@test "limits of a running container change inside and on the host, and no others" {
	start_box "$limited"
	inside_is "67108864 50000 100000 50" memory.max cpu.max pids.max
	update --memory 32m --pids-limit 20 box
	inside_is "33554432 50000 100000 20" memory.max cpu.max pids.max
	# One of two that belong together leaves the other as it was.
	update --cpu-quota 25000 --cpu-share 512 box
	inside_is "33554432 25000 100000 20 20" memory.max cpu.max pids.max cpu.weight
	[ "$(on_host cpu.max)" = "25000 100000" ]
	[ "$(on_host cpu.weight)" = 20 ]
	update --cpu-period 50000 box
	inside_is "25000 50000" cpu.max
	update --cpu-idle 1 box
	update --cpu-share=1024 --cpu-burst 1000 box
	inside_is "1 1000" cpu.idle cpu.max.burst
	[ "$(on_host cpu.idle)" = 1 ]
	update --cpu-idle 0 --cpu-quota -1 box
	inside_is "39 max 50000" cpu.weight cpu.max

	# As engines do it: a file, or standard input, with nothing for what stays.
	echo '{"memory": {"limit": 50331648, "swap": 0}, "cpu": {"shares": 0, "cpus": ""},
		"blockIO": {"weight": 0}, "pids": {"limit": -1}, "devices": [{"allow": true}],
		"unknown": {"member": 1}, "unified": {"memory.high": "40000000"}}' \
		> "$BATS_TEST_TMPDIR/resources.json"
	update --resources "$BATS_TEST_TMPDIR/resources.json" box
	inside_is "50331648 39 max 39997440" memory.max cpu.weight pids.max memory.high
	run -0 bulkhead update --resources=- box <<< '{"memory": {"limit": 41943040}}'
	[ -z "$output" ]
	run -0 bulkhead update -r - box <<< '{"pids": {"limit": 33}}'
	inside_is "41943040 33" memory.max pids.max
	# A limit on both goes with that on memory.
	update --memory 16m --memory-swap 64m box
	[ "$(on_host memory.swap.max)" = $((48 * MIB)) ]
	update --memory -1 box
	inside_is max memory.max
	[ "$(on_host memory.swap.max)" = max ]
	refused_values
}

# What cannot be: one line that names it, and nothing has changed.
refused_values()
{
	local before

	before=$(inside memory.max cpu.max cpu.weight pids.max)
	refused 'update: memory.limit: 1073741824 bytes are more than the' --memory 1g box
	refused "virtual machine can give" --memory 1g box
	refused 'update: memory.swap: needs a memory limit' --memory-swap 64m box
	refused 'update: memory.swap: is smaller' --memory 32m --memory-swap 16m box
	refused "update: cpu.quota" --cpu-quota 5 box
	refused "update: cpu.realtimeRuntime" --cpu-rt-runtime 5000 box
	refused "--memory: 'much' is not a number of bytes" --memory much box
	refused "--pids-limit: '' is not a number" --pids-limit= box
	refused "--l3-cache-schema" --l3-cache-schema x box
	refused '/no/such/file' --resources /no/such/file box
	refused 'requires exactly 1 argument' --memory 32m
	refused 'does not exist' --memory 32m nobody
	echo '{"memory": {"limit": "32m"}}' > "$BATS_TEST_TMPDIR/text.json"
	refused 'text.json: memory.limit: ' --resources "$BATS_TEST_TMPDIR/text.json" box
	echo '[]' > "$BATS_TEST_TMPDIR/list.json"
	refused 'list.json' --resources "$BATS_TEST_TMPDIR/list.json" box
	echo '{"memory": ' > "$BATS_TEST_TMPDIR/half.json"
	refused 'half.json' --resources "$BATS_TEST_TMPDIR/half.json" box
	echo '{"unified": {"memory.no_such": "1"}}' > "$BATS_TEST_TMPDIR/unified.json"
	refused 'memory.no_such' --resources "$BATS_TEST_TMPDIR/unified.json" box
	# What is in use may be asked for.
	echo '{"memory": {"limit": 1048576, "checkBeforeUpdate": true}}' \
		> "$BATS_TEST_TMPDIR/check.json"
	bulkhead exec box dd if=/dev/zero of=/full/file bs=1M count=8 < /dev/null 2> /dev/null
	refused 'memory.limit: 1048576 bytes are less than the ' \
		--resources "$BATS_TEST_TMPDIR/check.json" box
	[ "$(inside memory.max cpu.max cpu.weight pids.max)" = "$before" ]
}

@test "created and paused containers take limits, stopped ones do not" {
	bundle box "$limited" sh -c 'sleep 1000; exit 3'
	create_bundle box > "$BATS_TEST_TMPDIR/box.out" 2>&1 < /dev/null 3>&-
	update --pids-limit 10 box
	bulkhead start box
	inside_is 10 pids.max
	bulkhead pause box
	update --pids-limit 11 box
	update --pids-limit 12 --cpu-quota 40000 box
	[ "$(on_host cpu.max)" = "40000 100000" ]
	run -1 bulkhead events --stats box
	is_one_line_with 'a paused container cannot be asked' "$output"
	bulkhead resume box
	inside_is "12 40000 100000" pids.max cpu.max
	bulkhead kill box KILL
	wait_until 20 is_status box stopped
	refused 'container not running' --pids-limit 10 box
	run -1 bulkhead events --stats box
	is_one_line_with 'container with id box is not running' "$output"
}

# figure PATH: of the last statistics
figure()
{
	jq -e ".data.$1" <<< "$output"
}

@test "statistics: the workload's from the guest, and the machine's beside them; OOM kills" {
	local events=$BATS_TEST_TMPDIR/events pid

	start_box "$limited" sh -c 'i=0; while [ $i -lt 30000 ]; do i=$((i + 1)); done
			dd if=/dev/zero of=/full/file bs=1M count=10 2> /dev/null; sleep "$1"; exit' sh
	bulkhead events --interval 1s box > "$events" 2>&1 < /dev/null 3>&- &
	pid=$!
	wait_until 60 has_files_of $((10 * MIB))
	[ "$(jq -r .type <<< "$output")" = stats ]
	[ "$(jq -r .id <<< "$output")" = box ]
	[ "$(figure memory.usage.limit)" -eq $((64 * MIB)) ]
	(($(figure memory.usage.max) >= $(figure memory.usage.usage)))
	(($(figure memory.usage.usage) < 40 * MIB))
	(($(figure memory.cache) >= 10 * MIB))
	(($(figure memory.raw.shmem) >= 10 * MIB))
	(($(figure cpu.usage.total) > 10000000))
	(($(figure cpu.usage.total) >= $(figure cpu.usage.user)))
	[ "$(figure pids.limit)" -eq 50 ]
	[ "$(figure pids.current)" -eq 2 ]
	# The guest's kernel is not the workload, and the machine is more than the guest.
	(($(figure vm.memory.guest) > 64 * MIB))
	(($(figure vm.memory.usage) > $(figure memory.usage.usage)))
	(($(figure vm.cpu.total) > $(figure cpu.usage.total)))
	(($(figure vm.pids.current) >= 3))

	run ! bulkhead exec box dd if=/dev/zero of=/dev/null bs=80M count=1 < /dev/null
	wait_until 30 grep -qFx '{"type":"oom","id":"box"}' "$events"
	wait_until 30 has_events_of stats 2
	bulkhead kill box KILL
	wait "$pid"
	[ "$(jq -r .type "$events" | sort -u | paste -sd ' ')" = "oom stats" ]
	run -1 bulkhead events --interval 0s box
	run -1 bulkhead events --interval soon box
	is_one_line_with "'soon' is not a duration" "$output"
}

# The kernel counts what a group uses at once, what kinds of pages these are some time later.
has_files_of()
{
	output=$(bulkhead events --stats box) && (($(figure memory.cache) >= $1))
}

has_events_of()
{
	(($(grep -c "\"type\":\"$1\"" "$events") >= $2))
}
