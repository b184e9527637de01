#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Tests of the emulated KVM host. One host serves most of them; small ones die for the rest.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
bats_require_minimum_version 1.5.0

setup_file()
{
	export KVM_HOST="$BATS_TEST_DIRNAME/kvm-host" NAME="test-$$"
	"$KVM_HOST" up --name "$NAME" --memory 1024
}

teardown_file()
{
	"$KVM_HOST" down --name "$NAME"
}

inside()
{
	"$KVM_HOST" run --name "$NAME" -- "$@"
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

supervisor_of()
{
	"$KVM_HOST" status | sed -n "s/^$1: .* supervisor //p"
}

# Print the processes of a host that is at least starting: supervisor, QEMU, virtiofsd.
processes_of()
{
	local supervisor

	supervisor=$(supervisor_of "$1")
	[ -n "$supervisor" ] && echo "$supervisor" && pgrep -P "$supervisor"
}

has_three_processes()
{
	[ "$(processes_of "$1" | wc -l)" -eq 3 ]
}

all_gone()
{
	local pid

	for pid; do
		! kill -0 "$pid" 2> /dev/null || return 1
	done
}

nothing_runs_inside()
{
	local status=0

	inside pgrep -f "$1" > /dev/null || status=$?
	[ "$status" -eq 1 ] # none, and not that the host is gone
}

# What hosts could leave in the file system: they shall use nothing of it.
leftovers()
{
	find /tmp /run /var/tmp /dev/shm -xdev ! -path '*/bats-*' -cnewer "$BATS_FILE_TMPDIR" \
		\( -name '*kvm-host*' -o -name '*virtiofsd*' -o -name '*qemu*' \) 2> /dev/null
}

@test "exit codes pass through" {
	for code in 0 1 2 77 124 126 127 128 254 255; do
		run "-$code" inside sh -c "exit $code"
	done
}

@test "death by a signal is 128 + its number" {
	for number in 1 6 9 15; do
		run "-$((128 + number))" inside sh -c "kill -$number \$\$"
	done
}

@test "a command that does not exist is 127, one that cannot run 126" {
	run -127 inside /no/such/command
	run -126 inside /etc
}

@test "stdout and stderr stay apart" {
	inside sh -c 'echo out; echo err >&2' > "$BATS_TEST_TMPDIR/out" 2> "$BATS_TEST_TMPDIR/err"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = out ]
	[ "$(cat "$BATS_TEST_TMPDIR/err")" = err ]
}

@test "arguments, environment and directory arrive unchanged" {
	run "$KVM_HOST" run --name "$NAME" --cwd /usr/lib --env A='x  "$y' -- \
		sh -c 'printf "%s|%s|%s" "$PWD" "$A" "$1"' sh $'line\nbreak '
	[ "$output" = $'/usr/lib|x  "$y|line\nbreak ' ]
	run "$KVM_HOST" run --name "$NAME" --cwd /no/such -- true
	[ "$status" -eq 125 ]
}

@test "20 MB of anything go in and come out unchanged" {
	head -c 20M /dev/urandom > "$BATS_TEST_TMPDIR/data"
	inside cat < "$BATS_TEST_TMPDIR/data" > "$BATS_TEST_TMPDIR/copy"
	cmp "$BATS_TEST_TMPDIR/data" "$BATS_TEST_TMPDIR/copy"
}

@test "the end of stdin arrives" {
	run inside wc -c < /dev/null
	[ "$output" = 0 ]
	[ "$(printf abc | inside cat)" = abc ]
}

@test "a command that ignores its stdin ends" {
	run bash -c 'head -c 8M /dev/zero | "$KVM_HOST" run --name "$NAME" -- true'
	[ "$status" -eq 0 ]
}

@test "a closed stdout reaches the command as SIGPIPE" {
	run bash -c '"$KVM_HOST" run --name "$NAME" -- yes | head -n 1; exit "${PIPESTATUS[0]}"'
	[ "$status" -eq 141 ]
	[ "$output" = y ]
}

@test "something left in the background does not keep the run" {
	run -0 timeout 10 "$KVM_HOST" run --name "$NAME" -- sh -c 'sleep 1234 & echo started'
	[ "$output" = started ]
	inside pkill -f 'sleep 123[4]'
	run -0 timeout 10 "$KVM_HOST" run --name "$NAME" -- sh -c 'yes & sleep 0.5'
}

@test "a slow reader gets everything" {
	run bash -c '"$KVM_HOST" run --name "$NAME" -- head -c 5M /dev/zero | (sleep 1; wc -c)'
	[ "$output" = 5242880 ]
}

@test "five runs at once" {
	local pids=() i

	for i in 1 2 3 4 5; do
		inside sh -c "head -c 2M /dev/zero; sleep 1; echo $i >&2; exit $i" \
			> "$BATS_TEST_TMPDIR/out$i" 2> "$BATS_TEST_TMPDIR/err$i" &
		pids[i]=$!
	done
	for i in 1 2 3 4 5; do
		status=0
		wait "${pids[i]}" || status=$?
		[ "$status" -eq "$i" ]
		[ "$(stat -c %s "$BATS_TEST_TMPDIR/out$i")" -eq 2097152 ]
		[ "$(cat "$BATS_TEST_TMPDIR/err$i")" = "$i" ]
	done
}

@test "SIGTERM is forwarded" {
	local out=$BATS_TEST_TMPDIR/out pid status=0

	"$KVM_HOST" run --name "$NAME" -- \
		sh -c 'trap "echo caught; exit 3" TERM; sleep 100 & echo ready; wait' > "$out" 3>&- &
	pid=$!
	wait_until 60 grep -qx ready "$out"
	kill -TERM "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 3 ]
	[ "$(< "$out")" = $'ready\ncaught' ]
}

@test "kill -9 of the client kills the command and its children" {
	inside bash -c 'trap "" TERM HUP; setsid sleep 4321 & wait' &
	local client=$!

	wait_until 30 inside pgrep -f 'sleep 432[1]'
	# The job is the function's subshell; the client is its child.
	pkill -9 -P "$client"
	wait_until 20 nothing_runs_inside '432[1]'
}

@test "the working tree is seen live and read-only" {
	local tree file

	tree=$(realpath "$BATS_TEST_DIRNAME/../..")
	mkdir -p "$tree/build"
	file=$(mktemp "$tree/build/kvm-host-test.XXXXXX")
	echo one > "$file"
	run inside cat "$file" "$file.new"
	[[ $output = one* ]]
	[ "$status" -ne 0 ]
	echo three > "$file"
	echo two > "$file.new"
	sleep 1.2
	run inside cat "$file" "$file.new"
	rm "$file" "$file.new"
	[ "$output" = $'three\ntwo' ]
	run inside touch "$file"
	[ "$status" -ne 0 ]
}

@test "the rest of the root is writable and private" {
	inside sh -c 'echo private > /usr/kvm-host-test && grep -q private /usr/kvm-host-test'
	[ ! -e /usr/kvm-host-test ]
}

@test "not even remounted can this machine's files be written" {
	local directory

	directory=$(mktemp -d)
	run inside sh -c "mkdir /mnt/again; mount -t virtiofs root /mnt/again &&
		! touch /mnt/again$directory/written"
	rm -d "$directory"
	[ "$status" -eq 0 ]
}

@test "/dev/kvm runs a guest" {
	run inside /usr/bin/python3 -c '
import ctypes, fcntl, mmap, os, struct
CREATE_VM, SET_MEMORY, CREATE_VCPU, RUN = 0xAE01, 0x4020AE46, 0xAE41, 0xAE80
kvm = os.open("/dev/kvm", os.O_RDWR)
assert fcntl.ioctl(kvm, 0xAE00, 0) == 12
vm = fcntl.ioctl(kvm, CREATE_VM, 0)
page = mmap.mmap(-1, 4096)
page[0xff0] = 0xf4                       # hlt, where a processor starts
address = ctypes.addressof(ctypes.c_char.from_buffer(page))
fcntl.ioctl(vm, SET_MEMORY, struct.pack("IIQQQ", 0, 0, 0xfffff000, 4096, address))
vcpu = fcntl.ioctl(vm, CREATE_VCPU, 0)
state = mmap.mmap(vcpu, 4096)
fcntl.ioctl(vcpu, RUN, 0)
print("exit reason", struct.unpack_from("I", state, 8)[0])'
	[ "$output" = "exit reason 5" ] # KVM_EXIT_HLT
}

@test "cgroups, overlays, modules and limits are there for engines" {
	inside bash -ec '
		grep -qw memory /sys/fs/cgroup/cgroup.subtree_control
		for storage in docker containers bulkhead-scratch; do
			cd "/var/lib/$storage"
			mkdir lower upper work merged
			mount -t overlay overlay merged \
				-o lowerdir=lower,upperdir=upper,workdir=work
			umount merged
			rmdir lower upper work/work work merged
		done
		modprobe -a veth bridge tun iptable_nat nf_tables
		[ "$(ulimit -Hn)" -eq 1048576 ]
		ip link show lo | grep -q LOWER_UP'
}

@test "a name is up once" {
	run "$KVM_HOST" up --name "$NAME"
	[ "$status" -ne 0 ]
	[[ $output = *"already up"* ]]
}

@test "kill -9 of the owner leaves nothing behind" {
	bash -c '"$KVM_HOST" up --name "$NAME-owned" --memory 512; sleep 1000' 3>&- &
	local owner=$! pids

	wait_until 30 has_three_processes "$NAME-owned"
	mapfile -t pids < <(processes_of "$NAME-owned")
	kill -9 "$owner"
	wait_until 20 all_gone "${pids[@]}"
	[ -z "$(leftovers)" ]
}

@test "kill -9 of the supervisor leaves nothing behind" {
	"$KVM_HOST" up --name "$NAME-orphan" --memory 512 3>&- &
	local pids

	wait_until 30 has_three_processes "$NAME-orphan"
	mapfile -t pids < <(processes_of "$NAME-orphan")
	kill -9 "${pids[0]}"
	wait_until 20 all_gone "${pids[@]}"
	[ -z "$(leftovers)" ]
	[ -z "$(supervisor_of "$NAME-orphan")" ]
}

@test "when QEMU dies, up says so at once" {
	"$KVM_HOST" up --name "$NAME-dead" --memory 512 2> "$BATS_TEST_TMPDIR/err" 3>&- &
	local up=$! pids

	wait_until 30 has_three_processes "$NAME-dead"
	mapfile -t pids < <(processes_of "$NAME-dead")
	pkill -9 -P "${pids[0]}" -f qemu-system
	status=0
	wait "$up" || status=$?
	[ "$status" -eq 125 ]
	grep -q 'the machine ended' "$BATS_TEST_TMPDIR/err"
	wait_until 20 all_gone "${pids[@]}"
}

@test "run brings up a host for itself, and ends with it" {
	run "$KVM_HOST" run --name "$NAME-own" --memory 512 -- \
		sh -c 'echo alive; echo "last words" > /dev/console; poweroff -f'
	[ "$status" -eq 125 ]
	[[ $output = *alive* ]]
	[[ $output = *"the machine ended"*"last words"* ]]
	[ -z "$(supervisor_of "$NAME-own")" ]
}
