#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The control group on the host that a container's processes are in.
load helpers

MIB=1048576
small=".linux.resources.memory.limit = $((64 * MIB))"

# Where paths of config.json begin: the unified hierarchy, or that of the memory controller.
root_of_memory()
{
	local mount=/sys/fs/cgroup

	[ -e $mount/cgroup.controllers ] || mount=$mount/memory
	echo "$mount"
}

# file_of V2 V1: the name of a file of the memory controller
file_of()
{
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then echo "$1"; else echo "$2"; fi
}


# Parents stay, as with other runtimes; these are the tests' own.
teardown()
{
	delete_all
	nothing_is_left
	no_call_was_refused
	find /sys/fs/cgroup -depth -type d \( -path '*/bulkhead-bats/*' -o -name bulkhead-bats \
		-o -path '*/bulkheadbats.slice/*' -o -name bulkheadbats.slice \) -exec rmdir {} +
}

start_box()
{
	bundle box "$small | $1" sleep 1000
	shift
	bulkhead "$@" run --detach --bundle "$BATS_TEST_TMPDIR/box" box \
		> "$BATS_TEST_TMPDIR/box.out" 2>&1 < /dev/null 3>&-
}

pid_of()
{
	bulkhead state "$1" | jq .pid
}

# members_are DIRECTORY PID...: all of these processes, in this hierarchy.
members_are()
{
	local directory=$1 pid

	shift
	for pid; do
		grep -qx "$pid" "$directory/cgroup.procs" ||
			{ echo "$pid is not in $directory"; return 1; }
	done
}

oom_kills_are()
{
	grep -qx "oom_kill $2" "$1/memory.events"
}

@test "the control group of cgroupsPath: everything is in it, limited, and goes with it" {
	local top directory pid stray

	top=$(root_of_memory)
	directory=$top/bulkhead-bats/a/box
	start_box '.linux.cgroupsPath = "/bulkhead-bats/a/box"'
	pid=$(pid_of box)
	members_are "$directory" "$pid" "$(monitor_of box)"
	bulkhead exec --detach --pid-file "$BATS_TEST_TMPDIR/exec.pid" box sleep 1000 \
		> "$BATS_TEST_TMPDIR/exec.out" 2>&1 < /dev/null 3>&-
	members_are "$directory" "$(< "$BATS_TEST_TMPDIR/exec.pid")"
	# The VM and what is around it, not less.
	(($(< "$directory/$(file_of memory.max memory.limit_in_bytes)") > (64 + 32) * MIB))
	(($(< "$directory/$(file_of memory.current memory.usage_in_bytes)") > 8 * MIB))

	# An OOM kill in the guest is shown, to whom it concerns. The container lives on.
	if [ -e "$directory/memory.events" ]; then
		oom_kills_are "$directory" 0
		run -137 bulkhead exec box dd if=/dev/zero of=/dev/null bs=70M count=1 < /dev/null
		wait_until 20 oom_kills_are "$directory" 1
		is_status box running
		members_are "$directory" "$pid" "$(monitor_of box)"
	fi

	# A second container cannot have it.
	bundle two "$small | .linux.cgroupsPath = \"/bulkhead-bats/a/box\"" true
	run -1 create_bundle two
	is_one_line_with "container's cgroup is not empty: " "$output"
	[ "$(ls "$STATE")" = box ]

	# Whatever is in it ends with it; the parent is not this container's alone.
	sleep 1000 3>&- &
	stray=$!
	echo $stray > "$directory/cgroup.procs"
	kill -KILL "$(monitor_of box)"
	wait_until 10 no_processes
	[ -d "$directory" ]
	bulkhead delete box
	[ ! -d "$directory" ] && [ ! -e "$directory.oom" ]
	run ! kill -0 $stray
	[ -d "$top/bulkhead-bats/a" ]
}

@test "without cgroupsPath: beside the caller's; killed, it is still found" {
	local directory

	start_box .
	directory=$(jq -r '.hostCgroup.directories[0].path' "$STATE/box/state.json")
	[ "$(basename "$directory")" = box ]
	members_are "$directory" "$(pid_of box)"
	if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
		[ "$directory" = "/sys/fs/cgroup$(sed 's/^0:://; s,/[^/]*$,,' /proc/self/cgroup)/box" ]
	fi
	kill -KILL "$(pid_of box)"
	wait_until 10 no_processes
	bulkhead delete --force box
	[ ! -d "$directory" ]
}

@test "systemd's spelling, with --systemd-cgroup and only then" {
	local directory status=0

	bundle box "$small | .linux.cgroupsPath = \"bulkheadbats.slice:pre:box\"" sleep 1000
	bulkhead --systemd-cgroup run --bundle "$BATS_TEST_TMPDIR/box" box < /dev/null 3>&- &
	directory=$(root_of_memory)/bulkheadbats.slice/pre-box.scope
	wait_until 100 is_status box running
	members_are "$directory" "$(pid_of box)" "$(monitor_of box)"
	bulkhead kill box KILL
	wait $! || status=$?
	[ "$status" -eq 137 ]
	[ ! -d "$directory" ]

	bundle box "$small | .linux.cgroupsPath = \"/a/b\"" true
	run -1 bulkhead --systemd-cgroup create --bundle "$BATS_TEST_TMPDIR/box" box
	is_one_line_with 'expected cgroupsPath to be of format "slice:prefix:name" for systemd cgroups, got "/a/b" instead' "$output"
	bundle box "$small | .linux.cgroupsPath = \"/\"" true
	run -1 create_bundle box
	is_one_line_with "linux.cgroupsPath: " "$output"
	run -1 bulkhead --cgroup-manager=other list
	is_one_line_with "--cgroup-manager is cgroupfs, systemd or disabled, not 'other'" "$output"
	[ -z "$(ls -A "$STATE")" ]
}

@test "--cgroup-manager=disabled: the caller's control group" {
	start_box '.linux.cgroupsPath = "/bulkhead-bats/none"' --cgroup-manager=disabled
	[ "$(cat "/proc/$(pid_of box)/cgroup")" = "$(cat /proc/self/cgroup)" ]
	[ -z "$(find /sys/fs/cgroup -name bulkhead-bats)" ]
	bulkhead delete --force box
}

@test "a guest that takes all of its memory is not killed by its own limit" {
	local directory=

	# A tmpfs of the size of the memory.
	# shellcheck disable=SC2016 # for the shell inside
	bundle box "$small | .linux.cgroupsPath = \"/bulkhead-bats/box\" |
		(.mounts[] | select(.destination == \"/dev/shm\") | .options) |=
			map(if startswith(\"size\") then \"size=70%\" else . end)" \
		sh -c 'dd if=/dev/zero of=/dev/shm/all bs=64k 2> /dev/null; echo full
			exec sleep 1000'
	bulkhead run --detach --bundle "$BATS_TEST_TMPDIR/box" box \
		> "$BATS_TEST_TMPDIR/box.out" 2>&1 < /dev/null 3>&-
	wait_until 100 grep -q full "$BATS_TEST_TMPDIR/box.out"
	is_status box running
	directory=$(root_of_memory)/bulkhead-bats/box
	[ ! -e "$directory/memory.events" ] || oom_kills_are "$directory" 0
	bulkhead delete --force box
}

@test "control groups of the machine itself, version 2 where that is all there is" {
	run -0 timeout 60 "$TOP/build/unit/test_host_cgroup_live" all
	run ! grep -A 2 '^not ok' <<< "$output"
}
