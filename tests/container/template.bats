#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Containers that go on from a saved virtual machine are like others, and like no other one; what
# is not whole, current and the caller's own is not used.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
# shellcheck disable=SC2154,SC2030,SC2031 # output is set by run, and each test is a subshell
load helpers

# Those of this test.
with_templates()
{
	bulkhead --template-dir "$BATS_TEST_TMPDIR/templates" "$@"
}

names()
{
	with_templates template list --quiet
}

# from_template USE NAME [OPTION...]: run the container of a bundle.
from_template()
{
	local use=$1 name=$2

	shift 2
	with_templates --template "$use" "$@" run --bundle "$BATS_TEST_TMPDIR/$name" "$name" < /dev/null
}

memory_file()
{
	echo "$BATS_TEST_TMPDIR/templates/$(names)/memory"
}

# The times at which all files of the only template were last changed: it is still the same one.
identity()
{
	stat --format '%i %z' "$BATS_TEST_TMPDIR/templates/$(names)/"*
}

@test "templates are made, listed and removed" {
	local name

	run -0 with_templates template list
	[ "$(wc -l <<< "$output")" -eq 1 ]
	run -0 with_templates template create --memory 128m
	name=$output
	[[ $name =~ ^[0-9a-f]{16}$ ]]
	run -0 with_templates template list --format json
	jq -e --arg name "$name" 'length == 1 and (.[0] | .name == $name and .status == "ok" and
		.memory == 134217728 and .vcpus == 1 and .size > 1000000)' <<< "$output"
	# Much of it are zeros, which take no place.
	(($(jq '.[0].size' <<< "$output") < 60000000))
	run -0 with_templates template list
	has_text "$name  134217728   1"
	[ "$(stat --format %a "$BATS_TEST_TMPDIR/templates")" = 700 ]
	run -1 with_templates template remove 0123456789abcdef
	has_text 'remove template 0123456789abcdef: no such file'
	run -1 with_templates template remove ../templates
	has_text "'../templates' is no template's name"
	run -1 with_templates template remove
	run -0 with_templates template remove "$name"
	[ -z "$(names)" ]
	run -0 with_templates template remove --all
	run -1 with_templates template create --memory 1m
	is_one_line_with '--memory' "$output"
	run -1 with_templates template mend
	run -1 with_templates --template sometimes list
	is_one_line_with "--template is never, auto or always, not 'sometimes'" "$output"
}

@test "a guest that ends before it is ready is an error, and leaves nothing" {
	head -c 4096 /dev/zero > "$BATS_TEST_TMPDIR/nothing"
	run -1 with_templates --initramfs "$BATS_TEST_TMPDIR/nothing" template create
	is_one_line_with 'the virtual machine ended before it was ready' "$output"
	[ -z "$(ls -A "$BATS_TEST_TMPDIR/templates")" ]
	no_maker
}

@test "without a template: auto boots, always makes one, never and another size do not look" {
	local made

	bundle b . sh -c 'exit 7'
	run -7 from_template auto b
	[ -z "$output" ] && [ ! -e "$BATS_TEST_TMPDIR/templates" ]
	run -7 from_template always b
	[ -z "$output" ] && [ -n "$(names)" ]
	made=$(identity)
	run -7 from_template always b
	run -7 from_template auto b
	run -7 from_template never b
	bundle large '.linux.resources.memory.limit = 314572800' true
	run -0 from_template auto large
	[ "$(identity)" = "$made" ]
	# Where none can be made there is no container either.
	run -1 with_templates --template-dir /no/such/directory --template always \
		run --bundle "$BATS_TEST_TMPDIR/b" b
	is_one_line_with '--template always' "$output"
}

# What is random in a process and in its kernel, the clocks, and where things are in memory.
SELF='cd /proc/sys/kernel/random; echo "boot $(cat boot_id)"; echo "uuid $(cat uuid)"
	echo "random $(head -c 16 /dev/urandom | od -An -tx1)"
	echo "stack $(grep stack /proc/self/maps)"; echo "vdso $(grep vdso /proc/self/maps)"
	echo "canary $(od -An -tx8 /proc/self/auxv)"
	echo "time $(date +%s)"; read -r up idle < /proc/uptime; echo "up $up"'

# All answers to one word differ.
all_differ()
{
	local nr

	nr=$(sed -n "s/^$1 //p" "$2" | sort -u | wc -l)
	[ "$nr" -eq "$3" ] || { echo "$1: $nr of $3 differ"; grep "^$1 " "$2"; return 1; }
}

@test "twenty of one template are as different as twenty that have booted" {
	local said=$BATS_TEST_TMPDIR/said before after time made

	bundle clone . sh -c "$SELF"
	with_templates template create
	made=$(identity)
	for _ in {1..20}; do
		before=$(date +%s)
		from_template auto clone > "$said.one"
		after=$(date +%s)
		time=$(sed -n 's/^time //p' "$said.one")
		((time >= before && time <= after + 1))
		cat "$said.one" >> "$said"
	done
	[ "$(identity)" = "$made" ]
	one_by_one differ_in_said boot uuid random stack vdso canary
	# All go on from when the template was saved: its clock is theirs, not the host's.
	[ "$(sed -n 's/^up //p' "$said" | sort -n | head -n 1 | cut -d. -f1)" -lt 60 ]
}

differ_in_said()
{
	all_differ "$1" "$BATS_TEST_TMPDIR/said" 20
}

@test "monotonic time goes on, and timers fire, from the first instruction on" {
	bundle clock . sh -c 'i=0; last=0
		while [ $i -lt 300 ]; do
			read -r up idle < /proc/uptime; now=${up%.*}${up#*.}
			[ "$now" -ge "$last" ] || { echo "back from $last to $now"; exit 1; }
			last=$now; i=$((i + 1))
		done
		sleep 0.3; read -r up idle < /proc/uptime; now=${up%.*}${up#*.}
		[ $((now - last)) -ge 29 ] && [ $((now - last)) -lt 500 ] && echo fine'
	with_templates template create
	run -0 from_template auto clock
	[ "$output" = fine ]
}

@test "a container from a template can all that others can" {
	local id

	bundle box '.linux.resources.pids.limit = 20 | .linux.resources.memory.limit = 67108864' \
		sh -c 'echo ready; trap "exit 9" TERM; while :; do sleep 0.1; done'
	with_templates --template always create --bundle "$BATS_TEST_TMPDIR/box" box \
		> "$BATS_TEST_TMPDIR/out" < /dev/null
	[ -n "$(names)" ]
	id=$(bulkhead state box | jq .pid)
	bulkhead start box
	wait_until 20 grep -qx ready "$BATS_TEST_TMPDIR/out"
	run -42 bulkhead exec box \
		sh -c 'cat /sys/fs/cgroup/pids.max /sys/fs/cgroup/memory.max; exit 42' < /dev/null
	[ "$output" = $'20\n67108864' ]
	bulkhead pause box
	is_status box paused
	bulkhead resume box
	run -0 bulkhead exec box true < /dev/null
	bulkhead events --stats box | jq -e '.data.memory.usage.limit == 67108864'
	bulkhead kill box TERM
	wait_until 20 is_status box stopped
	[ ! -e "/proc/$id" ]
	bulkhead delete box
}

# damaged TEXT COMMAND...: what the command does to the template is noticed; the container runs.
damaged()
{
	local text=$1

	shift
	with_templates template create > /dev/null || return 1
	"$@" || return 1
	run -7 from_template auto b
	is_one_line_with "$text" "$output" || return 1
	has_text 'it is not used' || return 1
	[ -z "$(names)" ] || { echo "it is still there"; return 1; }
}

flip()
{
	printf x | dd of="$BATS_TEST_TMPDIR/templates/$(names)/$1" bs=1 seek="$2" conv=notrunc status=none
}

@test "a damaged template is not used: one line says so, it goes, and is made again" {
	bundle b . sh -c 'exit 7'
	damaged 'the checksum of its state is wrong' flip state 3000
	damaged 'it is not a template' flip state 0
	damaged 'somebody has changed its memory' flip memory 16777216
	damaged 'its state is cut short' cut_state
	with_templates template create
	truncate --size=1M "$(memory_file)"
	run -7 from_template always b
	is_one_line_with 'the size of its memory is wrong' "$output"
	[ -n "$(names)" ]
	run -7 from_template always b
	[ -z "$output" ]
	# Of what is damaged `list` tells.
	flip state 200
	run -0 with_templates template list
	has_text damaged
}

cut_state()
{
	truncate --size=2000 "$BATS_TEST_TMPDIR/templates/$(names)/state"
}

replace_kernel()
{
	cp "$BATS_TEST_TMPDIR/kernel" "$BATS_TEST_TMPDIR/kernel.new"
	mv "$BATS_TEST_TMPDIR/kernel.new" "$BATS_TEST_TMPDIR/kernel"
}

@test "a stale template is not used, nor one of somebody else" {
	local kernel=(--kernel "$BATS_TEST_TMPDIR/kernel") made

	cp "$TOP/build/vmlinux" "$BATS_TEST_TMPDIR/kernel"
	bundle b . sh -c 'exit 7'
	with_templates "${kernel[@]}" template create
	made=$(identity)
	run -7 from_template auto b "${kernel[@]}"
	[ -z "$output" ] && [ "$(identity)" = "$made" ]
	replace_kernel
	run -0 with_templates template list
	has_text 'stale (kernel)'
	run -7 from_template auto b "${kernel[@]}"
	is_one_line_with 'is stale: another kernel; it is not used' "$output"
	[ -z "$(names)" ]

	with_templates template create
	made=$(identity)
	chown 12345 "$BATS_TEST_TMPDIR/templates"
	run -7 from_template auto b
	is_one_line_with 'belongs to user 12345' "$output"
	run -1 from_template always b
	is_one_line_with 'belongs to user 12345' "$output"
	chown 0 "$BATS_TEST_TMPDIR/templates"
	[ "$(identity)" = "$made" ]
	chown 12345 "$(memory_file)"
	run -7 from_template auto b
	is_one_line_with 'only user 0 may be able to write there' "$output"
	[ -z "$(names)" ]
}

no_maker()
{
	! pgrep --exact template-maker > /dev/null
}

# After a kill, or none: there is no template, or a good one.
is_consistent()
{
	local name

	wait_until 5 no_maker || { echo "a maker is left"; return 1; }
	name=$(names)
	[ -z "$name" ] || with_templates template list | grep -q "^$name .* ok " ||
		{ with_templates template list; return 1; }
}

killed_after()
{
	local pid

	rm -rf "$BATS_TEST_TMPDIR/templates"
	"$BULKHEAD" --template-dir "$BATS_TEST_TMPDIR/templates" template create > /dev/null 2>&1 &
	pid=$!
	sleep "$1"
	kill -KILL "$pid" 2> /dev/null
	wait "$pid"
	is_consistent || { echo "killed after $1 s"; return 1; }
}

maker_killed_after()
{
	local pid

	rm -rf "$BATS_TEST_TMPDIR/templates"
	"$BULKHEAD" --template-dir "$BATS_TEST_TMPDIR/templates" template create > /dev/null 2>&1 &
	pid=$!
	wait_until 5 pgrep --exact template-maker > /dev/null
	sleep "$1"
	pkill --exact --signal KILL template-maker
	! wait "$pid" || { echo "no error when the maker was killed after $1 s"; return 1; }
	[ -z "$(names)" ] && [ -z "$(ls -A "$BATS_TEST_TMPDIR/templates")" ] || return 1
}

@test "whenever a maker is killed, nothing half made is used, and the next one clears up" {
	one_by_one killed_after 0.02 0.1 0.3 0.6 0.9 1.2 1.6 2
	one_by_one maker_killed_after 0 0.3
	mkdir -p "$BATS_TEST_TMPDIR/templates/.draft"
	echo half > "$BATS_TEST_TMPDIR/templates/.draft/memory"
	with_templates template create
	[ "$(ls -A "$BATS_TEST_TMPDIR/templates")" = "$(names)" ]
	is_consistent
}

is_sealed()
{
	local status

	status=$(cat "/proc/$(pgrep --exact template-maker)/status" 2> /dev/null) &&
		grep -q $'^Seccomp:\t2' <<< "$status" && grep -q $'^CapEff:\t0000000000000000' <<< "$status" &&
		! grep -q $'^Uid:\t0' <<< "$status"
}

@test "the maker is sealed like a monitor, and makers wait for each other" {
	local first second

	with_templates template create > "$BATS_TEST_TMPDIR/first" 3>&- &
	first=$!
	wait_until 10 is_sealed
	with_templates template create > "$BATS_TEST_TMPDIR/second" 3>&- &
	second=$!
	(($(pgrep --exact --count template-maker) <= 1))
	wait "$first"
	wait "$second"
	cmp "$BATS_TEST_TMPDIR/first" "$BATS_TEST_TMPDIR/second"
	is_consistent
}
