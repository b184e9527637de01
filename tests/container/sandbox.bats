#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What the three processes of a container hold once they are sealed, beside what `surface` says.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers
load network_namespaces

teardown()
{
	delete_all
	nothing_is_left
	remove_network
	no_call_was_refused
}

# Set CONTAINER, MONITOR and NETWORK, the pids of a container's processes.
find_processes()
{
	CONTAINER=$(bulkhead state box | jq .pid)
	MONITOR=$(monitor_of box)
	NETWORK=$(child_of box network)
	[ "$(pgrep --parent "$CONTAINER" | wc -l)" -eq 2 ]
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

# Every namespace that `surface` lists is neither the host's nor another process's, but for the
# network of container process and network process, which is one.
namespaces_are_own()
{
	local pid=$1 name=$2 kind other expected found

	for kind in $(of_surface "$name" namespaces); do
		for other in self "$CONTAINER" "$MONITOR" "$NETWORK"; do
			case "$kind $pid $other" in
			"$kind $pid $pid" | "net $CONTAINER $NETWORK" | "net $NETWORK $CONTAINER")
				expected=same ;;
			*) expected=another ;;
			esac
			found=another
			[ ! "/proc/$pid/ns/$kind" -ef "/proc/$other/ns/$kind" ] || found=same
			[ $found = $expected ] || { echo "$name, process $other: $found $kind"; return 1; }
		done
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

root_is_empty()
{
	[ -z "$(ls -A "/proc/$1/root/")" ] && [ "$(wc -l < "/proc/$1/mountinfo")" -eq 1 ] &&
		grep -q ' / / ro,nosuid,nodev,noexec' "/proc/$1/mountinfo"
}

@test "all three processes hold what surface says, and no more" {
	prepare
	bundle box "$(in_namespace) |
		.process.capabilities.bounding += [\"CAP_MKNOD\", \"CAP_SYS_ADMIN\"]" sleep 1000
	SECRET=of-the-engine run_bundle box --detach < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1
	find_processes
	is_sealed "$MONITOR" monitor
	is_sealed "$CONTAINER" "container process"
	is_sealed "$NETWORK" "network process"
	[ "$(field "$MONITOR" Uid | cut -f 1)" -ne 0 ]
	[ "$(field "$NETWORK" Uid)" = "$(field "$MONITOR" Uid)" ]
	[ "$(field "$NETWORK" Gid)" = "$(field "$MONITOR" Gid)" ]
	[ -z "$(field "$NETWORK" Groups)" ]
	is_like "*	1" "$(field "$MONITOR" NSpid)"
	is_like "*	1" "$(field "$NETWORK" NSpid)"
	root_is_empty "$MONITOR"
	root_is_empty "$NETWORK"
	files_are "$MONITOR" anon_inode:* socket:* pipe:* /dev/null /dev/net/tun \
		"$BATS_TEST_TMPDIR/out"
	files_are "$CONTAINER" anon_inode:* socket:* 'net:*' /memfd:* /dev/null / '/[a-z]*' \
		'/sys/fs/cgroup/*.oom/cgroup.procs'
	files_are "$NETWORK" anon_inode:* socket:* /dev/null /dev/net/tun \
		'*/sys/net/ipv4/ip_local_port_range' '*/net/tcp'
	# A descriptor of the host's /proc is how a process leaves its tree.
	for fd in "/proc/$CONTAINER/fd/"* "/proc/$NETWORK/fd/"*; do
		[ ! -e "$fd/../../sys/kernel" ]
	done
	# The target of the project's promise; README.md quotes the same numbers.
	"$BULKHEAD" surface --json | jq -e '[.processes[].threads[] | {(.role): .calls}] | add |
		.["event loop"] <= 25 and .vCPU <= 12 and .["file server"] <= 45 and
		.["network process"] <= 25'
	"$BULKHEAD" surface --json | jq -e '.processes[0].lines <= 8000'
	"$BULKHEAD" surface --json | jq -e '[.processes[].name] ==
		["monitor", "container process", "network process", "template maker"]'
}

# The policies of the monitor's threads, in their order: the event loop, then the vCPU.
policies()
{
	chrt --all-tasks --pid "$MONITOR" | sed -n 's/.*current scheduling policy: //p' | paste -sd ' '
}

@test "two containers' monitors are two users, and let their vCPUs go first" {
	bundle box . sleep 1000
	bundle other . sleep 1000
	run_bundle box --detach < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1
	run_bundle other --detach < /dev/null > "$BATS_TEST_TMPDIR/out" 2>&1
	find_processes
	first=$(field "$MONITOR" Uid)
	second=$(field "$(monitor_of other)" Uid)
	[ "$first" != "$second" ] || { echo "$first"; false; }
	[ "$(policies)" = "SCHED_BATCH SCHED_OTHER" ] || { policies; false; }
}

@test "the guest has the devices that surface lists" {
	bundle box . sh -c 'cd /sys/bus/platform/devices &&
		echo *.virtio | tr " " "\n" | sed "s/\..*//" | sort
		ls /sys/bus/virtio/devices | wc -l'
	run -0 run_bundle box
	expected=$("$BULKHEAD" surface --json | jq -r '.devices[].address' |
		while read -r address; do printf '%x\n' "$address"; done | sort)
	# The slots for network cards are empty: nobody sees more of them than that.
	expected+=$'\n'5
	[ "$output" = "$expected" ] || { echo "$output"; echo "$expected"; false; }
}

# What one container is made to do so that its threads need all that they may call.
ALL_WORK='
run() { "$BULKHEAD" --root "$STATE" "$@"; }
in_guest() { run exec box sh -c "$1" < /dev/null; }
run --template-dir "$BATS_TEST_TMPDIR/templates" template create
"$BULKHEAD" --root "$STATE" --log "$BATS_TEST_TMPDIR/log" run --detach \
	--bundle "$BATS_TEST_TMPDIR/box" box < /dev/null > /dev/null
run exec box /guest/fs_once /volume
run exec box /guest/unix_socket echo /volume/socket 100000
kill "$SERVER"
run exec box sh -c "sleep 1; /guest/unix_socket connect /volume/socket"
echo word | run exec box cat
run exec box sh -c "head -c 100 /dev/random | wc -c"
run pause box
run resume box
run update --pids-limit 200 box
pid=$(run state box | jq .pid)
[ "$pid" -gt 1 ] && kill -USR1 "$pid"
run exec box sh -c "tail /dev/zero; echo survived"
in_guest "echo resolver: \$(/guest/net_echo tcp 127.0.0.11 53 answers)
	echo peer: \$(/guest/net_echo tcp 10.88.0.1 7800 answers)
	(setsid /guest/net_echo serve 7700 > /dev/null 2>&1 < /dev/null &)"
plug eth1 10.88.0.3/24
in_guest "for i in \$(seq 100); do [ ! -e /sys/class/net/eth1 ] || break; sleep 0.1; done
	echo eth1: \$(ls -d /sys/class/net/eth1)
	/guest/net_spoof send eth0 10.88.0.2 ip last"
echo "loopback: $(in_box "$GUEST/net_echo" tcp 127.0.0.1 7700 answers)"
in_peer ip link delete to-eth1
in_guest "for i in \$(seq 100); do [ -e /sys/class/net/eth1 ] || break; sleep 0.1; done"
script -q -e -c "\"$BULKHEAD\" --root \"$STATE\" run --bundle \"$BATS_TEST_TMPDIR/terminal\" terminal" \
	"$BATS_TEST_TMPDIR/typescript"
run delete --force box
'

# An engine's resolver, as far as connections to it go.
RESOLVER='import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)
socketserver.ThreadingTCPServer(("127.0.0.11", 53), Echo).serve_forever()'

start_servers()
{
	"$TOP/build/guest/unix_socket" serve "$BATS_TEST_TMPDIR/volume/socket" > /dev/null 3>&- &
	SERVER=$!
	ip netns exec "$BOX" python3 -c "$RESOLVER" > /dev/null 2>&1 3>&- &
	RUNNING+=($!)
	wait_until 20 test -S "$BATS_TEST_TMPDIR/volume/socket"
	wait_until 60 eval '[ -n "$(in_box ss -Hltn src 127.0.0.11:53)" ]'
}

# Not always needed: what only other C libraries, clocks or users need, growing memory, the end of a
# processor that the end of its process overtakes, a stop of the process; the network process ends
# with its pid namespace as a rule; a template's machine that ends.
RARE=("event loop: poll" "event loop: clock_gettime" "event loop: brk"
	"vCPU: clock_gettime" "vCPU: ioctl KVM_IRQ_LINE" "file server: brk" "file server: clock_gettime"
	"file server: restart_syscall" "file server: exit_group" "file server: futex"
	"container process: futex" "container process: brk"
	"container process: clock_gettime" "container process: restart_syscall"
	"network process: clock_gettime" "network process: restart_syscall"
	"network process: exit_group" "network process: brk" "template maker: brk"
	"template maker: clock_gettime" "template maker: epoll_ctl"
	"template maker: madvise")

@test "every rule of the filters is needed, and no call is without one" {
	mkdir "$BATS_TEST_TMPDIR/volume"
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR"
	prepare
	bundle box "$(in_namespace)"' | .linux.resources.memory.limit = 67108864 | .mounts += [
		{destination: "/volume", type: "bind", source: ($tmp + "/volume"),
			options: ["rbind"]}]' sleep 1000
	bundle terminal '.process.terminal = true' true
	start_servers
	export BULKHEAD STATE BATS_TEST_TMPDIR SERVER BOX PEER GUEST
	export -f in_box in_peer plug
	timeout 400 strace -f -qq -s 16 -e signal=none -o "$BATS_TEST_TMPDIR/trace" \
		bash -c "$ALL_WORK" > "$BATS_TEST_TMPDIR/work" 2>&1 3>&- ||
		{ cat "$BATS_TEST_TMPDIR/work"; false; }
	output=$(< "$BATS_TEST_TMPDIR/work")
	for line in "resolver: answers" "peer: answers" "loopback: answers" \
		"eth1: /sys/class/net/eth1"; do
		has_line "$line"
	done
	"$BULKHEAD" surface --json > "$BATS_TEST_TMPDIR/surface"
	"$TOP/tests/sandbox/used-rules" "$BATS_TEST_TMPDIR/surface" "$BATS_TEST_TMPDIR/trace" \
		"${RARE[@]}"
}
