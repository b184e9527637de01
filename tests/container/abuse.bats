#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A container that takes all it can get: it feels that itself. The host and its neighbour go on.
#
# Every test here measures how long a neighbour's `exec` takes, before and while. In earnest it may
# take twice as long; asserted is a multiple of that, since the host may have one processor, and
# other things to do. The abuser has what a host of many tenants gives it: limits of memory and of
# pids, files of bounded size, a smaller weight than others where processor time is short.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

RATIO_MAX=6
ANSWER_SECONDS=30 # an exec takes half a second in the emulated host
SAMPLES=5

setup()
{
	STATE=$BATS_TEST_TMPDIR/state
	ROOTFS=$BATS_FILE_TMPDIR/base/rootfs
	TREE=$BATS_TEST_TMPDIR/tree
	OUT=$BATS_TEST_TMPDIR/abuse.out
	mkdir "$TREE"
	mount -t tmpfs -o size=4m tmpfs "$TREE"
	cp -a "$ROOTFS" "$TREE"
}

teardown()
{
	delete_all
	umount "$TREE"
	nothing_is_left
	no_call_was_refused
}

# start NAME FILTER: a container that waits.
start()
{
	bundle "$1" ".linux.resources.memory.limit = 67108864 | $2" sleep 10000
	run_bundle "$1" --detach > /dev/null 2>&1 < /dev/null 3>&-
}

# with_file_max COMMAND...: on a host that has files for users other than root that are few, and
# still enough.
with_file_max()
{
	local before used few=8192

	before=$(< /proc/sys/fs/file-max)
	read -r used _ < /proc/sys/fs/file-nr
	((few > 2 * used)) || few=$((2 * used))
	FILES_MAX=$((few / 8))
	echo "$few" > /proc/sys/fs/file-max
	"$@" || { echo "$before" > /proc/sys/fs/file-max; return 1; }
	echo "$before" > /proc/sys/fs/file-max
}

start_both()
{
	start neighbour .
	with_file_max start_abuser
}

start_abuser()
{
	start abuser ".root.path = \"$TREE/rootfs\" | .root.readonly = false |
		.linux.resources.cpu.shares = 64 | .linux.resources.pids.limit = 64 |
		.process.rlimits = [{type: \"RLIMIT_NOFILE\", soft: 1000000, hard: 1000000}] |
		.mounts += [{destination: \"/var/tmp\", type: \"bind\",
			source: \"$TOP/build/guest\", options: [\"ro\"]}]"
}

# median COMMAND...: how many milliseconds it takes
median()
{
	local start i

	for ((i = 0; i < SAMPLES; i++)); do
		start=${EPOCHREALTIME/./}
		timeout --kill-after=1 "$ANSWER_SECONDS" "$@" > /dev/null 2>&1 < /dev/null 3>&- ||
			{ echo "no answer from: $*" >&2; return 1; }
		echo $(((${EPOCHREALTIME/./} - start) / 1000))
	done | sort -n > "$BATS_TEST_TMPDIR/samples"
	[ "$(wc -l < "$BATS_TEST_TMPDIR/samples")" -eq "$SAMPLES" ] || return 1
	sed -n "$(((SAMPLES + 1) / 2))p" "$BATS_TEST_TMPDIR/samples"
}

# The neighbour's exec; what the host does without any VM, and as a user who is not root.
measure()
{
	exec_ms=$(median "$BULKHEAD" --root "$STATE" exec neighbour true)
	host_ms=$(median setpriv --reuid 65534 --regid 65534 --clear-groups \
		sh -c 'cat /proc/*/stat; :')
}

# quiet_times: what is usual, when everything has been read once
quiet_times()
{
	measure
	measure
	usual_exec_ms=$exec_ms
	usual_host_ms=$host_ms
}

is_near_usual()
{
	((exec_ms <= usual_exec_ms * RATIO_MAX && host_ms <= usual_host_ms * RATIO_MAX))
}

# answers_while WHAT: all goes on, in about the usual time. Others may use this machine, too: what
# the abuse does to it, it does three times.
answers_while()
{
	local i

	for i in 1 2 3; do
		measure
		echo "# $1: a neighbour's exec takes $exec_ms ms, usually $usual_exec_ms ms" \
			"($((exec_ms * 100 / usual_exec_ms)) %); the host's commands $host_ms ms," \
			"usually $usual_host_ms ms ($((host_ms * 100 / usual_host_ms)) %)" >&3
		! is_near_usual || return 0
	done
	return 1
}

# in_time SECONDS COMMAND...: as wait_until, but leaves the processor to the abuser, whose share is
# small.
in_time()
{
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		((SECONDS < end)) || { echo "not in time: $*"; return 1; }
		sleep 1
	done
}

# abuse ARG...: what goes on in the abuser meanwhile, until stop_abuse
abuse()
{
	"$BULKHEAD" --root "$STATE" exec abuser "$@" > "$OUT" 2>&1 < /dev/null 3>&- &
	abuse=$!
}

stop_abuse()
{
	local status=0

	kill -KILL "$abuse"
	wait "$abuse" || status=$?
	[ "$status" -eq 137 ]
}

oom_kills()
{
	local file

	file=$(jq -r '.hostCgroup.directories[0].path' "$STATE/abuser/state.json")/memory.events
	if [ -e "$file" ]; then sed -n 's/^oom_kill //p' "$file"; else grep -c '^Killed' "$OUT"; fi
}

descriptors_of()
{
	find "/proc/$(bulkhead state "$1" | jq .pid)/fd" -mindepth 1 | wc -l
}

opened()
{
	sed -n 's/^opened \([0-9]*\): Too many open files in system$/\1/p' "$OUT"
}

has_closed()
{
	[ "$(descriptors_of abuser)" -le "$1" ]
}

has_opened()
{
	grep -q '^opened' "$OUT"
}

@test "a memory bomb, yes > /file, a million open files, a fork bomb: the neighbour goes on" {
	local nr_open nr_open_before abuse exec_ms host_ms usual_exec_ms usual_host_ms

	start_both
	quiet_times

	abuse sh -c 'while :; do sh -c "x=aaaaaaaaaaaaaaaa; while :; do x=\$x\$x; done"; done'
	answers_while "memory bombs"
	in_time 300 eval '[ "$(oom_kills)" -ge 1 ]'
	stop_abuse
	is_status abuser running
	run -0 bulkhead exec abuser echo lives < /dev/null
	[ "$output" = lives ]

	abuse sh -c 'while :; do yes > /file; echo full; done'
	answers_while "yes > /file"
	in_time 300 grep -q 'No space left on device' "$OUT"
	stop_abuse
	# Into a container whose files are full.
	run -1 bulkhead exec abuser dd if=/dev/zero of=/file bs=64k < /dev/null
	[ "$(df --output=avail "$TREE" | tail -n 1)" -eq 0 ]
	run -0 bulkhead exec abuser sh -c 'echo lives; ! echo more > /more' < /dev/null
	has_line lives
	has_text 'No space left on device'
	rm -f "$TREE/rootfs/file" "$TREE/rootfs/more"

	nr_open_before=$(descriptors_of abuser)
	abuse /var/tmp/many_files /bin/busybox 1000000
	answers_while "files being opened"
	in_time 300 has_opened
	answers_while "all files open"
	nr_open=$(opened)
	echo "# open files: $nr_open, $(descriptors_of abuser) of the host's, of $FILES_MAX" >&3
	((nr_open > FILES_MAX / 2 && $(descriptors_of abuser) <= FILES_MAX))
	stop_abuse
	in_time 300 has_closed "$((nr_open_before + 100))"
	run -0 bulkhead exec abuser sh -c 'cat /bin/sh > /dev/null' < /dev/null

	# The last, since its processes are nobody's.
	abuse sh -c 'bomb() { bomb | bomb & }; bomb; sleep 1000'
	answers_while "a fork bomb"
	in_time 300 grep -q "can't fork" "$OUT"
	[ "$(pgrep -fc -- "--root $STATE ")" -lt 10 ]
	is_status abuser running
	bulkhead delete --force abuser
	wait "$abuse" || :
	run -0 bulkhead exec neighbour echo lives < /dev/null
	[ "$output" = lives ]
}
