#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Fields of config.json, as the container's processes find them: one container, many fields.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
# shellcheck disable=SC2030,SC2031 # each test has an output of its own
load helpers

PROGRAMS='.mounts += [{destination: "/var/tmp", type: "bind", source: "'$TOP/build/guest'",
	options: ["bind", "ro"]}]'

# The same bundle under runc, in whatever runc 1.1 knows of it: those lines are equal.
same_as_runc()
{
	local theirs

	output=$(run_bundle "$1" < /dev/null)
	theirs=$(reference run --bundle "$BATS_TEST_TMPDIR/$1" "$1" < /dev/null)
	diff <(echo "$theirs") <(echo "$output")
}

# Every capability there is, in each set; the numbers of two limits differ for every kind.
ALL_CAPABILITIES='[range(41)] as $all | ([
	"CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID",
	"SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW",
	"IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT",
	"SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD",
	"LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG",
	"WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF", "CHECKPOINT_RESTORE"]
	| map("CAP_" + .)) as $names'

@test "each of the 41 capabilities arrives, in the set that names it" {
	local set

	# One by one from each of 41 containers would take long: bit N of five masks tells N apart.
	bundle capabilities "$ALL_CAPABILITIES"' |
		.process.capabilities = {
			bounding: $names,
			permitted: [$all[] | select(. % 2 == 0) | $names[.]],
			inheritable: [$all[] | select(. % 3 == 0) | $names[.]],
			effective: [$all[] | select(. % 4 == 0) | $names[.]],
			ambient: [$all[] | select(. % 6 == 0) | $names[.]]}' \
		sh -c 'grep ^Cap /proc/self/status'
	same_as_runc capabilities
	has_line $'CapBnd:\t000001ffffffffff'
	has_line "$(mask CapInh 3)"
	has_line "$(mask CapAmb 6)"
	has_line "$(mask CapPrm 2)"
	bundle kept "$ALL_CAPABILITIES"' | .process.user = {uid: 1, gid: 1} |
		.process.capabilities = {bounding: $names, permitted: $names, inheritable: $names,
			effective: $names, ambient: [$all[] | select(. % 2 == 1) | $names[.]]}' \
		sh -c 'grep ^Cap /proc/self/status'
	same_as_runc kept
	has_line $'CapInh:\t000001ffffffffff'
	for set in Prm Eff Amb; do
		has_line "$(printf 'Cap%s:\t%016x' $set $((0xaaaaaaaaaa)))"
	done
}

# mask NAME STEP: the line of /proc/self/status when every STEPth capability is in the set.
mask()
{
	local value=0 i

	for ((i = 0; i <= 40; i += $2)); do
		value=$((value | 1 << i))
	done
	printf '%s:\t%016x' "$1" $value
}

LIMITS='.process.rlimits = ([["CPU", 1001, 1101], ["FSIZE", 90000002, 91000102], ["DATA", 90000003, 91000103],
	["STACK", 8000004, 8000104], ["CORE", 1005, 1105], ["RSS", 1006, 1106], ["NPROC", 1007, 1107],
	["NOFILE", 1008, 1108], ["MEMLOCK", 1009, 1109], ["AS", 900000010, 900000110],
	["LOCKS", 1011, 1111], ["SIGPENDING", 1012, 1112], ["MSGQUEUE", 1013, 1113], ["NICE", 14, 34],
	["RTPRIO", 15, 95], ["RTTIME", 1016, 1116]]
	| map({type: ("RLIMIT_" + .[0]), soft: .[1], hard: .[2]}))'

@test "each kind of limit, umask, groups: what a process says of itself is what it says under runc" {
	bundle limits "$PROGRAMS | $LIMITS"' | .process.user = {uid: 7, gid: 8, umask: 39,
		additionalGids: [0, 9, 2147483647]} | .process.noNewPrivileges = false' \
		/var/tmp/process_check
	run_bundle limits < /dev/null > "$BATS_TEST_TMPDIR/ours"
	reference run --bundle "$BATS_TEST_TMPDIR/limits" limits < /dev/null > "$BATS_TEST_TMPDIR/theirs"
	output=$(cat "$BATS_TEST_TMPDIR/ours")
	# The clocks differ, and the host's root has other processors.
	diff <(grep -v '^clocks\|^processors' "$BATS_TEST_TMPDIR/theirs") \
		<(grep -v '^clocks\|^processors' "$BATS_TEST_TMPDIR/ours")
	has_line 'limit 0: 1001 1101'
	has_line 'limit 15: 1016 1116'
	has_line 'umask: 047'
	has_text 'Groups:	0 9 2147483647'
}

# scheduled NAME FILTER LINE...: every line is what a process says of itself.
scheduled()
{
	local line

	output=$(container "$1" "$PROGRAMS | $2" /var/tmp/process_check < /dev/null 2>&1) ||
		{ echo "$output"; return 1; }
	for line in "${@:3}"; do
		has_line "$line" || return 1
	done
}

@test "scheduler, I/O priority, personality and clocks" {
	scheduled fifo '.process.scheduler = {policy: "SCHED_FIFO", priority: 42,
			flags: ["SCHED_FLAG_RESET_ON_FORK"]}
		| .process.ioPriority = {class: "IOPRIO_CLASS_RT", priority: 3}
		| .linux.personality = {domain: "LINUX32"}
		| .linux.namespaces += [{type: "time"}]
		| .linux.timeOffsets.monotonic = {secs: 864000, nanosecs: 5}
		| .linux.timeOffsets.boottime = {secs: 1728000}' \
		'scheduler: policy 1 flags 1 nice 0 priority 42 times 0 0 0' \
		'io priority: 8195' 'personality: 8' 'machine: i686' 'clocks: 10 20 days'
	scheduled deadline '.process.scheduler = {policy: "SCHED_DEADLINE", runtime: 10000000,
			deadline: 20000000, period: 40000000,
			flags: ["SCHED_FLAG_RECLAIM", "SCHED_FLAG_DL_OVERRUN"]}
		| .process.ioPriority = {class: "IOPRIO_CLASS_IDLE"} | .linux.namespaces += [{type: "time"}]' \
		'scheduler: policy 6 flags 6 nice 0 priority 0 times 10000000 20000000 40000000' \
		'io priority: 24576' 'personality: 0' 'machine: x86_64' 'clocks: 0 0 days'
	scheduled nice '.process.scheduler = {policy: "SCHED_BATCH", nice: -20}
		| .process.execCPUAffinity = {initial: "0", final: "0"}
		| .process.ioPriority = {class: "IOPRIO_CLASS_BE", priority: 7}' \
		'scheduler: policy 3 flags 0 nice -20 priority 0 times 0 0 0' 'io priority: 16391'
}

@test "a scheduler or clock that the guest does not take is named" {
	bundle bad '.process.scheduler = {policy: "SCHED_DEADLINE", runtime: 3, deadline: 2, period: 1}' true
	run -1 create_bundle bad
	is_one_line_with 'process.scheduler: invalid argument' "$output"
	bundle past '.linux.namespaces += [{type: "time"}] | .linux.timeOffsets = {boottime: {secs: -86400}}' true
	run -1 create_bundle past
	is_one_line_with 'linux.timeOffsets.boottime: -86400 s: numerical result out of range' "$output"
}

# Calls whose arguments mean nothing: getpriority, getpgid, getsid, setpriority, sched_get_*.
ACTIONS='.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", syscalls: [
	{names: ["getpgid"], action: "SCMP_ACT_ERRNO", errnoRet: 71},
	{names: ["getsid"], action: "SCMP_ACT_ERRNO"},
	{names: ["sched_getscheduler"], action: "SCMP_ACT_KILL_THREAD"},
	{names: ["sched_getparam"], action: "SCMP_ACT_KILL_PROCESS"},
	{names: ["sched_rr_get_interval"], action: "SCMP_ACT_KILL"},
	{names: ["getpgrp"], action: "SCMP_ACT_TRAP"},
	{names: ["getppid"], action: "SCMP_ACT_TRACE", errnoRet: 5},
	{names: ["getpid"], action: "SCMP_ACT_LOG"},
	{names: ["getpriority"], action: "SCMP_ACT_ERRNO", errnoRet: 61,
		args: [{index: 0, value: 3, op: "SCMP_CMP_EQ"}, {index: 1, value: 100, op: "SCMP_CMP_GE"}]},
	{names: ["setpriority"], action: "SCMP_ACT_ERRNO", errnoRet: 61,
		args: [{index: 0, value: 240, valueTwo: 32, op: "SCMP_CMP_MASKED_EQ"}]},
	{names: ["sched_get_priority_max"], action: "SCMP_ACT_ERRNO", errnoRet: 61,
		args: [{index: 0, value: 100, op: "SCMP_CMP_LT"}]},
	{names: ["sched_get_priority_min"], action: "SCMP_ACT_ERRNO", errnoRet: 61,
		args: [{index: 0, value: 100, op: "SCMP_CMP_GT"}]},
	{names: ["ioprio_get"], action: "SCMP_ACT_ERRNO", errnoRet: 61,
		args: [{index: 0, value: 100, op: "SCMP_CMP_LE"}]},
	{names: ["getrusage"], action: "SCMP_ACT_ERRNO", errnoRet: 61,
		args: [{index: 0, value: 1, op: "SCMP_CMP_NE"}]}]}'

@test "every action and every comparison of a seccomp profile, as under runc" {
	bundle actions "$PROGRAMS | $ACTIONS" /var/tmp/filter_check 121,1 124,1 145,1 143,1 148,1 111 110 39 \
		140,3,100 140,3,99 140,4,100 141,47,0 141,63,0 146,99 146,100 147,101 147,100 \
		252,100 252,101 98,2 98,1 1000
	same_as_runc actions
	has_line '121,1: Protocol error'
	has_line '145,1: signal 31'
	has_line '110: Function not implemented'
	has_line '146,100: Invalid argument'
	has_line '1000: Function not implemented'
}

@test "calls that are newer than a profile do not exist, as under runc" {
	bundle newer "$PROGRAMS"' | .linux.seccomp = {defaultAction: "SCMP_ACT_ERRNO",
		architectures: ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
		syscalls: [{names: ["read", "write", "open", "openat", "close", "execve", "mmap", "munmap",
			"brk", "fork", "clone", "wait4", "exit", "exit_group", "fstat", "newfstatat",
			"rt_sigaction", "rt_sigprocmask", "arch_prctl", "set_tid_address", "set_robust_list",
			"rseq", "prlimit64", "readlink", "readlinkat", "getrandom", "mprotect", "ioctl", "prctl",
			"capget", "capset", "setuid", "setgid", "setgroups", "setresuid", "setresgid", "futex",
			"chdir", "getcwd", "access", "faccessat", "faccessat2", "stat", "lstat", "fcntl", "getpid", "gettid",
			"tgkill", "pipe2", "dup2", "dup3", "sigaltstack", "epoll_pwait", "epoll_ctl", "nanosleep",
			"rt_sigreturn", "sched_yield", "sched_getaffinity", "getdents64", "statfs", "fstatfs", "seccomp",
			"umask", "fchown", "fchdir", "kill", "madvise", "lseek", "pread64", "eventfd2", "epoll_create1",
			"close_range", "uname", "getppid", "getuid"], action: "SCMP_ACT_ALLOW"}]}' \
		/var/tmp/filter_check 39 121,1 437 439 440 450 500 1000
	same_as_runc newer
	has_line '121,1: Operation not permitted'
	has_line '440: Function not implemented'
	has_line '1000: Function not implemented'
}

# What podman and Docker send, of all their versions. The example bundle masks some already.
MASKED=(/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys /proc/latency_stats
	/proc/timer_list /proc/timer_stats /proc/sched_debug /proc/scsi /sys/firmware
	/sys/fs/selinux /sys/dev/block /sys/devices/virtual/powercap
	/sys/devices/system/cpu/cpu0/thermal_throttle)
READONLY=(/proc/bus /proc/fs /proc/irq /proc/sys /proc/sysrq-trigger)

@test "paths that engines mask or make read-only, devices, settings of the whole kernel" {
	local value

	bundle paths ".linux.maskedPaths = $(jq -nc '$ARGS.positional' --args "${MASKED[@]}")
		| .linux.readonlyPaths = $(jq -nc '$ARGS.positional' --args "${READONLY[@]}")"'
		| .mounts |= map(if .type == "sysfs" then .options -= ["ro"] else . end)
		| .linux.sysctl = {"vm.overcommit_memory": "2", "kernel.pid_max": "4321",
			"fs.pipe-max-size": "131072", "net.core.somaxconn": "77", "kernel.domainname": "d"}
		| .linux.devices = [
			{path: "/dev/pipe", type: "p", fileMode: 384, uid: 5, gid: 6},
			{path: "/dev/net/empty", type: "c", major: 1, minor: 3, fileMode: 8612, uid: 7, gid: 8},
			{path: "/dev/old", type: "u", major: 1, minor: 5}]
		| .process.apparmorProfile = "docker-default" | .process.selinuxLabel = "a:b:c:s0"
		| .linux.mountLabel = "a:b:c:s0"' \
		sh -c 'read -r masked; for path in $masked; do
				[ -e "$path" ] || continue
				if [ -d "$path" ]; then
					[ -z "$(ls -A "$path")" ] && ! touch "$path/x" 2> /dev/null && echo "hidden $path"
				else
					[ -c "$path" ] && [ "$(wc -c < "$path")" -eq 0 ] && echo "hidden $path"
				fi || echo "visible $path"
			done
			read -r paths; for path in $paths; do
				[ ! -e "$path" ] || grep -q " $path ro," /proc/self/mountinfo &&
					echo "fixed $path"
			done
			(echo 1 > /proc/sys/kernel/pid_max) 2>&1
			cd /proc/sys
			cat vm/overcommit_memory kernel/pid_max fs/pipe-max-size net/core/somaxconn
			cat kernel/domainname
			stat -c "%n %A %u:%g %t:%T" /dev/pipe /dev/net/empty /dev/old
			cat /dev/net/empty && head -c 3 /dev/old | od -An -tx1'
	output=$(printf '%s\n' "${MASKED[*]}" "${READONLY[*]}" |
		bulkhead --debug run --bundle "$BATS_TEST_TMPDIR/paths" paths 2>&1) ||
		{ echo "$output"; return 1; }
	[ "$(grep -c '^visible' <<< "$output")" -eq 0 ]
	has_line 'hidden /proc/keys'
	has_line 'hidden /proc/interrupts'
	has_line 'hidden /sys/dev/block'
	has_line 'fixed /proc/sys'
	[ "$(grep -c '^fixed' <<< "$output")" -eq ${#READONLY[@]} ]
	has_text "can't create /proc/sys/kernel/pid_max: Read-only file system"
	for value in 2 4321 131072 77 d; do
		has_line "$value"
	done
	has_line '/dev/pipe prw------- 5:6 0:0'
	has_line '/dev/net/empty crw-r--r-- 7:8 1:3'
	has_line ' 00 00 00'
	has_text 'process.apparmorProfile: has no meaning in the virtual machine and is ignored'
	has_text 'linux.mountLabel: has no meaning in the virtual machine and is ignored'
}

# is_mounted PATH WORD...: the line of the mount has each word among its options, -WORD not.
is_mounted()
{
	local line word

	line=$(grep " $1 " <<< "$output")
	for word in "${@:2}"; do
		case $word in
		-*) ! grep -qE "[ ,]${word#-}([ ,]|\$)" <<< "$line" ;;
		*) grep -qE "[ ,]$word([ ,]|\$)" <<< "$line" ;;
		esac || { echo "$word: $line"; return 1; }
	done
}

@test "options of mounts are in force; shared memory and single files of the host" {
	local tmp=$BATS_TEST_TMPDIR

	mkdir "$tmp/volume"
	mkdir -m 1777 "/dev/shm/${tmp//\//-}"
	echo secret > "$tmp/file"
	bundle mounts '.mounts |= map(select(.destination | IN("/dev/shm", "/dev/mqueue") | not))
		| .mounts += [
		{destination: "/dev/shm", type: "bind", source: ("/dev/shm/" + ($tmp | gsub("/"; "-"))),
			options: ["bind", "rprivate", "nosuid", "noexec", "nodev"]},
		{destination: "/dev/mqueue", type: "mqueue", options: ["nosuid", "noexec", "ro"]},
		{destination: "/tmp/a", type: "tmpfs", options: ["noatime", "nosymfollow", "sync", "size=1m"]},
		{destination: "/tmp/b", type: "tmpfs", options: ["noatime", "strictatime", "rnodiratime", "rshared"]},
		{destination: "/tmp/c", type: "tmpfs", options: ["relatime", "noexec", "exec", "rslave", "rro"]},
		{destination: "/tmp/d", type: "tmpfs", options: ["runbindable", "dirsync", "mode=700", "uid=3"]},
		{destination: "/tmp/e", type: "proc", options: ["hidepid=2", "rnosuid"]},
		{destination: "/tmp/f", type: "devpts", options: ["newinstance", "mode=600", "gid=7", "max=3"]},
		{destination: "/tmp/g", type: "bind", source: ($tmp + "/volume"), options: ["rbind", "rnosuid", "rnodev",
			"rnoexec", "rnosymfollow"]},
		{destination: "/tmp/h", type: "bind", source: ($tmp + "/file"), options: ["bind", "ro"]}]
		| .mounts = [{destination: "/tmp", type: "tmpfs"}] + .mounts | .linux.rootfsPropagation = "shared"' \
		sh -c 'cat /proc/self/mountinfo; exec 2>&1
			cat /tmp/h; (echo x > /tmp/h); mkdir /tmp/c/x
			cp /bin/busybox /tmp/g/sh; /tmp/g/sh true
			ln -s /etc/passwd /tmp/g/link; head -c 1 /tmp/g/link; stat -c "%a %u" /tmp/d
			echo shared > /dev/shm/memory; cat /dev/shm/memory'
	output=$(run_bundle mounts < /dev/null)
	rm -r "/dev/shm/${tmp//\//-}"
	is_mounted / shared:[0-9]+
	is_mounted /tmp/a noatime nosymfollow sync size=1024k
	is_mounted /tmp/b rw nodiratime shared:[0-9]+ -noatime -relatime
	is_mounted /tmp/c ro relatime -noexec
	is_mounted /tmp/d unbindable dirsync mode=700 uid=3
	is_mounted /tmp/e nosuid 'hidepid=(2|invisible)'
	is_mounted /tmp/f mode=600 gid=7 max=3
	is_mounted /tmp/g nosuid nodev noexec nosymfollow
	is_mounted /tmp/h ro
	is_mounted /dev/mqueue ro nosuid noexec
	is_mounted /dev/shm nosuid noexec nodev
	has_line secret
	has_text "can't create /tmp/h: Read-only file system"
	has_text 'sh: /tmp/g/sh: Permission denied'
	has_text 'head: /tmp/g/link: Too many levels of symbolic links'
	has_text "mkdir: can't create directory '/tmp/c/x': Read-only file system"
	has_line '700 3'
	has_line shared
}
