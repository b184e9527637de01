#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Guests that hang, in earnest: their kernel in a panic, their guest-init stopped or killed, their
# only processor never given up. `kill KILL` ends them within a second, `delete --force` always.
# The bound here is wider, since the emulated host is slow; what it took is in the output.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

SECONDS_MAX=10

# The container sees guest-init, and may do with it what it likes.
SEES_INIT='.linux.resources.memory.limit = 67108864 |
	.linux.namespaces |= map(select(.type != "pid")) |
	.process.capabilities[] |= . + ["CAP_SYS_PTRACE"] |
	.mounts += [{destination: "/var/tmp", type: "bind", source: "'$TOP/build/guest'",
		options: ["ro"]}]'
# A panic does not end the machine.
STAYS='.linux.sysctl["kernel.panic"] = "0"'
# The first process leaves nothing to any other, guest-init included.
STARVES='.process.scheduler = {policy: "SCHED_FIFO", priority: 99} |
	.linux.sysctl["kernel.sched_rt_runtime_us"] = "-1"'

LOOP='trap "" TERM; while :; do :; done'

start()
{
	bundle "$@"
	run_bundle "$1" --detach > "$BATS_TEST_TMPDIR/$1.out" 2>&1 < /dev/null 3>&-
}

# in_background NAME ARG...: an exec that stays. Its output is in the file NAME, $! its process.
in_background()
{
	local name=$1

	shift
	"$BULKHEAD" --root "$STATE" exec box "$@" < /dev/null > "$BATS_TEST_TMPDIR/$name" 2>&1 3>&- &
}

# An attached process is there that says a word.
attach()
{
	in_background attached sh -c 'echo here; exec sleep 1000'
	attached=$!
	wait_until 60 grep -q here "$BATS_TEST_TMPDIR/attached"
}

# Nobody in the guest answers any more.
is_mute()
{
	! timeout --kill-after=1 3 "$BULKHEAD" --root "$STATE" exec box true \
		> "$BATS_TEST_TMPDIR/mute" 2>&1 < /dev/null
}

# hang HOW: with tests/guest/hang_init.c
hang()
{
	in_background hang /var/tmp/hang_init "$1"
	wait_until 60 is_mute || { cat "$BATS_TEST_TMPDIR/hang"; return 1; }
}

# ends_by WHAT ARG...: `bulkhead ARG...` ends the container, in time.
ends_by()
{
	local what=$1 start=${EPOCHREALTIME/./} took

	shift
	bulkhead "$@"
	took=$(((${EPOCHREALTIME/./} - start) / 1000))
	echo "# $what: $1 took $took ms" >&3
	((took < SECONDS_MAX * 1000))
	wait_until 5 no_processes
}

# Whoever is attached learns of the end, as of a process that was killed.
has_ended()
{
	local status=0

	wait "$1" || status=$?
	[ "$status" -eq 137 ]
}

@test "a first process in a loop; then guest-init stands still: kill KILL" {
	local attached pid failed=0 i status=0
	local pids=()

	start box "$SEES_INIT" sh -c "$LOOP"
	attach
	for i in {1..20}; do
		in_background "out.$i" sh -c "echo $i; exit $i"
		pids[i]=$!
	done
	for i in {1..20}; do
		wait "${pids[i]}" || [ $? -eq "$i" ] || failed=1
		[ "$(< "$BATS_TEST_TMPDIR/out.$i")" = "$i" ] || failed=1
	done
	[ $failed -eq 0 ]

	hang stop
	is_status box running
	bulkhead kill box TERM
	# Who waits for an answer can stop waiting.
	in_background interrupted true
	pid=$!
	sleep 1
	kill -TERM "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 255 ]
	is_one_line_with 'exec failed' "$(< "$BATS_TEST_TMPDIR/interrupted")"
	ends_by "guest-init stopped" kill box KILL
	is_status box stopped
	has_ended "$attached"
	bulkhead delete box
}

@test "the guest's kernel in a panic, then paused: delete --force" {
	local attached

	start box "$SEES_INIT | $STAYS" sleep 1000
	attach
	hang kill
	is_status box running
	bulkhead pause box
	is_status box paused
	ends_by "panic, paused" delete --force box
	has_ended "$attached"
}

@test "guest-init killed: the container ends by itself, and whoever is attached" {
	local attached

	start box "$SEES_INIT" sleep 1000
	attach
	in_background hang /var/tmp/hang_init kill
	wait_until 60 is_status box stopped
	wait_until 5 no_processes
	has_ended "$attached"
	bulkhead delete box
}

@test "created and never started, guest-init stopped or in a panic" {
	bundle box "$SEES_INIT | $STAYS" sleep 1000
	create_bundle box > "$BATS_TEST_TMPDIR/box.out" 2>&1 < /dev/null 3>&-
	hang stop
	is_status box created
	ends_by "created, guest-init stopped" kill box KILL
	bulkhead delete box

	create_bundle box > "$BATS_TEST_TMPDIR/box.out" 2>&1 < /dev/null 3>&-
	hang kill
	is_status box created
	ends_by "created, panic" delete --force box
	[ -z "$(ls -A "$STATE")" ]
}

# wait_until has no time to lose: without an answer every round takes seconds.
@test "a first process that leaves guest-init no time: kill KILL" {
	# guest-init has a moment to say that it was executed.
	start box ".linux.resources.memory.limit = 67108864 | $STARVES" sh -c "sleep 1; $LOOP"
	wait_until 60 is_mute
	bulkhead kill box TERM
	is_status box running
	bulkhead pause box
	ends_by "starved, paused" kill box KILL
	bulkhead delete box
}
