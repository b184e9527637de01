#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Limits of config.json: the size of the virtual machine, and the control group inside.
# shellcheck disable=SC2030,SC2031 # output is set by run, and each test is a subshell
load helpers

# total_is LOW HIGH: $output has a MemTotal between these numbers of MiB.
total_is()
{
	local total

	total=$(sed -n 's/^MemTotal: *\([0-9]*\) kB$/\1/p' <<< "$output")
	((total >= $1 * 1024 && total <= $2 * 1024)) || { echo "MemTotal: $total KiB"; return 1; }
}

@test "without limits: 256 MiB and one processor" {
	output=$(container default '.linux.resources = {}' sh -c '
		nproc
		cd /sys/fs/cgroup && cat /proc/meminfo memory.max pids.max cpu.max' < /dev/null)
	total_is 230 256
	has_line 1
	has_line 'max 100000'
	[ "$(grep -cFx max <<< "$output")" -eq 2 ]
}

# A container without a limit of its own, in a small machine.
@test "a container that fills all memory loses a process, not the guest" {
	local status=0

	# shellcheck disable=SC2016 # for the shell inside
	output=$(container full '.linux.resources = {memory: {limit: 1048576},
		unified: {"memory.max": "max"}}' sh -c '
		cat /sys/fs/cgroup/memory.max
		dd if=/dev/zero of=/dev/null bs=42M count=1 2> /dev/null
		echo "dd $?"
		grep "^oom_kill " /sys/fs/cgroup/memory.events
		exit 9' < /dev/null) || status=$?
	[ "$status" -eq 9 ]
	has_line max
	has_line 'dd 137'
	has_line 'oom_kill 1'
}

@test "limits hold inside; a process over one ends, or is not made" {
	local status=0

	# shellcheck disable=SC2016 # for the shell inside
	output=$(container limited '
		.linux.resources.memory = {limit: 33554432, reservation: 16777216, swap: -1} |
		.linux.resources.cpu = {quota: 50000, period: 100000, burst: 10000, shares: 512} |
		.linux.resources.pids = {limit: 40} |
		.linux.resources.unified = {"memory.min": "1048576", "cgroup.max.depth": "3"}' sh -c '
		cat /proc/meminfo /proc/self/cgroup
		cd /sys/fs/cgroup
		for file in memory.max memory.low memory.min cpu.max cpu.max.burst cpu.weight \
			pids.max cgroup.max.depth cgroup.procs; do
			echo "$file: $(head -n 1 $file)"
		done
		grep -c "^cgroup /sys/fs/cgroup cgroup2 ro," /proc/mounts
		echo 1 2> /dev/null > pids.max || echo read-only
		dd if=/dev/zero of=/dev/null bs=40M count=1 2> /dev/null
		echo "dd $?"
		grep "^oom_kill " memory.events
		(i=0; while [ $i -lt 100 ]; do sleep 100 & i=$((i + 1)); done) > /dev/null 2>&1
		echo "forks $?"
		read -r refused < pids.events
		echo "refused $refused"
		exit 7' < /dev/null) || status=$?
	[ "$status" -eq 7 ]
	# All of the limit, what the kernel and guest-init need, and not much more.
	total_is 48 60
	has_line 0::/
	has_line 'memory.max: 33554432'
	has_line 'memory.low: 16777216'
	has_line 'memory.min: 1048576'
	has_line 'cpu.max: 50000 100000'
	has_line 'cpu.max.burst: 10000'
	has_line 'cpu.weight: 20'
	has_line 'pids.max: 40'
	has_line 'cgroup.max.depth: 3'
	has_line 'cgroup.procs: 1'
	has_line 1
	has_line read-only
	has_line 'dd 137'
	has_line 'oom_kill 1'
	has_line 'forks 2'
	has_line 'refused max 1'
}

@test "a writable control group is the user's whose process it is, but for its limits" {
	# shellcheck disable=SC2016 # for the shell inside
	output=$(container given '
		.process.user = {uid: 1000, gid: 1000} | .linux.namespaces += [{type: "cgroup"}] |
		.linux.resources.pids = {limit: 40} |
		(.mounts[] | select(.type == "cgroup")) |= (.type = "cgroup2" | .options -= ["ro"])' \
		sh -c 'cd /sys/fs/cgroup
		stat -c "%u %n" . cgroup.procs cgroup.threads cgroup.subtree_control pids.max
		mkdir sub && echo $$ > sub/cgroup.procs && cat /proc/self/cgroup
		echo 50 2> /dev/null > pids.max || echo "limit kept"' < /dev/null)
	[ "$output" = "1000 .
1000 cgroup.procs
1000 cgroup.threads
1000 cgroup.subtree_control
0 pids.max
0::/sub
limit kept" ] || { echo "$output"; return 1; }
}

# Rules of config.json, those that every container has, and a group of its own to manage.
@test "device rules decide; a writable control group is the container's below its limits" {
	# shellcheck disable=SC2016 # for the shell inside
	output=$(container devices '
		.linux.resources.devices = [
			{allow: false, access: "rwm"},
			{allow: true, type: "c", major: 10, minor: 229, access: "rm"},
			{allow: false, type: "c", major: 1, minor: 3, access: "rwm"}] |
		.linux.namespaces += [{type: "cgroup"}] |
		.linux.resources.pids = {limit: 40} |
		(.mounts[] | select(.type == "cgroup")) |= (.type = "cgroup2" | .options -= ["ro"]) |
		.process.capabilities[] += ["CAP_MKNOD", "CAP_SYS_ADMIN", "CAP_DAC_OVERRIDE"]' sh -c '
		cd /dev
		try() { "$@" 2> error && echo "yes: $*" || { echo "no: $*"; sed "s/.*: //" error; }; }
		reading() { true < "$1"; }
		both() { true <> "$1"; }
		mknod allowed c 10 229 && mknod console c 5 1 && mknod disk b 8 0
		try reading allowed
		try both allowed
		try reading console
		try reading disk
		try both null
		try both tty
		cd /sys/fs/cgroup
		echo max 2> /dev/null > pids.max || echo "limit kept"
		mkdir sub && echo 5 > /dev/null && echo $$ > sub/cgroup.procs
		cat /proc/self/cgroup
		echo "+pids" > cgroup.subtree_control && echo 30 > sub/pids.max && cat sub/pids.max' \
		< /dev/null)
	echo "$output" # shown when something is amiss
	[ "$(grep -A1 '^no: ' <<< "$output")" = "no: both allowed
Operation not permitted
no: reading console
Operation not permitted
no: reading disk
Operation not permitted
--
no: both tty
No such device or address" ]
	has_line 'yes: reading allowed'
	has_line 'yes: both null'
	has_line 'limit kept'
	has_line 0::/sub
	has_line 30
}

@test "exec joins the group; a fork bomb keeps nobody from ending the container" {
	bundle bomb '.linux.resources.pids = {limit: 60} |
		.linux.resources.devices = [{allow: true, access: "rwm"}] |
		.process.capabilities[] += ["CAP_MKNOD"]' sh -c '
		mknod /dev/console c 5 1 && true > /dev/console && echo open
		sleep 1000'
	create_bundle bomb < /dev/null > "$BATS_TEST_TMPDIR/output" 2>&1
	bulkhead start bomb
	wait_until 30 grep -qx open "$BATS_TEST_TMPDIR/output"
	# shellcheck disable=SC2016 # for the shell inside
	output=$(bulkhead exec bomb sh -c 'cat /proc/self/cgroup
		grep -qx $$ /sys/fs/cgroup/cgroup.procs && echo inside
		[ "$(readlink /proc/self/ns/cgroup)" = "$(readlink /proc/1/ns/cgroup)" ] && echo same')
	has_line 0::/
	has_line inside
	has_line same
	bulkhead exec --detach bomb sh -c '
		bomb() { while :; do bomb 2> /dev/null & done; }
		bomb' < /dev/null > /dev/null 2>&1
	sleep 5
	is_status bomb running
	bulkhead kill bomb KILL
	wait_until 30 is_status bomb stopped
}

@test "what the kernel refuses is an error that names the field" {
	bundle refused '.linux.resources.unified = {"memory.high": "plenty"}' true
	run -1 run_bundle refused
	is_one_line_with 'linux.resources.unified.memory.high: write "plenty" to memory.high: invalid argument' "$output"
}

# Each loop counts in user mode; a processor that is not there or does not run shows no such time.
# shellcheck disable=SC2016 # for the shell inside
BOTH_RUN='nproc
	(while :; do :; done) & (while :; do :; done) &
	for second in $(seq 60); do
		sleep 1
		[ "$(grep -c "^cpu[01] [0-9]\{2,\} " /proc/stat)" -lt 2 ] || break
	done
	grep "^cpu[0-9]" /proc/stat
	cat /sys/fs/cgroup/cpu.max'

both_have_run()
{
	has_line 2
	[ "$(grep -c '^cpu' <<< "$output")" -eq 2 ]
	[ "$(grep -c '^cpu[01] [0-9]\{2,\} ' <<< "$output")" -eq 2 ]
	has_line '150000 100000'
}

@test "a quota of one and a half processors is two, and both run" {
	output=$(container both '.linux.resources.cpu = {quota: 150000, period: 100000}' \
		sh -c "$BOTH_RUN" < /dev/null)
	both_have_run
}

@test "two processors that were saved in a template both go on" {
	local templates=$BATS_TEST_TMPDIR/templates

	bundle both '.linux.resources.cpu = {quota: 150000, period: 100000}' sh -c "$BOTH_RUN"
	output=$(bulkhead --template always --template-dir "$templates" \
		run --bundle "$BATS_TEST_TMPDIR/both" both < /dev/null)
	both_have_run
	run -0 bulkhead --template-dir "$templates" template list
	has_text '268435456   2 '
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
