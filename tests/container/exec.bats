#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Processes beside a container's first: by options, by file, attached, detached, many.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

IDLE='sleep 1000 & while :; do wait; done'

# start NAME [FILTER]: a running container that does nothing.
start()
{
	bundle "$1" "${2:-.}" sh -c "trap 'exit 9' TERM; $IDLE"
	run_bundle "$1" --detach > /dev/null 2>&1 < /dev/null 3>&-
}

# process FILTER ARG...: a process object for --process, in $BATS_TEST_TMPDIR/process.json.
process()
{
	local filter=$1

	shift
	jq --args ".process | .args = \$ARGS.positional | $filter" -- "$@" \
		< "$BATS_FILE_TMPDIR/base/config.json" > "$BATS_TEST_TMPDIR/process.json"
}

# refuses TEXT ARG...: `bulkhead exec ARG...` says TEXT in its one line, with exit code 255.
refuses()
{
	local text=$1

	shift
	run --separate-stderr -255 bulkhead exec "$@" < /dev/null
	[ -z "$output" ]
	# shellcheck disable=SC2154 # set by run
	is_one_line_with "$text" "$stderr"
}

is_number_of_processes()
{
	[ "$(bulkhead ps --format json box | jq length)" -eq "$1" ]
}

@test "by options: streams, exit code, user, environment, directory, capabilities" {
	start box '.process.env += ["A=container", "B=container"] | .process.user.gid = 7'
	run --separate-stderr -5 bulkhead exec box \
		sh -c 'cat; echo out; echo err >&2; exit 5' <<< in
	[ "$output" = $'in\nout' ]
	[ "$stderr" = err ]
	run -143 bulkhead exec box sh -c 'kill -TERM $$' < /dev/null

	run -0 bulkhead exec box sh -c 'echo $A $B; pwd; id -u; id -g' < /dev/null
	has_line 'container container'
	has_line /
	has_line 7
	run -0 bulkhead exec --env A=exec -e C=d=e --cwd /tmp -u 5:6 --additional-gids 8,9 box \
		sh -c 'echo $A $B $C; pwd; id; grep NoNewPrivs /proc/self/status' < /dev/null
	has_line 'exec container d=e'
	has_line /tmp
	has_line 'uid=5 gid=6 groups=8,9'

	# The options of the command are the command's.
	run -0 bulkhead exec box echo -e --cwd < /dev/null
	has_text --cwd

	run -0 bulkhead exec --cap CAP_SYS_TIME box sh -c 'grep Cap /proc/self/status' < /dev/null
	has_text "CapEff:	$(printf %016x $((1 << 25 | 0x$(capabilities_of_first))))"

	refuses 'executable file not found in $PATH' box nothing-of-this-name
	refuses 'exec: "/nope": stat /nope: no such file or directory' box /nope
	refuses 'permission denied' box /etc/passwd
	refuses 'no such file or directory' --cwd /missing box true
	refuses 'process args cannot be empty' box
	refuses 'container does not exist' nobody true
	refuses 'CAP_NONSENSE' --cap CAP_NONSENSE box true
	refuses '--user:' --user root box true
	refuses 'setting console socket' --tty --detach box true
	refuses 'cannot use console socket' --console-socket /nowhere box true
	is_number_of_processes 1
}

# The effective set of the container's process, in hexadecimal.
capabilities_of_first()
{
	bulkhead exec box sh -c 'grep CapEff /proc/self/status' < /dev/null | cut -f2
}

@test "by file: detached, a pid that engines watch and signal" {
	local tmp=$BATS_TEST_TMPDIR pid

	start box
	process '.env += ["X=file"] | .user = {"uid": 3, "gid": 4} | .cwd = "/tmp" |
		.rlimits = [{"type": "RLIMIT_NOFILE", "soft": 99, "hard": 100}] |
		.noNewPrivileges = true | .oomScoreAdj = 77' \
		sh -c 'echo $X; id -u; pwd; ulimit -n; cat /proc/self/oom_score_adj
			grep NoNewPrivs /proc/self/status'
	run -0 bulkhead exec --process "$tmp/process.json" box < /dev/null
	[ "$output" = $'file\n3\n/tmp\n99\n77\nNoNewPrivs:\t1' ]

	# The file may go as soon as the verb is done, and so may the verb's caller.
	process . sh -c 'echo up; sleep 1000'
	bulkhead exec --process "$tmp/process.json" --detach --pid-file "$tmp/pid" box \
		> "$tmp/out" 2>&1 < /dev/null 3>&-
	rm "$tmp/process.json"
	pid=$(< "$tmp/pid")
	[ "$(stat -c %s "$tmp/pid")" -eq ${#pid} ]
	wait_until 20 grep -q up "$tmp/out"
	run -0 bulkhead ps --format json box
	[ "$(jq .[1] <<< "$output")" -eq "$pid" ]
	run -0 bulkhead ps box
	has_text "$pid"
	kill -TERM "$pid"
	wait_until 20 is_number_of_processes 1
	wait_until 5 eval "! kill -0 $pid 2> /dev/null"

	# A host process that is killed takes its process along.
	bulkhead exec --detach --pid-file "$tmp/pid" box sleep 4711 > /dev/null 2>&1 < /dev/null 3>&-
	kill -KILL "$(< "$tmp/pid")"
	wait_until 20 eval '! bulkhead exec box pgrep -f "sleep 4711" < /dev/null'

	# What fails to start leaves no pid file.
	rm "$tmp/pid"
	refuses 'no such file or directory' --detach --pid-file "$tmp/pid" box /nope
	[ ! -e "$tmp/pid" ]
	refuses "$tmp/missing.json" --process "$tmp/missing.json" box
	echo '{"args": ["true"], "cwd": "relative"}' > "$tmp/process.json"
	refuses 'cwd' --process "$tmp/process.json" box

	# All of the container's processes at once.
	bulkhead exec --detach --pid-file "$tmp/pid" box sleep 1000 > /dev/null 2>&1 < /dev/null 3>&-
	bulkhead kill --all box USR1
	wait_until 20 is_number_of_processes 1
	bulkhead kill box TERM
	wait_until 20 is_status box stopped
	refuses 'cannot exec in a stopped container' box true
	run -0 bulkhead ps --format json box
	[ "$output" = '[]' ]
}

@test "before the start, with a stopped first process, in a full file system; what it leaves behind" {
	local status=0

	bundle box '.mounts += [{"destination": "/full", "type": "tmpfs", "source": "tmpfs",
			"options": ["size=64k"]}] | .linux.seccomp = {"defaultAction": "SCMP_ACT_ALLOW",
			"syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 95}]}' \
		sh -c "trap 'exit 9' TERM; $IDLE"
	create_bundle box > /dev/null 2>&1 < /dev/null 3>&-
	run -0 bulkhead exec box echo created < /dev/null
	[ "$output" = created ]
	bulkhead start box

	# The container's filter is every process's.
	run bulkhead exec box mkdir /tmp/x < /dev/null
	has_text 'Operation not supported'

	bulkhead kill box STOP
	bulkhead exec box sh -c 'cat /dev/zero > /full/file' < /dev/null 2> /dev/null || true
	run -0 bulkhead exec --cwd /full box echo works < /dev/null
	[ "$output" = works ]
	bulkhead kill box CONT

	# The end of the process does not wait for what it left behind, whose output still comes.
	bulkhead exec box sh -c '(sleep 3; echo later) & echo now; exit 3' < /dev/null \
		> "$BATS_TEST_TMPDIR/out" || [ $? -eq 3 ]
	[ "$(< "$BATS_TEST_TMPDIR/out")" = now ]
	wait_until 20 grep -q later "$BATS_TEST_TMPDIR/out"

	# The end of the container is the end of all.
	bulkhead exec box sleep 1000 < /dev/null 3>&- &
	wait_until 20 is_number_of_processes 2
	bulkhead kill box TERM
	wait $! || status=$?
	[ "$status" -eq 137 ]
}

@test "many: one after another, twenty at a time, and large input and output" {
	local tmp=$BATS_TEST_TMPDIR i count=20 failed=0
	declare -A pids

	[ -z "${BULKHEAD_TEST_FULL:-}" ] || count=300
	start box
	for ((i = 0; i < count; i++)); do
		bulkhead exec box sh -c "exit $((i % 200))" < /dev/null || [ $? -eq $((i % 200)) ]
	done
	for ((i = 0; i < 20; i++)); do
		bulkhead exec box sh -c "echo $i; exit $i" < /dev/null > "$tmp/out.$i" 3>&- &
		pids[$i]=$!
	done
	for ((i = 0; i < 20; i++)); do
		wait "${pids[$i]}" || [ $? -eq "$i" ] || failed=1
		[ "$(< "$tmp/out.$i")" = "$i" ] || failed=1
	done
	[ $failed -eq 0 ]
	head -c 3000000 /dev/urandom > "$tmp/in"
	bulkhead exec box cat < "$tmp/in" > "$tmp/out"
	cmp "$tmp/in" "$tmp/out"
	wait_until 10 is_number_of_processes 1
	# Nothing of them is left inside either: guest-init has reaped them all.
	run -0 bulkhead exec box sh -c 'ls -d /proc/[0-9]* | wc -l' < /dev/null
	[ "$output" -le 5 ]
}
