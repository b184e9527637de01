#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Memory that a container has freed goes back to the host, and what it has not freed stays.
load helpers

SPIKE_MIB=100

setup_file()
{
	cp -a "$TOP/build/test-bundle" "$BATS_FILE_TMPDIR/base"
	cp "$TOP/build/guest/memory_spike" "$BATS_FILE_TMPDIR/base/rootfs/bin/"
}

# In what blocks the guest reports: 2^ORDER pages.
reports_in()
{
	run -0 bulkhead exec box cat /sys/module/page_reporting/parameters/page_reporting_order
	[ "$output" = "$1" ]
}

# start_box FILTER: a container that holds memory, and says so when it is asked.
start_box()
{
	bundle box "$1" memory_spike hold 20
	mkfifo "$BATS_TEST_TMPDIR/ask"
	exec {ask}<> "$BATS_TEST_TMPDIR/ask"
	create_bundle box < "$BATS_TEST_TMPDIR/ask" > "$BATS_TEST_TMPDIR/out" 2>&1 3>&-
	bulkhead start box
	wait_until 20 grep -qx held "$BATS_TEST_TMPDIR/out"
	monitor=$(monitor_of box)
	group=/sys/fs/cgroup$(sed -n 's/^0:://p' "/proc/$monitor/cgroup")
}

# What was held, every second page, is as it was.
holds_its_memory()
{
	echo >&"$ask"
	wait_until 20 grep -q damaged "$BATS_TEST_TMPDIR/out"
	[ "$(tail -n 1 "$BATS_TEST_TMPDIR/out")" = "5120 pages: 0 damaged" ]
}

# In KiB: what the monitor has, and what the container's control group is charged.
resident()
{
	sed -n 's/^VmRSS:\s*\([0-9]*\) kB/\1/p' "/proc/$monitor/status"
}

charged()
{
	echo $(($(< "$group/memory.current") / 1024))
}

# The most that the monitor ever had.
peak()
{
	sed -n 's/^VmHWM:\s*\([0-9]*\) kB/\1/p' "/proc/$monitor/status"
}

# has_settled RESIDENT CHARGED: neither is more than a tenth above.
has_settled()
{
	(($(resident) * 10 <= $1 * 11 && $(charged) * 10 <= $2 * 11))
}

# Footprint at rest, with a spike, and ten seconds later at most.
spike_goes_back()
{
	local before_resident before_charged

	sleep 5 # what the start took has gone back
	before_resident=$(resident)
	before_charged=$(charged)
	# It checks that what went back comes again empty.
	run -0 bulkhead exec box memory_spike touch $SPIKE_MIB
	has_line "touched $((SPIKE_MIB * 256)) pages: 0 not empty, 0 damaged"
	echo "# before $before_resident KiB, $before_charged charged; at most $(peak) KiB" >&3
	(($(peak) > before_resident + SPIKE_MIB * 1024 / 2))
	wait_until 10 has_settled "$before_resident" "$before_charged" ||
		{ echo "resident $(resident), charged $(charged)"; return 1; }
	echo "# at last $(resident) KiB, $(charged) charged" >&3
}

@test "a spike: ten seconds later its memory is the host's again, and the rest is as it was" {
	start_box .
	reports_in 9
	spike_goes_back
	spike_goes_back
	holds_its_memory
}

@test "the same in a machine with little memory" {
	SPIKE_MIB=45
	start_box '.linux.resources.memory.limit = 67108864'
	reports_in 7
	spike_goes_back
	holds_its_memory
}
