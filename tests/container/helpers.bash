# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the container tests share. They run where /dev/kvm runs guests: in the emulated host, or on
# a machine where `bulkhead check` succeeds; tests/run sees to that, and makes build/test-bundle.

bats_require_minimum_version 1.5.0

TOP=$(cd "$BATS_TEST_DIRNAME/../.." && pwd)
BULKHEAD=$TOP/build/bulkhead

# Debian 12's jq compiles its library whenever it starts: 30 ms, half a second in an emulated host.
# gojq speaks the same language and is ready in one; its objects are sorted by key.
jq()
{
	gojq "$@"
}

# Longer than any single container of the tests takes; what hangs is ended and fails its test.
TIME_LIMIT=${BULKHEAD_TEST_TIME_LIMIT:-120}

setup_file()
{
	cp -a "$TOP/build/test-bundle" "$BATS_FILE_TMPDIR/base"
}

setup()
{
	STATE=$BATS_TEST_TMPDIR/state
	ROOTFS=$BATS_FILE_TMPDIR/base/rootfs
}

teardown()
{
	delete_all
	nothing_is_left
	no_call_was_refused
}

# The newest line of the host's log about a system call for which one of ours was ended.
last_refused_call()
{
	dmesg | awk -v exe="exe=\"$BULKHEAD\"" '/ type=1326 / && index($0, exe) { last = $0 }
		END { if (last) print last }'
}

REFUSED_BEFORE=$(last_refused_call)

# What a filter refuses in an ordinary test is missing in vmm/sandbox/*_calls.c.
no_call_was_refused()
{
	local last

	last=$(last_refused_call)
	[ -z "$last" ] || [ "$last" = "$REFUSED_BEFORE" ] || { echo "refused: $last"; return 1; }
}

bulkhead()
{
	timeout --kill-after=10 "$TIME_LIMIT" "$BULKHEAD" --root "$STATE" "$@"
}

reference()
{
	timeout --kill-after=10 "$TIME_LIMIT" runc --root "$BATS_TEST_TMPDIR/runc" "$@"
}

# bundle NAME FILTER ARG...: a bundle in $BATS_TEST_TMPDIR/NAME that runs ARG... in the rootfs that
# all tests of a file share; the jq FILTER changes the rest of its config.json.
bundle()
{
	local directory=$BATS_TEST_TMPDIR/$1 filter=$2

	shift 2
	mkdir -p "$directory"
	jq --arg rootfs "$ROOTFS" --arg tmp "$BATS_TEST_TMPDIR" --args \
		".process.args = \$ARGS.positional | .root.path = \$rootfs | $filter" \
		-- "$@" < "$BATS_FILE_TMPDIR/base/config.json" > "$directory/config.json"
}

# run_bundle NAME [OPTION...]: run the container of a bundle in the foreground.
run_bundle()
{
	local name=$1

	shift
	bulkhead run --bundle "$BATS_TEST_TMPDIR/$name" "$@" "$name"
}

# container NAME FILTER ARG...: make a bundle and run it.
container()
{
	bundle "$@"
	run_bundle "$1"
}

create_bundle()
{
	local name=$1

	shift
	bulkhead create --bundle "$BATS_TEST_TMPDIR/$name" "$@" "$name"
}

status_of()
{
	bulkhead state "$1" | jq -r .status
}

is_status()
{
	[ "$(status_of "$1")" = "$2" ]
}

# child_of NAME PROCESS: the pid of a container's "monitor" or "network" process, both of which are
# children of the container process.
child_of()
{
	pgrep --exact --parent "$(bulkhead state "$1" | jq .pid)" "$2"
}

monitor_of()
{
	child_of "$1" monitor
}

# wait_until SECONDS COMMAND...
wait_until()
{
	local end=$((${EPOCHREALTIME/./} + $1 * 1000000))

	shift
	until "$@"; do
		((${EPOCHREALTIME/./} < end)) || return 1
		sleep 0.05
	done
}


# one_by_one FUNCTION ARG...: call the function with each argument; all are tried. The function has
# to return its failures itself: a command that fails in it does not end it.
one_by_one()
{
	local function=$1 failed=0 argument

	shift
	for argument; do
		"$function" "$argument" 3>&- || failed=1
	done
	return $failed
}

# Processes of containers below $STATE: none of them ever executes another program, so they all
# have the command line that started them.
processes()
{
	pgrep -f -- "--root $STATE "
}

no_processes()
{
	! processes > /dev/null
}

delete_all()
{
	local path

	for path in "$STATE"/*/; do
		[ ! -d "$path" ] || bulkhead delete --force "$(basename "$path")"
	done
}

# The control groups of containers named like this test's bundles, and those beside them.
control_groups()
{
	local config name pattern=(-false)

	for config in "$BATS_TEST_TMPDIR"/*/config.json; do
		[ -e "$config" ] || continue
		name=$(basename "$(dirname "$config")")
		pattern+=(-o -name "$name" -o -name "$name.oom" -o -name "*-$name.scope*")
	done
	find /sys/fs/cgroup -type d \( "${pattern[@]}" \)
}

# Nothing of any container of this test: process, state, mount, control group.
nothing_is_left()
{
	wait_until 5 no_processes || { echo "left: $(pgrep -af -- "--root $STATE ")"; return 1; }
	[ -z "$(ls -A "$STATE" 2> /dev/null)" ] || { echo "left: $(ls -A "$STATE")"; return 1; }
	[ -z "$(control_groups)" ] || { echo "left: $(control_groups)"; return 1; }
	! grep -F "$BATS_TEST_TMPDIR" /proc/self/mountinfo
}

# has_line TEXT: one line of $output is exactly that.
has_line()
{
	# shellcheck disable=SC2154 # $output is set by bats and by tests
	grep -qFx -- "$1" <<< "$output" || { echo "no line '$1' in:"; echo "$output"; return 1; }
}

# has_text TEXT [IN]: it occurs in $output, or in the second argument.
has_text()
{
	grep -qF -- "$1" <<< "${2-$output}" || { echo "no '$1' in: ${2-$output}"; return 1; }
}

# One line, no more, with that text in it.
is_one_line_with()
{
	[ "$(wc -l <<< "$2")" -eq 1 ] && has_text "$1" "$2"
}
