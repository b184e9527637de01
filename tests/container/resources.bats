#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Limits of config.json become the size of the virtual machine.
load helpers

# What the guest's kernel keeps from MemTotal: its image, page descriptors, early allocations.
KERNEL_KIB=$((24 * 1024))

# memory_is MIB: $output has the MemTotal of a machine with that much memory.
memory_is()
{
	local total

	total=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' <<< "$output")
	((total <= $1 * 1024 && total >= $1 * 1024 - KERNEL_KIB - $1 * 1024 / 50)) ||
		{ echo "MemTotal of $1 MiB: $total KiB"; return 1; }
}

limited()
{
	output=$(container "limited-$1" ".linux.resources.memory.limit = $1 * 1048576" \
		cat /proc/meminfo < /dev/null)
	memory_is "$1"
}

@test "without limits: 256 MiB and one processor" {
	output=$(container default . sh -c 'nproc; cat /proc/meminfo' < /dev/null)
	memory_is 256
	has_line 1
}

@test "a memory limit is the machine's memory" {
	limited 128
	limited 512
}

# Each loop counts in user mode; a processor that is not there or does not run shows no such time.
@test "a quota of one and a half processors is two, and both run" {
	# shellcheck disable=SC2016 # for the shell inside
	output=$(container both '.linux.resources.cpu = {quota: 150000, period: 100000}' sh -c '
		nproc
		(while :; do :; done) & (while :; do :; done) &
		for second in $(seq 60); do
			sleep 1
			[ "$(grep -c "^cpu[01] [0-9]\{2,\} " /proc/stat)" -lt 2 ] || break
		done
		grep "^cpu[0-9]" /proc/stat' < /dev/null)
	has_line 2
	[ "$(grep -c '^cpu' <<< "$output")" -eq 2 ]
	[ "$(grep -c '^cpu[01] [0-9]\{2,\} ' <<< "$output")" -eq 2 ]
}

# printed LETTER COUNT: the container has printed that letter more often than that.
printed()
{
	[ "$(grep -c "$1" "$BATS_TEST_TMPDIR/both.out")" -gt "$2" ]
}

@test "two busy processors stand still together, and both go on" {
	local out=$BATS_TEST_TMPDIR/both.out size letter

	# shellcheck disable=SC2016 # for the shell inside
	bundle both '.linux.resources.cpu = {quota: 200000, period: 100000}' sh -c '
		count() { while :; do i=$((i + 1)); [ $((i % 1000)) -ne 0 ] || echo "$1"; done; }
		count a & count b'
	bulkhead run --detach --bundle "$BATS_TEST_TMPDIR/both" both > "$out" 2>&1 < /dev/null 3>&-
	for letter in a b; do
		wait_until 30 printed "$letter" 3
	done
	for _ in {1..20}; do
		bulkhead pause both
		bulkhead resume both
	done
	bulkhead pause both
	sleep 0.5
	size=$(stat -c %s "$out")
	sleep 2
	[ "$(stat -c %s "$out")" -eq "$size" ]
	bulkhead resume both
	for letter in a b; do
		wait_until 30 printed "$letter" "$(grep -c "$letter" "$out")"
	done
	bulkhead delete --force both
}
