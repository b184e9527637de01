#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Unix sockets of the host in bind mounts, and those that a container makes itself.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

UNIX_SOCKET=$TOP/build/guest/unix_socket

# What each test begins with: a directory that is to be bound, and no servers.
prepare()
{
	VOLUME=$BATS_TEST_TMPDIR/volume
	SERVERS=()
	mkdir "$VOLUME"
	cp "$UNIX_SOCKET" "$ROOTFS/bin/"
}

teardown()
{
	local pid

	for pid in "${SERVERS[@]}"; do
		kill "$pid" || :
	done
	delete_all
	nothing_is_left
	no_call_was_refused
}

# server PATH VERB [ARGUMENT]: a server on the host; what it prints goes to PATH.out.
server()
{
	"$UNIX_SOCKET" "$2" "$1" "${@:3}" > "$1.out" 3>&- 9>&- &
	SERVERS+=($!)
	wait_until 20 test -S "$1"
}

# Start a shell in a container with the volume and $BATS_TEST_TMPDIR/single, to be told what to do.
start_shell()
{
	SAID=0
	bundle shell '.root.readonly = false | .mounts += [
		{destination: "/volume", type: "bind", source: ($tmp + "/volume"), options: ["rbind"]},
		{destination: "/readonly", type: "bind", source: ($tmp + "/volume"),
			options: ["rbind", "ro"]},
		{destination: "/run/single", type: "bind", source: ($tmp + "/single"),
			options: ["bind", "ro"]}]' sh
	mkfifo "$BATS_TEST_TMPDIR/to-shell"
	run_bundle shell < "$BATS_TEST_TMPDIR/to-shell" > "$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	SHELL_PID=$!
	exec 9> "$BATS_TEST_TMPDIR/to-shell"
}

end_shell()
{
	exec 9>&-
	wait "$SHELL_PID"
}

# says COMMAND LINE...: the shell prints exactly those lines. They stay in $output.
says()
{
	SAID=$((SAID + 1))
	echo "echo begin $SAID; $1; echo end $SAID" >&9
	wait_until "$TIME_LIMIT" grep -qx "end $SAID" "$BATS_TEST_TMPDIR/said"
	output=$(sed -n "/^begin $SAID\$/,/^end $SAID\$/{//!p}" "$BATS_TEST_TMPDIR/said")
	shift
	[ "$output" = "$(printf '%s\n' "$@")" ] ||
		{ echo "says: $output"; echo "not: $*"; return 1; }
}

@test "sockets in bind mounts take connections from a container" {
	prepare
	server "$BATS_TEST_TMPDIR/single" serve
	server "$VOLUME/echo" serve
	mkdir "$VOLUME/deep"
	server "$VOLUME/deep/first" serve-first
	ln -s echo "$VOLUME/link"
	server "$VOLUME/private" serve
	chown 1234 "$VOLUME/private"
	chmod 700 "$VOLUME/private"
	start_shell
	# A file, a directory, and either read-only; the end of each direction on its own.
	says 'unix_socket echo /run/single 1000' 'echo: 1000 of 1000'
	says 'unix_socket echo /volume/echo 1048576' 'echo: 1048576 of 1048576'
	says 'unix_socket echo /readonly/echo 100000' 'echo: 100000 of 100000'
	says 'unix_socket echo /volume/link 0' 'echo: 0 of 0'
	says 'unix_socket last /volume/deep/first' 'last: after first'
	wait_until 20 grep -qx last "$VOLUME/deep/first.out"
	says 'unix_socket many /volume/echo 50' 'many: 50 of 50'
	# More than there can be at a time wait for their turn.
	says 'unix_socket many /run/single 70' 'many: 70 of 70'
	# Who may connect is said by the host's file, of users of the guest. Root here has no
	# capability to override it.
	says 'stat -c "%A %u" /volume/private' 'srwx------ 1234'
	says 'unix_socket connect /volume/private' 'connect: EACCES'
	chmod 777 "$VOLUME/private"
	sleep 2
	says 'unix_socket connect /volume/private' 'connect: ok'
	# Nothing shows up anywhere.
	says 'ls -A / | grep bulkhead; grep -c echo /proc/mounts /proc/net/unix' \
		'/proc/mounts:0' '/proc/net/unix:0'
	end_shell
}

@test "servers of the host come and go while a container runs" {
	prepare
	server "$BATS_TEST_TMPDIR/single" serve
	server "$VOLUME/gone" serve
	start_shell
	says 'unix_socket connect /volume/gone; unix_socket connect /run/single' \
		'connect: ok' 'connect: ok'
	# One that ends leaves a name that leads nowhere; the first who tries may still see a close.
	kill "${SERVERS[@]}"
	wait "${SERVERS[@]}" || :
	SERVERS=()
	says 'unix_socket connect /volume/gone > /dev/null; sleep 1
		unix_socket connect /volume/gone' 'connect: ECONNREFUSED'
	# One that comes back is another socket of that name.
	server "$VOLUME/gone" serve
	sleep 2
	says 'unix_socket echo /volume/gone 10' 'echo: 10 of 10'
	# One that is waited for can be used at once.
	echo 'echo waits; unix_socket wait /volume/late 100; echo waited' >&9
	wait_until 20 grep -qx waits "$BATS_TEST_TMPDIR/said"
	server "$BATS_TEST_TMPDIR/early" serve
	mv "$BATS_TEST_TMPDIR/early" "$VOLUME/late"
	wait_until "$TIME_LIMIT" grep -qx waited "$BATS_TEST_TMPDIR/said"
	grep -qx 'wait: ok' "$BATS_TEST_TMPDIR/said"
	says 'unix_socket echo /volume/late 10' 'echo: 10 of 10'
	end_shell
}

@test "what a socket is not reachable for" {
	prepare
	server "$BATS_TEST_TMPDIR/single" serve-nobody
	server "$ROOTFS/tmp/outside" serve
	server "$VOLUME/datagrams" serve dgram
	server "$VOLUME/packets" serve seqpacket
	server "$BATS_TEST_TMPDIR/hidden" serve
	ln -s "$BATS_TEST_TMPDIR/hidden" "$VOLUME/link"
	start_shell
	# Not in a bind mount; by a link that leads out of one.
	says 'unix_socket connect /tmp/outside' 'connect: ECONNREFUSED'
	says 'unix_socket connect /volume/link' 'connect: ENOENT'
	# Of another type than streams.
	says 'unix_socket connect /volume/datagrams dgram' 'connect: ECONNREFUSED'
	says 'unix_socket connect /volume/packets seqpacket' 'connect: EPROTOTYPE'
	says 'unix_socket connect /volume/packets' 'connect: closed'
	# A listener that accepts nobody: one connection waits there, further ones are closed.
	says 'unix_socket connect /run/single; unix_socket connect /run/single' \
		'connect: ok' 'connect: closed'
	end_shell
	rm "$ROOTFS/tmp/outside" "$ROOTFS/tmp/outside.out"
}

@test "sockets that a container makes are its own" {
	prepare
	server "$BATS_TEST_TMPDIR/single" serve
	start_shell
	says 'unix_socket own /volume/own' 'own: own'
	says 'unix_socket own /tmp/own' 'own: own'
	says 'unix_socket own /dev/shm/own' 'own: own'
	# Its processes have ended: nobody is there, and another can take its place.
	says 'unix_socket connect /volume/own' 'connect: ECONNREFUSED'
	says 'unix_socket own /volume/own' 'own: own'
	# Alive in the guest, it is a dead file to the host.
	says 'unix_socket serve /volume/alive & sleep 1; unix_socket echo /volume/alive 1000' \
		'echo: 1000 of 1000'
	[ -S "$VOLUME/alive" ]
	run -1 "$UNIX_SOCKET" connect "$VOLUME/alive"
	[ "$output" = 'connect: ECONNREFUSED' ]
	says 'kill $!' ''
	end_shell
	rm -f "$ROOTFS/tmp/own"
}

@test "what was sent before a container's end arrives" {
	prepare
	server "$BATS_TEST_TMPDIR/single" serve-first
	bundle brief '.mounts += [{destination: "/socket", type: "bind",
		source: ($tmp + "/single"), options: ["bind"]}]' unix_socket last /socket
	output=$(run_bundle brief < /dev/null)
	[ "$output" = 'last: after first' ]
	wait_until 20 grep -qx last "$BATS_TEST_TMPDIR/single.out"
}
