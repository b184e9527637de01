#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the two processes of a container hold once they are sealed, beside what `surface` says.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

# Set CONTAINER and MONITOR, the pids of both.
find_processes()
{
	CONTAINER=$(bulkhead state box | jq .pid)
	MONITOR=$(pgrep --parent "$CONTAINER")
}

# field PID NAME: of /proc/PID/status
field()
{
	sed -n "s/^$2:[[:space:]]*//p" "/proc/$1/status"
}

# is_like PATTERN TEXT
is_like()
{
	# shellcheck disable=SC2053 # a pattern
	[[ $2 == $1 ]] || { echo "'$2' is not like '$1'"; return 1; }
}

# of_surface PROCESS LIST: what `surface` says that a process has
of_surface()
{
	"$BULKHEAD" surface --json |
		jq -r --arg name "$1" ".processes[] | select(.name == \$name) | .$2[]"
}

# Every namespace that `surface` lists is neither the host's nor another process's.
namespaces_are_own()
{
	local pid=$1 name=$2 kind own

	for kind in $(of_surface "$name" namespaces); do
		own=$(readlink "/proc/$pid/ns/$kind")
		[ "$own" != "$(readlink "/proc/self/ns/$kind")" ] || { echo "host's: $own"; return 1; }
		[ "$pid" = "$CONTAINER" ] ||
			[ "$own" != "$(readlink "/proc/$CONTAINER/ns/$kind")" ] ||
			{ echo "the container's: $own"; return 1; }
	done
}

# The bits of a mask of capabilities that are set, by name.
capabilities()
{
	capsh --decode="$1" | sed 's/.*=//' | tr ',' '\n' | sed '/^$/d' | sort
}

is_sealed()
{
	local pid=$1 name=$2 task allowed

	allowed=$(of_surface "$name" capabilities | sort)
	for field in CapPrm CapEff CapBnd; do
		[ -z "$(comm -23 <(capabilities "$(field "$pid" $field)") <(echo "$allowed"))" ] ||
			{ echo "$name: $field $(field "$pid" $field)"; return 1; }
	done
	for field in CapInh CapAmb; do
		is_like 0000000000000000 "$(field "$pid" $field)" || return 1
	done
	for task in "/proc/$pid/task/"*; do
		[ "$(grep -cx 'Seccomp:	2\|NoNewPrivs:	1' "$task/status")" -eq 2 ] ||
			{ cat "$task/comm" "$task/status"; return 1; }
	done
	namespaces_are_own "$pid" "$name" || return 1
	grep -q '^Max core file size  *0  *0 ' "/proc/$pid/limits" || return 1
	# The environment's place is there, but there is nothing in it.
	[ -z "$(tr -d '\0' < "/proc/$pid/environ")" ] || { echo "environment"; return 1; }
}

# files_are PID PATTERN...: every descriptor leads to something like one of the patterns.
files_are()
{
	local pid=$1 fd target pattern is_known

	shift
	for fd in "/proc/$pid/fd/"*; do
		target=$(readlink "$fd")
		is_known=false
		for pattern; do
			# shellcheck disable=SC2053
			[[ $target != $pattern ]] || is_known=true
		done
		$is_known || { echo "process $pid has $fd: $target"; return 1; }
	done
}

@test "both processes hold what surface says, and no more" {
	bundle box '.process.capabilities.bounding += ["CAP_MKNOD", "CAP_SYS_ADMIN"]' sleep 1000
	SECRET=of-the-engine run_bundle box --detach < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1
	find_processes
	is_sealed "$MONITOR" monitor
	is_sealed "$CONTAINER" "container process"
	[ "$(field "$MONITOR" Uid | cut -f 1)" -ne 0 ]
	is_like "*	1" "$(field "$MONITOR" NSpid)"
	[ -z "$(ls -A "/proc/$MONITOR/root/")" ]
	[ "$(wc -l < "/proc/$MONITOR/mountinfo")" -eq 1 ]
	grep -q ' / / ro,nosuid,nodev,noexec' "/proc/$MONITOR/mountinfo"
	files_are "$MONITOR" anon_inode:* socket:* pipe:* /dev/null "$BATS_TEST_TMPDIR/out"
	files_are "$CONTAINER" anon_inode:* socket:* /memfd:* /dev/null / '/[a-z]*' \
		'/sys/fs/cgroup/*.oom/cgroup.procs'
	# A descriptor of the host's /proc is how a process leaves its tree.
	for fd in "/proc/$CONTAINER/fd/"*; do
		[ ! -e "$fd/../../sys/kernel" ]
	done
	# The target of the project's promise; README.md quotes the same numbers.
	"$BULKHEAD" surface --json | jq -e '[.processes[].threads[] | {(.role): .calls}] | add |
		.["event loop"] <= 25 and .vCPU <= 12 and .["file server"] <= 45'
	"$BULKHEAD" surface --json | jq -e '.processes[0].lines <= 8000'
}

@test "two containers' monitors are two users" {
	bundle box . sleep 1000
	bundle other . sleep 1000
	run_bundle box --detach < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1
	run_bundle other --detach < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1
	find_processes
	first=$(field "$MONITOR" Uid)
	second=$(field "$(pgrep --parent "$(bulkhead state other | jq .pid)")" Uid)
	[ "$first" != "$second" ] || { echo "$first"; false; }
}

@test "the guest has the devices that surface lists" {
	bundle box . sh -c 'cd /sys/bus/platform/devices &&
		echo *.virtio | tr " " "\n" | sed "s/\..*//" | sort
		ls /sys/bus/virtio/devices | wc -l'
	run -0 run_bundle box
	expected=$("$BULKHEAD" surface --json | jq -r '.devices[].address' |
		while read -r address; do printf '%x\n' "$address"; done | sort)
	# The slots for network cards are empty: nobody sees more of them than that.
	expected+=$'\n'4
	[ "$output" = "$expected" ] || { echo "$output"; echo "$expected"; false; }
}

# What one container is made to do so that its threads need all that they may call.
ALL_WORK='
run() { "$BULKHEAD" --root "$STATE" "$@"; }
run run --detach --bundle "$BATS_TEST_TMPDIR/box" box < /dev/null > /dev/null
run exec box /var/tmp/fs_once /volume
run exec box /var/tmp/unix_socket echo /volume/socket 100000
kill "$SERVER"
run exec box sh -c "sleep 1; /var/tmp/unix_socket connect /volume/socket"
echo word | run exec box cat
run exec box sh -c "head -c 100 /dev/random | wc -c"
run pause box
run resume box
run update --pids-limit 200 box
pid=$(run state box | jq .pid)
[ "$pid" -gt 1 ] && kill -USR1 "$pid"
run exec box sh -c "tail /dev/zero; echo survived"
script -q -e -c "\"$BULKHEAD\" --root \"$STATE\" run --bundle \"$BATS_TEST_TMPDIR/terminal\" terminal" \
	"$BATS_TEST_TMPDIR/typescript"
run delete --force box
'

# Not always needed: what only other C libraries, clocks or users need, growing memory, the end of a
# processor that the end of its process overtakes, a stop of the process.
RARE=("event loop: poll" "event loop: fstat" "event loop: clock_gettime" "event loop: brk"
	"vCPU: clock_gettime" "file server: brk" "file server: clock_gettime"
	"file server: restart_syscall" "file server: exit_group" "file server: futex"
	"container process: futex" "container process: brk"
	"container process: clock_gettime" "container process: restart_syscall")

@test "every rule of the filters is needed, and no call is without one" {
	mkdir "$BATS_TEST_TMPDIR/volume"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR"
	bundle box '.linux.resources.memory.limit = 67108864 | .mounts += [
		{destination: "/volume", type: "bind", source: ($tmp + "/volume"), options: ["rbind"]},
		{destination: "/var/tmp", type: "bind", source: "'"$TOP"'/build/guest",
			options: ["ro"]}]' sleep 1000
	bundle terminal '.process.terminal = true' true
	"$TOP/build/guest/unix_socket" serve "$BATS_TEST_TMPDIR/volume/socket" > /dev/null 3>&- &
	SERVER=$!
	wait_until 20 test -S "$BATS_TEST_TMPDIR/volume/socket"
	export BULKHEAD STATE BATS_TEST_TMPDIR SERVER
	timeout 300 strace -f -qq -s 16 -e signal=none -o "$BATS_TEST_TMPDIR/trace" \
		bash -c "$ALL_WORK" > "$BATS_TEST_TMPDIR/work" 2>&1 3>&- ||
		{ cat "$BATS_TEST_TMPDIR/work"; false; }
	"$BULKHEAD" surface --json > "$BATS_TEST_TMPDIR/surface"
	"$TOP/tests/sandbox/used-rules" "$BATS_TEST_TMPDIR/surface" "$BATS_TEST_TMPDIR/trace" \
		"${RARE[@]}"
}
