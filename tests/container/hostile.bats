#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Hostile guests (tests/guests/README.md): no Linux, but a kernel that attacks. It says itself
# whether its devices still answer after each attack; the rest is looked at here, from outside: the
# monitor lives, is small and idle, the log is short, the host's files are as they were.
# Needs a host with two processors: a guest has no more than its host.
# shellcheck disable=SC2016 # what single quotes protect is jq's
load helpers
load network_namespaces

RSS_MAX=40960 # KiB; the guest itself uses some hundred
LOG_MAX=16384 # bytes: eight lines of each device, ten a minute of denied frames
IDLE_MAX=20   # hundredths of a second of processor time, in two seconds

# QEMU 7.2 does not emulate two processors that are both inside a guest (tests/kvm-host/README.md).
ON_ONE=(taskset --cpu-list 0)

# Nothing but the attacks' own time counts here: the emulated host may be slow.
ATTACK_SECONDS=600

setup()
{
	STATE=$BATS_TEST_TMPDIR/state
	TREE=$BATS_TEST_TMPDIR/tree
	ROOTFS=$TREE/rootfs
	REPORT=$BATS_TEST_TMPDIR/report
	LOG=$BATS_TEST_TMPDIR/log
	make_tree
}

teardown()
{
	delete_all
	nothing_is_left
	remove_network
	no_call_was_refused
}

# What the guest finds, and around it what it must not find.
make_tree()
{
	mkdir -p "$TREE/volume"
	cp -a "$BATS_FILE_TMPDIR/base/rootfs" "$ROOTFS"
	echo plain > "$ROOTFS/plain"
	mkdir "$ROOTFS/dir"
	echo CANARY > "$TREE/canary"
	echo file > "$TREE/volume/file"
	ln -s "$TREE/canary" "$ROOTFS/out"
	# Whoever reads it now changes the time.
	touch -a -d '3 days ago' "$TREE/canary"
	CANARY=$(stat -c '%x %y %z %a %h' "$TREE/canary")
}

# start TASKS [OPTION...]: create the container, in the background; after prepare it has a card.
start()
{
	local network=.

	[ -z "${BOX-}" ] || network=$(in_namespace)
	echo "$1" > "$BATS_TEST_TMPDIR/tasks"
	shift
	bundle hostile "$network"' | .root.readonly = false |
		.linux.resources.memory.limit = 67108864 |
		.linux.resources.cpu = {quota: 200000, period: 100000} |
		.mounts += [{destination: "/ro", type: "bind", source: ($tmp + "/tree/volume"),
			options: ["ro", "rbind"]}]' true
	timeout --kill-after=10 "$ATTACK_SECONDS" "${ON_ONE[@]}" "$BULKHEAD" --root "$STATE" --log "$LOG" \
		--kernel "$TOP/build/hostile-guest" --initramfs "$BATS_TEST_TMPDIR/tasks" "$@" \
		create --bundle "$BATS_TEST_TMPDIR/hostile" hostile \
		> "$BATS_TEST_TMPDIR/out" 2> "$REPORT" < /dev/null 3>&- &
	create=$!
}

has_said()
{
	grep -aq "^$1" "$REPORT" || ! kill -0 "$create" 2> /dev/null
}

# Container process and monitor, once the guest has said something.
find_processes()
{
	container=$(bulkhead state hostile | jq .pid) && monitor=$(monitor_of hostile) && [ -n "$monitor" ]
}

# All results are there, and good.
results_are_good()
{
	local planned

	grep -aE '^(not ok|#)' "$REPORT" || :
	planned=$(sed -n 's/^1\.\.//p' "$REPORT")
	[ "${planned:-0}" -gt 0 ] || { tail -n 5 "$REPORT"; return 1; }
	if grep -aq '^not ok' "$REPORT"; then return 1; fi
	[ "$(grep -acE '^ok [0-9]+ ' "$REPORT")" -eq "$planned" ]
}

# jiffies PID: user and system time of all of its threads.
jiffies()
{
	sed 's/.*) //' "/proc/$1/stat" | awk '{ print $12 + $13 }'
}

is_small()
{
	local rss

	rss=$(sed -n 's/^VmHWM:\s*\([0-9]*\) kB/\1/p' "/proc/$1/status")
	echo "# $2: $rss KiB at most, $(find "/proc/$1/fd" -mindepth 1 | wc -l) descriptors" >&3
	((rss < RSS_MAX))
}

is_idle()
{
	local before

	before=$(jiffies "$1")
	sleep 2
	(($(jiffies "$1") - before < IDLE_MAX))
}

# What is to be seen of a monitor that went through all that.
monitor_is_sound()
{
	find_processes
	[ "$(cat "/proc/$monitor/comm")" = monitor ]
	[ "$(find "/proc/$monitor/task" -mindepth 1 -maxdepth 1 | wc -l)" -eq 3 ]
	if pgrep -P "$monitor"; then return 1; fi
	is_small "$monitor" monitor
	is_small "$container" "container process"
	is_idle "$monitor"
	is_idle "$container"
	[ "$(stat -c %s "$LOG")" -lt "$LOG_MAX" ]
}

tree_is_untouched()
{
	[ "$(stat -c '%x %y %z %a %h' "$TREE/canary")" = "$CANARY" ]
	[ "$(cat "$TREE/canary")" = CANARY ]
	[ "$(ls "$TREE")" = "$(printf 'canary\nrootfs\nvolume')" ]
	[ "$(ls "$TREE/volume")" = file ]
	[ "$(cat "$TREE/volume/file")" = file ]
}

# delete --force: whatever the guest does, within the time of a slow host.
ends_by_force()
{
	local status=0 start=$SECONDS

	bulkhead delete --force hostile || return 1
	wait "$create" || status=$?
	[ "$status" -eq 1 ] || return 1
	((SECONDS - start < 15)) || return 1
	wait_until 10 no_processes
}

# attacks TASKS: all of them, one boot.
attacks()
{
	start "$1" --debug
	wait_until "$ATTACK_SECONDS" has_said 'done'
	results_are_good
	echo "# $1: $(grep -acE '^ok [0-9]+ ' "$REPORT") attacks" >&3
	monitor_is_sound
}

# How many frames of the guest have come to the tap.
card_has_sent()
{
	in_box cat /sys/class/net/bulkhead0/statistics/rx_packets
}

@test "rings in wrong places, with wrong bytes; a network card in a flood of frames" {
	prepare
	in_peer "$GUEST/net_spoof" flood bridge0 30 > /dev/null 2>&1 3>&- &
	attacks "card rings"
	(($(card_has_sent) > 0))
	ends_by_force
}

@test "registers, addresses, ports, instructions" {
	attacks "registers addresses processor"
	ends_by_force
}

@test "vsock packets and FUSE requests that are wrong; names and links that lead out" {
	attacks "vsock files names"
	# On the host all that the guest made lies in the rootfs, and the server's mounts open
	# no device and run nothing.
	[ -z "$(awk '$6 !~ /nodev/ || $6 !~ /nosuid/' "/proc/$container/mountinfo")" ]
	ends_by_force
	tree_is_untouched
	[ "$(cat "$ROOTFS/plain")" = plain ]
	[ "$(readlink "$ROOTFS/out")" = "$TREE/canary" ]
	[ -z "$(find "$TREE" -name planted -not -path "$ROOTFS/*")" ]
}

@test "what two processors change at the same time; floods of requests and faults" {
	attacks "balloon races floods"
	ends_by_force
}

@test "a flood on the console: the log of it is bounded, and so is the monitor" {
	local status=0

	start "console end-triple-fault" --debug
	wait "$create" || status=$?
	[ "$status" -eq 1 ]
	is_one_line_with "ok 1 console: 24 MiB of output" "$(tail -n 1 "$REPORT")"
	has_text "the guest reset itself" "$(tail -n 1 "$REPORT")"
	[ "$(stat -c %s "$REPORT")" -lt $((17 << 20)) ]
	[ "$(stat -c %s "$LOG")" -lt "$LOG_MAX" ]
	# A terminal obeys none of what it shows.
	run -1 env LC_ALL=C grep -aq $'[^\t -~]' "$REPORT"
}

# thread_jiffies TID
thread_jiffies()
{
	sed 's/.*) //' "/proc/$monitor/task/$1/stat" | awk '{ print $12 + $13 }'
}

# Measure a storm of some seconds. Returns 2 when the guest did not live that long.
storm()
{
	local all loop

	start storm --debug
	wait_until 60 has_said storm
	find_processes || return 2
	all=$(jiffies "$monitor")
	loop=$(thread_jiffies "$monitor")
	sleep 5
	[ -e "/proc/$monitor/stat" ] || return 2
	loop=$(($(thread_jiffies "$monitor") - loop))
	all=$(($(jiffies "$monitor") - all))
	echo "# in 5 s: the event loop $((loop * 10)) ms, the processors $(((all - loop) * 10)) ms" >&3
	((all > 0 && loop < all - loop)) || return 1
	is_small "$monitor" monitor || return 1
	ends_by_force
}

# attempts COMMAND...: until one does not return 2. Where QEMU emulates the processors it resets
# guests now and then (tests/kvm-host/README.md): only there, and only for that, it tries again.
attempts()
{
	local attempt status

	for attempt in 1 2 3; do
		status=0
		"$@" || status=$?
		if [ $status -ne 2 ] || ! grep -q 'QEMU TCG' /proc/cpuinfo; then
			break
		fi
		wait "$create" || :
		tail -n 1 "$REPORT" | grep -a 'the guest reset itself' || { cat "$REPORT"; return 1; }
		echo "# attempt $attempt: the guest reset itself" >&3
	done
	return $status
}

# This one also stops the emulated host, about one time in eight. "floods" has a storm of doorbells
# that is shorter.
@test "doorbells without end, from two processors: no more than they cost the guest itself" {
	if [ -z "${BULKHEAD_TEST_FULL:-}" ] && grep -q 'QEMU TCG' /proc/cpuinfo; then
		skip "QEMU does not emulate two processors well enough; BULKHEAD_TEST_FULL=1 tries"
	fi
	attempts storm
}

# ends TASK TEXT: the guest ends its VM; the reason is one line, and nothing else happened.
ends()
{
	local status=0

	rm -f "$LOG"
	start "end-$1"
	wait "$create" || status=$?
	[ "$status" -eq 1 ] || { echo "$1: exit code $status"; return 1; }
	is_one_line_with "$2" "$(< "$REPORT")" || { echo "(end-$1)"; return 1; }
	! LC_ALL=C grep -aq $'[^ -~]' "$REPORT" || { echo "$1: control characters"; return 1; }
	wait_until 10 no_processes || { echo "$1: left processes"; return 1; }
	[ -z "$(ls -A "$STATE")" ] || { echo "$1: left its state"; return 1; }
}

@test "guests that end themselves: one line says why" {
	local failed=0 emulate="KVM cannot emulate an instruction of the guest"
	local unexpected="guest-init sent a message that does not belong here"

	ends triple-fault "the guest reset itself" || failed=1
	ends jump-to-nothing "$emulate" || failed=1
	ends stack-in-device "$emulate" || failed=1
	ends page-tables-nowhere "create failed" || failed=1
	ends reset-self "create failed" || failed=1
	ends system-management "create failed" || failed=1
	ends report-itself "the guest reset itself" || failed=1
	ends hang-up "guest-init closed its connection" || failed=1
	ends unknown-frame "$unexpected" || failed=1
	ends unasked-answers "$unexpected" || failed=1
	ends evil-error "evil" || failed=1
	if [ -n "${BULKHEAD_TEST_FULL:-}" ]; then
		ends exceptions "the guest reset itself" || failed=1
		ends gates-in-device "the guest reset itself" || failed=1
		ends half-a-frame "guest-init closed its connection" || failed=1
		ends other-process "$unexpected" || failed=1
		ends early-exit "$unexpected" || failed=1
		ends hello-twice "$unexpected" || failed=1
		ends other-version "guest-init speaks another version" || failed=1
	fi
	[ $failed -eq 0 ]
	tree_is_untouched
}

# The guest runs, or is gone already.
has_begun()
{
	bulkhead state hostile 2> /dev/null | jq -e '.pid > 0' > /dev/null ||
		! kill -0 "$create" 2> /dev/null
}

# hangs TASK: it stays until it is ended, and takes no more than its processors. Returns 2 when it
# did not live that long.
hangs()
{
	start "end-$1" --debug
	wait_until 30 has_begun || return 1
	sleep 2
	find_processes || return 2
	[ "$(thread_jiffies "$monitor")" -lt 200 ] || return 1
	ends_by_force || return 1
}

@test "guests that only stand in the way end by force" {
	attempts hangs loop
	attempts hangs page-tables-in-device
}
