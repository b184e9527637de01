# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# What the benches of starts share. They run in the emulated host in counting mode, where a million
# nanoseconds are a million instructions: of runtime, kernel and guest together. A bench makes rows
# and ends with `finish`. A command that fails ends the bench.
#
# BENCH_BUILD     the build that is measured: another revision's, or the tree's own
# BENCH_RUNS      how often everything is measured (10), after a warm-up that does not count
# BENCH_RUNTIMES  which runtimes; the first is what the others are compared with. "template" is
#                 bulkhead, with machines that go on from a template, which the warm-up makes

TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
BUILD=${BENCH_BUILD:-$TOP/build}
RUNS=${BENCH_RUNS:-10}
WARM_UPS=1
read -r -a RUNTIMES <<< "${BENCH_RUNTIMES:-bulkhead template crun runc runsc}"
WORK=$(mktemp -d /tmp/bench.XXXX)
ROWS=$WORK/rows
PROGRAMS=$WORK/build

fail()
{
	echo "${0##*/}: $*" >&2
	exit 1
}

# command_of RUNTIME: how it is called, in COMMAND.
command_of()
{
	case $1 in
	bulkhead) COMMAND=("$PROGRAMS/bulkhead") ;;
	template)
		COMMAND=("$PROGRAMS/bulkhead" --template always --template-dir "$WORK/templates")
		;;
	crun | runc) COMMAND=("$(command -v "$1")") || fail "install $1" ;;
	# Of its platforms the one that works on an emulated processor.
	runsc)
		COMMAND=("$(command -v "$1")") || fail "install $1"
		COMMAND+=(--platform=ptrace --network=none)
		;;
	*) fail "$1: no such runtime" ;;
	esac
	COMMAND+=(--root "$WORK/state-$1")
}

clean()
{
	local runtime container

	for runtime in "${RUNTIMES[@]}"; do
		command_of "$runtime"
		for container in "$WORK"/containers/"$runtime"-*; do
			[ ! -e "$container" ] ||
				timeout 60 "${COMMAND[@]}" delete --force "${container##*/}"
		done
	done
	rm -rf "$WORK"
} &> /dev/null
trap 'clean || :' EXIT
trap 'exit 1' HUP INT TERM

# in_memory PROGRAM...: have them and their libraries in the memory of the emulated host, on the
# upper side of its root. Otherwise each time that one is opened the host waits for the file server
# of another machine, and how long that takes is nobody's number of instructions.
in_memory()
{
	local program

	for program; do
		# shellcheck disable=SC2046 # words; a static program has none
		touch --no-create -a "$program" $(ldd "$program" 2> /dev/null | grep -oE '/[^ ]+')
	done
}

prepare()
{
	local runtime

	: > "$ROWS"
	mkdir -p "$PROGRAMS" "$WORK/containers" "$WORK/samples"
	[ -d "$TOP/build/test-bundle" ] || fail "no build/test-bundle: rootfs/build-bundle.sh"
	cp -a "$TOP/build/test-bundle/rootfs" "$WORK/rootfs"
	cp "$BUILD/bulkhead" "$BUILD/vmlinux" "$BUILD/initramfs.cpio" "$PROGRAMS/"
	cp "$TOP/build/kvm-host/measure-runs" "$WORK/"
	for runtime in "${RUNTIMES[@]}"; do
		command_of "$runtime"
		in_memory "${COMMAND[0]}"
	done
	in_memory /etc/ld.so.cache
}

# bundle NAME FILTER ARG...: a bundle $WORK/NAME that runs ARG...; the jq FILTER changes the rest.
bundle()
{
	local directory=$WORK/$1 filter=$2

	shift 2
	mkdir -p "$directory"
	jq --arg rootfs "$WORK/rootfs" --args "
		.process.terminal = false | .process.args = \$ARGS.positional |
		.root.path = \$rootfs | $filter" \
		-- "$@" < "$TOP/build/test-bundle/config.json" > "$directory/config.json"
}

# call RUNTIME ARG...
call()
{
	command_of "$1"
	timeout --kill-after=10 300 "${COMMAND[@]}" "${@:2}"
}

# Those that are to be gone when the bench is: they have names of their own.
# start_container RUNTIME NAME BUNDLE
start_container()
{
	touch "$WORK/containers/$1-$2"
	call "$1" create --bundle "$WORK/$3" "$1-$2" > "$WORK/out" 2>&1 < /dev/null ||
		fail "$1 create: $(cat "$WORK/out")"
	call "$1" start "$1-$2"
}

# end_container RUNTIME NAME
end_container()
{
	call "$1" delete --force "$1-$2" > "$WORK/out" 2>&1 || fail "$1: $(cat "$WORK/out")"
	rm "$WORK/containers/$1-$2"
}

# Virtual seconds, that is, thousands of millions of instructions, that a run may take. What hangs
# may execute, and an emulated second of that is many seconds.
LIMIT=8

# try NAME COMMAND...: one run. Its "instructions idle", in millions, is added to
# $WORK/samples/NAME. Returns 124 or more if it did not end.
try()
{
	local status=0

	timeout --kill-after=1 "$LIMIT" "$WORK/measure-runs" 0 1 "${@:2}" \
		> "$WORK/out" 2> "$WORK/messages" < /dev/null || status=$?
	[ $status -lt 124 ] || return $status
	[ $status = 0 ] || fail "${*:2}: $(head -c 2000 "$WORK/messages"; cat "$WORK/out")"
	sed -nE 's/^run [0-9]+: ([0-9.]+) million .*, ([-0-9.]+) of them idle.*/\1 \2/p' \
		"$WORK/out" >> "$WORK/samples/$1"
}

# sample NAME RUNS COMMAND...
sample()
{
	local i

	for ((i = 0; i < $2; i++)); do
		try "$1" "${@:3}" || fail "${*:3}: did not end"
	done
}

# For a bench to redefine: what is done before each run of sample_run.
before_run()
{
	:
}

# sample_run NAME RUNS RUNTIME BUNDLE: of a container in the foreground. In counting mode a virtual
# machine hangs now and then (tests/kvm-host/README.md). Such a run is done again, as the
# table says.
sample_run()
{
	local done=0

	command_of "$3"
	while ((done < $2)); do
		touch "$WORK/containers/$3-run"
		before_run
		if try "$1" "${COMMAND[@]}" run --bundle "$WORK/$4" "$3-run"; then
			done=$((done + 1))
		else
			echo "$3" >> "$WORK/hung"
			[ "$(wc -l < "$WORK/hung")" -le "$RUNS" ] || fail "$3: many runs do not end"
			call "$3" delete --force "$3-run" > "$WORK/out" 2>&1 || :
		fi
	done
}

# row WHAT RUNTIME NAME [SKIP [SHARE]]: the samples NAME but the first SKIP, each divided by SHARE.
row()
{
	tail -n "+$((${4:-0} + 1))" "$WORK/samples/$3" |
		jq -sc --arg what "$1" --arg runtime "$2" --argjson share "${5:-1}" '
		def median: sort | .[length / 2 | floor];
		[_nwise(2) | map(. / $share)] | map(.[0]) as $all | map(.[1]) as $idle |
		map(.[0] - .[1]) as $executed |
		{what: $what, runtime: $runtime, unit: "Minstr", runs: length,
		 min: ($all | min), median: ($all | median), max: ($all | max),
		 idle: ($idle | median), executed_min: ($executed | min),
		 executed: ($executed | median)}' >> "$ROWS"
	rm "$WORK/samples/$3"
}

# measure WHAT RUNTIME COMMAND...
measure()
{
	sample once $((WARM_UPS + RUNS)) "${@:3}"
	row "$1" "$2" once "$WARM_UPS"
}

# measure_run WHAT RUNTIME BUNDLE
measure_run()
{
	sample_run once $((WARM_UPS + RUNS)) "$2" "$3"
	row "$1" "$2" once "$WARM_UPS"
}

# value WHAT RUNTIME UNIT NUMBER
value()
{
	jq -nc --arg what "$1" --arg runtime "$2" --arg unit "$3" --argjson value "$4" \
		'$ARGS.named' >> "$ROWS"
}

# The table, then all as JSON in one line. The last column is how many times the value of the first
# runtime that has one it is, by what was executed.
finish()
{
	if [ -s "$WORK/hung" ]; then
		sort "$WORK/hung" | uniq -c | while read -r count runtime; do
			value "runs that hung and were done again" "$runtime" times "$count"
		done
	fi
	jq -rs 'def number: if type == "number" then . * 100 | round / 100 else "-" end;
		def size: .executed // .value;
		["what", "runtime", "unit", "median", "min", "idle", "executed", "(min)", "times"],
		((reduce .[].what as $what ([]; if index($what) then . else . + [$what] end))[]
			as $what |
		 map(select(.what == $what)) | (.[0] | size) as $base | .[] |
		 [.what, .runtime, .unit, (.median // .value | number), (.min | number),
		  (.idle | number), (.executed | number), (.executed_min | number),
		  (if $base and $base != 0 then size / $base else null end | number)]) | @tsv' "$ROWS" |
		awk -F '\t' '{ printf "%-36s %-9s %-7s %9s %9s %9s %9s %9s %7s\n",
			$1, $2, $3, $4, $5, $6, $7, $8, $9 }'
	jq -sc . "$ROWS"
}
