#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The verbs an engine calls, in their order and out of it.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

# create NAME [OPTION...]: a created container keeps the streams it was given, so it gets files.
create()
{
	create_bundle "$@" > "$BATS_TEST_TMPDIR/$1.out" 2>&1 < /dev/null 3>&-
}

# fails TEXT ARG...: `bulkhead ARG...` says TEXT in its one line, and fails.
fails()
{
	local text=$1

	shift
	run --separate-stderr -1 bulkhead "$@" < /dev/null
	[ -z "$output" ] || { echo "bulkhead $*: printed $output"; return 1; }
	# shellcheck disable=SC2154 # set by run
	is_one_line_with "$text" "$stderr"
}

# has_state ID STATUS PID: and nothing but that is printed.
has_state()
{
	run --separate-stderr -0 bulkhead state "$1"
	[ -z "$stderr" ]
	jq -e --arg id "$1" --arg status "$2" --argjson pid "$3" \
		'.id == $id and .status == $status and .pid == $pid' <<< "$output" > /dev/null ||
		{ echo "not $2, pid $3: $output"; return 1; }
}

# What `state` prints is what the specification's schema asks for.
has_valid_state()
{
	bulkhead state "$1" | "$TOP/tests/oci/is-valid" state
}

# has_printed NAME TEXT: one line of the workload's output is exactly that.
has_printed()
{
	grep -qFx -- "$2" "$BATS_TEST_TMPDIR/$1.out"
}

# is_container_of NAME PID: a process of this host that runs as NAME's container.
is_container_of()
{
	kill -0 "$2"
	tr '\0' '\n' < "/proc/$2/cmdline" | grep -qFx -- "$1"
}

# For a shell that waits for signals. Programs that end only to be started again cost much in a VM.
IDLE='sleep 1000 & while :; do wait; done'

@test "created, running, stopped, deleted; and what is refused in between" {
	local tmp=$BATS_TEST_TMPDIR pid row

	bundle life '.annotations = {"org.example.key": "a \"value\""}' \
		sh -c "trap 'echo ends; exit 9' TERM; echo runs; $IDLE"
	create life --pid-file "$tmp/pid"
	pid=$(< "$tmp/pid")
	[[ $pid =~ ^[1-9][0-9]*$ ]]
	[ "$(stat -c %s "$tmp/pid")" -eq ${#pid} ] # no newline
	is_container_of life "$pid"
	[ "$(nsenter --target "$pid" --uts hostname)" = bulkhead ] # as others of its pod take it
	has_state life created "$pid"
	jq -e --arg bundle "$tmp/life" --arg rootfs "$ROOTFS" '
		(.ociVersion | test("^1\\.[0-9]+\\.[0-9]+$")) and
		.bundle == $bundle and .rootfs == $rootfs and
		.annotations == {"org.example.key": "a \"value\""} and
		(.created | test("^20[0-9]{2}-[01][0-9]-[0-3][0-9]T[0-9:]{8}(\\.[0-9]+)?Z$"))' \
		<<< "$output"
	has_valid_state life
	fails 'container with given ID already exists' create --bundle "$tmp/life" life
	[ ! -s "$tmp/life.out" ]

	# It was read once.
	sed -i 's/echo runs/echo edited/' "$tmp/life/config.json"
	run -0 bulkhead start life
	[ -z "$output" ]
	wait_until 20 has_printed life runs
	has_state life running "$pid"
	fails 'cannot start an already running container' start life
	fails 'cannot delete container life that is not stopped: running' delete life
	has_state life running "$pid"
	has_valid_state life

	run -0 bulkhead list
	[[ ${lines[0]} =~ ^ID\ +PID\ +STATUS\ +BUNDLE\ +CREATED\ +OWNER$ ]]
	read -ra row <<< "${lines[1]}"
	[ "${row[*]:0:4} ${row[5]}" = "life $pid running $tmp/life root" ]
	[ "${#lines[@]}" -eq 2 ]
	run -0 bulkhead list -q
	[ "$output" = life ]
	run -0 bulkhead list --format=json
	jq -e --argjson state "$(bulkhead state life)" \
		'. == [$state + {owner: "root"}]' <<< "$output"

	run -0 bulkhead kill life
	[ -z "$output" ]
	wait_until 20 is_status life stopped
	has_printed life ends
	[ "$(< "$tmp/life.out")" = $'runs\nends' ]
	has_state life stopped 0
	has_valid_state life
	no_processes
	fails 'cannot start a container that has stopped' start life
	fails 'container not running' kill life
	fails 'container not running' kill life KILL
	bulkhead kill --all life KILL
	has_state life stopped 0

	run -0 bulkhead delete life
	[ -z "$output" ]
	nothing_is_left
	for verb in state start kill delete; do
		fails 'container does not exist' "$verb" life
	done
	bulkhead delete --force life
	[ "$(bulkhead list --format json)" = '[]' ]
}

@test "a created container is deleted, or dies with its process" {
	local tmp=$BATS_TEST_TMPDIR pid

	bundle deleted . sh -c 'echo ran'
	bundle killed . sh -c 'echo ran'
	mkdir "$tmp/pids"
	cd "$tmp"
	# Engines of different age spell options in different ways; paths may be relative.
	create deleted --bundle=deleted --pid-file=pids/deleted --no-pivot
	(cd killed && create killed -b . -pid-file ../pids/killed --no-new-keyring)
	[ "$(bulkhead list --quiet | sort)" = $'deleted\nkilled' ]

	pid=$(< pids/deleted)
	bulkhead delete deleted
	run ! kill -0 "$pid"
	fails 'container does not exist' state deleted

	pid=$(< pids/killed)
	has_state killed created "$pid"
	kill -KILL "$pid"
	wait_until 10 is_status killed stopped
	has_state killed stopped 0
	fails 'cannot start a container that has stopped' start killed
	bulkhead delete killed
	# Neither of them wrote more than a container that never ran.
	[ ! -s deleted.out ]
	[ ! -s killed.out ]
}

# engine NAME [OPTION...]
engine()
{
	local name=$1

	shift
	timeout --kill-after=10 "$TIME_LIMIT" "$BATS_TEST_DIRNAME/engine" "$@" \
		"$BATS_TEST_TMPDIR/$name" "$BULKHEAD" --root "$STATE" \
		--log "$BATS_TEST_TMPDIR/engine.log" < /dev/null
}

ends_with()
{
	local status=0 name=${1%:*}

	case $name in
	exits) engine exits ;;
	dies) engine dies --kill TERM ;;
	named) engine named --pidfd ;;
	esac || status=$?
	[ "$status" -eq "${1#*:}" ] || { echo "$name: $status"; return 1; }
}

@test "the process is its engine's to wait for, with the workload's status" {
	bundle exits . sh -c 'exit 7'
	bundle dies 'del(.linux.namespaces[] | select(.type == "pid"))' sleep 1000
	bundle named . sleep 1000
	one_by_one ends_with exits:7 dies:143 named:137
	has_state exits stopped 0
	has_state dies stopped 0
}

# arrives SIGNAL NAME: the workload says so, and says nothing else.
arrives()
{
	local out=$BATS_TEST_TMPDIR/signals.out lines

	lines=$(wc -l < "$out")
	bulkhead kill signals "$1"
	wait_until 20 eval "[ \$(wc -l < '$out') -gt $lines ]"
	[ "$(tail -n +$((lines + 1)) "$out")" = "got $2" ] ||
		{ echo "$1 came as $(tail -n +$((lines + 1)) "$out")"; return 1; }
}

@test "signals by name, by number, in any case" {
	local signal

	bundle signals . sh -c "for s in HUP INT QUIT USR1 USR2 ALRM CONT WINCH 36 64; do
		trap \"echo got \$s\" \$s; done; echo ready; $IDLE"
	create signals
	bulkhead start signals
	wait_until 20 has_printed signals ready
	arrives USR1 USR1
	arrives SIGUSR2 USR2
	arrives 10 USR1
	arrives hup HUP
	arrives sigint INT
	arrives SigQuit QUIT
	arrives 28 WINCH
	arrives RTMIN+2 36
	arrives SIGRTMAX 64
	bulkhead kill signals 0
	for signal in NONE SIG '' -9 65 9x RTMIN-1 RTMAX+1; do
		fails "unknown signal \"$signal\"" kill signals "$signal"
	done
	arrives alrm ALRM
	bulkhead kill --all signals 9
	wait_until 20 is_status signals stopped
}

@test "run --detach returns at once, run --keep keeps what ended" {
	local tmp=$BATS_TEST_TMPDIR status=0

	bundle detached . sh -c "echo runs; $IDLE"
	bundle kept . sh -c 'exit 5'
	run_bundle kept --keep < /dev/null || status=$?
	[ "$status" -eq 5 ]
	has_state kept stopped 0
	run_bundle detached --detach --pid-file "$tmp/pid" > "$tmp/detached.out" 2>&1 \
		< /dev/null 3>&-
	has_state detached running "$(< "$tmp/pid")"
	wait_until 20 has_printed detached runs
	bulkhead delete kept
	bulkhead delete --force detached
	run ! kill -0 "$(< "$tmp/pid")"
	[ "$(< "$tmp/detached.out")" = runs ]
	[ "$(bulkhead list -q)" = '' ]
}

@test "a terminal is handed to the engine, which gives it sizes and input" {
	bundle tty '.process.terminal = true | .process.consoleSize = {height: 25, width: 91}' \
		sh -c 'stty size; tty; trap resized=1 WINCH; echo ready
			until [ "$resized" ]; do sleep 1 & wait; done; stty size
			read -r line; echo "line: $line"; echo error >&2; exit 3'
	run engine tty --console
	echo "status $status, output: $output"
	cat "$BATS_TEST_TMPDIR/engine.log"
	[ "$status" -eq 3 ]
	[ "$(tr -d '\r' <<< "$output" | grep -vx typed)" = "25 91
/dev/pts/0
ready
33 77
line: typed
error" ]
}

# log_has LINES TEXT: that many errors were logged, the last of them with TEXT.
log_has()
{
	jq -es --argjson lines "$1" --arg text "$2" 'length == $lines and (.[-1].msg | contains($text))
		and all(.level == "error" and (.time | test("^20[0-9-]{8}T[0-9:]{8}Z$")))' \
		"$BATS_TEST_TMPDIR/log"
	[ "$(wc -l < "$BATS_TEST_TMPDIR/log")" -eq "$1" ]
}

@test "one line is logged for a failure, none for success" {
	local tmp=$BATS_TEST_TMPDIR log=(--log "$BATS_TEST_TMPDIR/log" --log-format json)

	bundle nope . /nope
	fails 'container does not exist' "${log[@]}" state nobody
	log_has 1 'container does not exist'
	fails 'exec: "/nope"' "${log[@]}" create --bundle "$tmp/nope" nope
	log_has 2 'exec: "/nope": stat /nope: no such file or directory'
	[ "$(jq -r .msg "$tmp/log" | tail -n 1)" = "${stderr#*error: }" ]

	# What spec writes runs, once it can do without a terminal; and it writes only new files.
	mkdir "$tmp/new"
	bulkhead spec --bundle "$tmp/new"
	(cd "$tmp/new" && fails 'config.json exists' spec)
	jq -e '.process.terminal and .process.args == ["sh"]' "$tmp/new/config.json"
	jq '.process.terminal = false' "$tmp/new/config.json" > "$tmp/config.json"
	mv "$tmp/config.json" "$tmp/new"
	cp -a "$ROOTFS" "$tmp/new/rootfs"
	run -4 bulkhead "${log[@]}" run --bundle "$tmp/new" new <<< 'echo from sh; exit 4'
	[ "$output" = 'from sh' ]
	log_has 2 /nope
}

@test "check says item by item whether containers can run here" {
	run -0 bulkhead check
	has_line 'ok      KVM runs guests'
	has_text 'note    Landlock: '
	run -0 bulkhead check --json
	jq -e '.landlockAbi >= 0 and .ok and (.checks | length == 6 and all(.ok))' <<< "$output"
	run -1 bulkhead --kernel /no/such/kernel check
	has_line 'ok      KVM runs guests'
	has_text 'failed  guest kernel: '
	has_text 'remedy: '
	run -1 unshare --mount sh -c 'mount -t tmpfs dev /dev && exec "$@"' sh \
		"$BULKHEAD" --root "$STATE" check --json
	jq -e '(.ok | not) and (.checks[] | select(.name == "/dev/kvm") |
		(.ok | not) and .problem != "" and .remedy != "")' <<< "$output"
}

@test "what the runtime says about itself" {
	run -0 bulkhead --version
	[[ ${lines[0]} =~ ^bulkhead\ version\ [^\ ]+$ ]]
	[[ ${lines[1]} =~ ^commit:\ [^\ ]+$ ]]
	[[ ${lines[2]} =~ ^spec:\ 1\.[0-9]+\.[0-9]+$ ]]
	run -0 bulkhead features
	jq -e --arg max "${lines[2]#spec: }" '.ociVersionMin == "1.0.0" and
		(.ociVersionMax | test("^1\\.[0-9]+\\.[0-9]+$")) and
		(.mountOptions | index("ro")) and (.linux.namespaces | index("pid"))' <<< "$output"
	run -0 bulkhead list --format json
	[ "$output" = '[]' ]
	run -0 bulkhead --help
	has_text 'usage: bulkhead'
	run -1 bulkhead checkpoint --help # engines ask so whether there is one
}
