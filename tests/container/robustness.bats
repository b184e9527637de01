#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Many at once, again and again, killed at any moment: nothing is left behind.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

small='.linux.resources.memory.limit = 67108864'

# background NAME: run the bundle of that name, output in a file of that name.
background()
{
	run_bundle "$1" > "$BATS_TEST_TMPDIR/$1.out" 2>&1 < /dev/null 3>&-
}

@test "20 containers at once all finish correctly" {
	local pids=() i
	# shellcheck disable=SC2034 # read by bulkhead
	local TIME_LIMIT=600

	for i in {1..20}; do
		bundle "many-$i" "$small" sh -c "hostname; echo I am $i; exit $i"
		background "many-$i" &
		pids[i]=$!
	done
	for i in {1..20}; do
		local status=0

		wait "${pids[i]}" || status=$?
		output=$(< "$BATS_TEST_TMPDIR/many-$i.out")
		[ "$status" -eq "$i" ] || { echo "many-$i: $status: $output"; return 1; }
		has_line "I am $i"
	done
}

try_create()
{
	local status=0

	bulkhead create --bundle "$BATS_TEST_TMPDIR/twins" twins \
		> "$BATS_TEST_TMPDIR/$1" 2>&1 < /dev/null 3>&- || status=$?
	echo "$status" > "$BATS_TEST_TMPDIR/$1.status"
}

@test "of two creates with one id exactly one wins" {
	bundle twins "$small" sleep 100
	for _ in 1 2 3; do
		try_create a &
		try_create b &
		wait
		[ "$(sort "$BATS_TEST_TMPDIR"/{a,b}.status | tr '\n' ' ')" = "0 1 " ]
		output=$(cat "$BATS_TEST_TMPDIR"/{a,b})
		is_one_line_with "container with given ID already exists" "$output"
		is_status twins created
		bulkhead delete --force twins
	done
}

pid_of()
{
	bulkhead state "$1" | jq .pid
}

start_sleeper()
{
	bundle "$1" "$small" sleep 1000
	bulkhead run --detach --bundle "$BATS_TEST_TMPDIR/$1" "$1" \
		> "$BATS_TEST_TMPDIR/$1.out" 2>&1 < /dev/null 3>&-
	is_status "$1" running
}

# What a VM holds on the host apart from processes: memory that only its monitor maps.
@test "kill -9 of the monitor ends the container and leaves nothing" {
	start_sleeper victim
	kill -KILL "$(monitor_of victim)"
	wait_until 10 no_processes
	is_status victim stopped
	[ "$(pid_of victim)" -eq 0 ]
	run -1 bulkhead kill victim TERM
	has_text "container not running"
	bulkhead delete victim
	run -1 bulkhead state victim
	has_text "container does not exist"
}

@test "kill -9 of the container process ends the container and leaves nothing" {
	start_sleeper victim
	kill -KILL "$(pid_of victim)"
	wait_until 10 no_processes
	is_status victim stopped
	bulkhead delete victim
}

# create_and_kill DELAY: kill the command line so many seconds after it began.
create_and_kill()
{
	local pid

	"$BULKHEAD" --root "$STATE" create --bundle "$BATS_TEST_TMPDIR/cut" cut \
		> "$BATS_TEST_TMPDIR/cut.out" 2>&1 < /dev/null 3>&- &
	pid=$!
	sleep "$1"
	kill -KILL "$pid" 2> /dev/null || :
	wait "$pid" 2> /dev/null || :
	# Killed in time it takes everything with it; else the container stands.
	if [ -e "$STATE/cut" ] && is_status cut created; then
		bulkhead delete --force cut
		return
	fi
	wait_until 10 no_processes || { echo "left after $1 s: $(pgrep -af "$STATE")"; return 1; }
	if [ -e "$STATE/cut" ]; then
		bulkhead state cut > /dev/null || return 1
		is_status cut stopped || return 1
	fi
	bulkhead delete --force cut
	[ -z "$(ls -A "$STATE" 2> /dev/null)" ]
}

@test "kill -9 of the command line in the middle of create leaves only a record" {
	local delay

	bundle cut "$small" sleep 100
	for delay in 0.01 0.03 0.06 0.1 0.2 0.4 0.8 1.5 3; do
		create_and_kill "$delay"
	done
}

# mute_initramfs FILE: its init never says a word.
mute_initramfs()
{
	local tree=$BATS_TEST_TMPDIR/mute

	mkdir "$tree"
	cp /bin/busybox "$tree/init"
	(cd "$tree" && echo init | cpio --quiet -o -H newc) > "$1"
}

@test "a signal to the command line in the middle of create undoes it" {
	local pid status=0

	bundle cut "$small" sleep 100
	mute_initramfs "$BATS_TEST_TMPDIR/mute.cpio"
	"$BULKHEAD" --root "$STATE" --initramfs "$BATS_TEST_TMPDIR/mute.cpio" \
		create --bundle "$BATS_TEST_TMPDIR/cut" cut \
		> "$BATS_TEST_TMPDIR/cut.out" 2>&1 < /dev/null 3>&- &
	pid=$!
	wait_until 20 processes > /dev/null
	sleep 0.3
	kill -TERM "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 1 ]
	[ -z "$(ls -A "$STATE")" ]
	wait_until 10 no_processes
}

@test "delete --force ends a create that hangs" {
	local pid status=0

	bundle cut "$small" sleep 100
	mute_initramfs "$BATS_TEST_TMPDIR/mute.cpio"
	"$BULKHEAD" --root "$STATE" --initramfs "$BATS_TEST_TMPDIR/mute.cpio" \
		create --bundle "$BATS_TEST_TMPDIR/cut" cut \
		> "$BATS_TEST_TMPDIR/cut.out" 2>&1 < /dev/null 3>&- &
	pid=$!
	wait_until 20 eval 'bulkhead state cut 2> /dev/null | jq -e ".pid > 0" > /dev/null'
	bulkhead delete --force cut
	wait "$pid" || status=$?
	[ "$status" -eq 1 ]
	nothing_is_left
}

# hung_container: everything of it on the host is stopped: the same to us as a guest that never
# answers. A process is attached to it, $attached.
hung_container()
{
	start_sleeper hung
	"$BULKHEAD" --root "$STATE" exec hung sh -c 'echo here; exec sleep 1000' \
		> "$BATS_TEST_TMPDIR/attached" 2>&1 < /dev/null 3>&- &
	attached=$!
	wait_until 60 grep -q here "$BATS_TEST_TMPDIR/attached"
	[ "$1" = running ] || bulkhead pause hung
	kill -STOP "$(monitor_of hung)"
	[ "$1" = running ] || kill -STOP "$(pid_of hung)"
	is_status hung "$1"
}

# ends ARG...: `bulkhead ARG...` ends it within a second; asserted is what the emulated host can do.
ends()
{
	local start=${EPOCHREALTIME/./} took status=0

	bulkhead "$@"
	took=$(((${EPOCHREALTIME/./} - start) / 1000))
	echo "# stopped on the host: $1 took $took ms" >&3
	((took < 10000))
	wait_until 10 no_processes
	wait "$attached" || status=$?
	[ "$status" -eq 137 ]
}

@test "what hangs ends by kill KILL, and by delete --force" {
	local attached

	hung_container running
	ends kill hung KILL
	bulkhead delete hung

	hung_container paused
	ends delete --force hung
	[ ! -e "$STATE/hung" ]
}

# fails_with TEXT OPTION...: create refuses, with that in its one message, and leaves nothing.
fails_with()
{
	local text=$1 status=0

	shift
	output=$(bulkhead "$@" create --bundle "$BATS_TEST_TMPDIR/plain" plain 2>&1 < /dev/null) ||
		status=$?
	[ "$status" -eq 1 ]
	has_text "bulkhead create failed"
	is_one_line_with "$text" "$output"
	[ -z "$(ls -A "$STATE" 2> /dev/null)" ]
	wait_until 10 no_processes
}

@test "a kernel or initramfs that is none is one clear error" {
	local files=$BATS_TEST_TMPDIR/files

	mkdir "$files"
	bundle plain "$small" true
	fails_with "'/etc/passwd' is not a kernel" --kernel /etc/passwd
	head -c 100000 "$TOP/build/vmlinux" > "$files/short"
	fails_with "a segment lies outside the file" --kernel "$files/short"
	head -c 64 "$TOP/build/vmlinux" | tr '\076' '\267' > "$files/foreign"
	fails_with "it is not for x86-64" --kernel "$files/foreign"
	: > "$files/empty"
	fails_with "is not an initramfs" --initramfs "$files/empty"
	fails_with "no such file or directory" --initramfs "$files/absent"
	# The kernel starts and finds nothing to run: its last words are in the message.
	fails_with "Kernel panic" --initramfs /etc/passwd
}

@test "an init that ends at once is one clear error" {
	local tree=$BATS_TEST_TMPDIR/tree

	bundle plain "$small" true
	mkdir "$tree"
	cp "$TOP/build/guest/dirty_mapping" "$tree/init"
	(cd "$tree" && echo init | cpio --quiet -o -H newc) > "$BATS_TEST_TMPDIR/init.cpio"
	fails_with "Attempted to kill init" --initramfs "$BATS_TEST_TMPDIR/init.cpio"
}

# What is counted: everything a container could leave behind.
inventory()
{
	echo "processes $(pgrep -fc -- "--root $STATE " || :)"
	echo "dead processes $(cat /proc/[0-9]*/stat 2> /dev/null | grep -c ') Z ' || :)"
	echo "descriptors $(find "/proc/$$/fd" -mindepth 1 | wc -l)"
	echo "mounts $(wc -l < /proc/self/mountinfo)"
	echo "namespaces $(find /proc/[0-9]*/ns -type l -printf '%l\n' 2> /dev/null | sort -u | wc -l)"
	echo "control groups $(find /sys/fs/cgroup -type d | wc -l)"
	echo "files $(find "$STATE" /run /tmp /dev/shm /var/run /var/lib/bulkhead* -mindepth 1 \
		2> /dev/null | sort | sha256sum)"
	echo "network interfaces $(find /sys/class/net -mindepth 1 | wc -l)"
	echo "sockets $(wc -l < /proc/net/unix)"
	echo "loop devices $(find /sys/block -path '*/loop*/loop' | wc -l)"
}

is_inventory()
{
	[ "$(inventory)" = "$1" ]
}

@test "create, start, exec and delete, again and again, leave nothing" {
	local rounds=5 before
	[ -z "${BULKHEAD_TEST_FULL:-}" ] || rounds=100

	bundle box "$small" sleep 1000
	mkdir -p "$STATE"
	: > "$BATS_TEST_TMPDIR/out"
	for ((i = 0; i <= rounds; i++)); do
		# After the first, which makes what is made once.
		[ "$i" -ne 1 ] || before=$(inventory)
		create_bundle box > "$BATS_TEST_TMPDIR/out" 2>&1 < /dev/null 3>&-
		bulkhead start box
		[ "$(bulkhead exec box echo "round $i" < /dev/null)" = "round $i" ]
		is_status box running
		bulkhead delete --force box
	done
	echo "# $rounds rounds" >&3
	wait_until 10 is_inventory "$before" || diff <(echo "$before") <(inventory)
}
