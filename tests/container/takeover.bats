#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A monitor, a file server and a network process that run an attacker's code
# (tests/sandbox/takeover.c): whatever it tries fails, by the filter of system calls, and without
# that by the rest of the sandbox.
# shellcheck disable=SC2030,SC2031 # output is set by run, and each test is a subshell
load helpers
load network_namespaces

CANARY=/var/lib/bulkhead-canary

# System calls are refused here.
teardown()
{
	delete_all
	nothing_is_left
	remove_network
}

# taken_over ROLE ATTEMPT [VARIABLE=VALUE]...: run a container with the attacker in it, who reports
# to $BATS_TEST_TMPDIR/report.
taken_over()
{
	local role=$1 attempt=$2

	shift 2
	: > "$BATS_TEST_TMPDIR/report"
	echo canary > "$CANARY"
	bundle box . true
	if [ "$role" = network-process ]; then
		# There is an interface to take.
		prepare
		bundle box "$(in_namespace)" true
	fi
	env LD_PRELOAD="$TOP/build/takeover.so" TAKEOVER_REPORT="$BATS_TEST_TMPDIR/report" \
		TAKEOVER_ROLE="$role" TAKEOVER_ATTEMPT="$attempt" "$@" \
		timeout --kill-after=10 "$TIME_LIMIT" "$BULKHEAD" --root "$STATE" run \
		--bundle "$BATS_TEST_TMPDIR/box" box
}

# all_killed EXCEPTION...: no attempt of the report did anything, and the exceptions, which the role
# may call and does in vain, apart all were ended by the filter.
all_killed()
{
	local attempts

	attempts=$(grep -c '{ "' "$TOP/tests/sandbox/attempts.c")
	[ "$(wc -l < "$BATS_TEST_TMPDIR/report")" -eq "$attempts" ] || {
		cat "$BATS_TEST_TMPDIR/report"
		return 1
	}
	{ [ $# -eq 0 ] || printf '%s\n' "$@"; } | sort > "$BATS_TEST_TMPDIR/exceptions"
	grep -v ': killed, SYS$' "$BATS_TEST_TMPDIR/report" | sort |
		diff "$BATS_TEST_TMPDIR/exceptions" -
}

@test "the event loop's filter ends whatever it has no need of" {
	taken_over event-loop each
	all_killed
}

@test "a vCPU's filter ends whatever it has no need of" {
	taken_over vcpu each
	all_killed
}

# It opens files, and sockets by their place in the container's tree. Where there is no file of that
# name there it finds none of the host's either.
@test "the file server's filter ends whatever it has no need of" {
	taken_over file-server each
	all_killed "open-file: failed, ENOENT" "climb: failed, ENOENT" \
		"climb-to-kernel-settings: failed, ENOENT" "open-device: failed, EROFS" \
		"write-runtime-binary: failed, ENOENT" "connect-unix: failed, ENOENT" \
		"connect-abstract: failed, ECONNREFUSED" "open-namespace: failed, ENOENT"
}

@test "the container process's filter ends whatever it has no need of" {
	taken_over container-process each
	all_killed "connect-unix: failed, ENOENT" "connect-abstract: failed, ECONNREFUSED"
}

# It speaks rtnetlink, which knows the namespaces that the other ends of its interfaces are in; no
# filter of system calls sees that, and a capability over an engine's namespace is one over those.
# All other namespaces are out of its reach: it has no name for them. It sees frames, those of its
# own namespace.
@test "the network process's filter ends whatever it has no need of" {
	taken_over network-process each
	all_killed "packet-socket: done" "move-interface: failed, EBADF" "reach-peer: done"
}

# none_done ATTEMPT...: of all attempts only those that are named were done.
none_done()
{
	printf '%s: done\n' "$@" | sort > "$BATS_TEST_TMPDIR/exceptions"
	grep ': done$' "$BATS_TEST_TMPDIR/report" | sort | diff "$BATS_TEST_TMPDIR/exceptions" - &&
		! grep -v ': \(done$\|failed, \)' "$BATS_TEST_TMPDIR/report"
}

# Without filters there is still no file, network or process of the host. What is done here
# reaches nothing but the process itself, and its own kernel objects.
@test "the monitor's namespaces hold without a filter" {
	taken_over event-loop each TAKEOVER_FILTER=off
	none_done vsock-socket make-process kill-thread make-ring add-key map-code \
		become-dumpable set-owner call-as-32-bit
}

@test "the container process's namespaces and capabilities hold without a filter" {
	taken_over file-server each TAKEOVER_FILTER=off
	sed -i '/^execute: /d' "$BATS_TEST_TMPDIR/report" # a program of the container's image
	none_done vsock-socket make-process kill-thread make-ring add-key map-code \
		become-dumpable set-owner call-as-32-bit
}

# It has the network of its container, with the loopback in it, and what that leads to (see above).
@test "the network process's namespaces and capabilities hold without a filter" {
	taken_over network-process each TAKEOVER_FILTER=off
	none_done vsock-socket make-process kill-thread make-ring add-key map-code \
		become-dumpable set-owner call-as-32-bit connect-internet reach-peer \
		persist-interface packet-socket raw-socket
}

# In the very thread, in the middle of its work: the process is gone, and so is the container.
ends_container()
{
	local role=$1 status=0

	taken_over "$role" make-namespaces TAKEOVER_ROUND=20 2> "$BATS_TEST_TMPDIR/log" || status=$?
	[ "$status" -ne 0 ] || { echo "$role: exit code $status"; return 1; }
	printf 'make-namespaces: begun\n' | diff - "$BATS_TEST_TMPDIR/report" || return 1
	[ "$role" = file-server ] || grep -q "ended the monitor: it made a system call that its \
sandbox does not allow" "$BATS_TEST_TMPDIR/log" || { cat "$BATS_TEST_TMPDIR/log"; return 1; }
	nothing_is_left
}

# It has not looked at the network yet, and without that the container is not started. One that ends
# later is done without (network.bats).
refuses_start()
{
	run taken_over network-process make-namespaces
	[ "$status" -ne 0 ] || return 1
	printf 'make-namespaces: begun\n' | diff - "$BATS_TEST_TMPDIR/report" || return 1
	has_text "the network process is gone" "$output"
	has_text "the network process has ended before it set up the container's network" "$output"
	nothing_is_left
}

@test "whoever makes a call that it has not ends, and its container with it" {
	one_by_one ends_container event-loop vcpu file-server
	refuses_start
}

@test "the program itself has no hook for this" {
	run ! grep -a -q -i takeover "$BULKHEAD"
}
