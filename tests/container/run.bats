#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# `bulkhead run` with processes of all kinds behaves as `runc run` does.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

# The same bundle under both runtimes: equal output and exit code. The output stays in $output.
# Lines of stdout and stderr may overtake each other, so the workload has to join the two.
same_as_runc()
{
	local ours theirs status_ours=0 status_theirs=0

	ours=$(run_bundle "$1" < /dev/null) || status_ours=$?
	theirs=$(reference run --bundle "$BATS_TEST_TMPDIR/$1" "$1" < /dev/null) ||
		status_theirs=$?
	diff <(echo "$theirs") <(echo "$ours")
	[ "$status_ours" -eq "$status_theirs" ]
	output=$ours
}

@test "stdout and stderr stay apart" {
	bundle streams . sh -c 'echo out; echo err >&2; exit 42'
	run --separate-stderr -42 run_bundle streams
	[ "$output" = out ]
	# shellcheck disable=SC2154 # set by run
	[ "$stderr" = err ]
}

exits_with()
{
	local status=0

	container "exit-$1" . sh -c "exit $1" < /dev/null || status=$?
	[ "$status" -eq "$1" ] || { echo "exit $1 arrives as $status"; return 1; }
}

@test "exit codes pass through" {
	local codes=(0 1 2 3 126 127 128 137 254 255)

	[ -z "${BULKHEAD_TEST_FULL:-}" ] || mapfile -t codes < <(seq 0 255)
	one_by_one exits_with "${codes[@]}"
}

# Without a pid namespace the process is not PID 1, which is deaf to its own signals.
dies_of()
{
	local status=0

	container "signal-$1" 'del(.linux.namespaces[] | select(.type == "pid"))' \
		sh -c "kill -$1 \$\$; sleep 1" < /dev/null || status=$?
	[ "$status" -eq $((128 + $1)) ] || { echo "signal $1 arrives as $status"; return 1; }
}

@test "death by a signal is 128 + its number" {
	one_by_one dies_of 15 9 11 6
}

@test "PID 1 is deaf to its own signals, as anywhere" {
	bundle deaf . sh -c 'kill -TERM $$; kill -KILL $$; echo alive; exit 3'
	same_as_runc deaf
	[ "$output" = alive ]
}

@test "a signal to the runtime process reaches the workload" {
	local pid status=0

	bundle signals . sh -c 'trap "echo got TERM; exit 9" TERM; trap "echo got USR1" USR1
		echo ready; while :; do sleep 0.1; done'
	"$BULKHEAD" --root "$STATE" run --bundle "$BATS_TEST_TMPDIR/signals" signals \
		> "$BATS_TEST_TMPDIR/out" < /dev/null 3>&- &
	pid=$!
	wait_until 60 grep -qx ready "$BATS_TEST_TMPDIR/out"
	kill -USR1 "$pid"
	wait_until 10 grep -qx 'got USR1' "$BATS_TEST_TMPDIR/out"
	kill -TERM "$pid"
	wait "$pid" || status=$?
	[ "$status" -eq 9 ]
	grep -qx 'got TERM' "$BATS_TEST_TMPDIR/out"
}

@test "100 MB go through stdin to stdout unchanged" {
	local data=$BATS_TEST_TMPDIR/data

	# No file system at hand has room for twice as much: sums are taken on the way.
	bundle pipe . cat
	openssl enc -aes-128-ctr -K 00 -iv 00 -in /dev/zero 2> /dev/null | head -c 100000000 |
		tee >(sha256sum > "$data.in") | run_bundle pipe | sha256sum > "$data.out"
	wait_until 10 test -s "$data.in"
	cmp "$data.in" "$data.out"
}

@test "the end of stdin arrives, also when it never was open" {
	bundle ends . sh -c 'wc -c; echo done'
	output=$(printf 'twelve bytes' | run_bundle ends)
	[ "$output" = $'12\ndone' ]
	output=$(run_bundle ends < /dev/null)
	[ "$output" = $'0\ndone' ]
	output=$(run_bundle ends <&-)
	[ "$output" = $'0\ndone' ]
}

@test "a reader that goes away is a broken pipe to the workload" {
	bundle yes . sh -c 'yes; echo "yes: $?" >&2'
	run_bundle yes 2> "$BATS_TEST_TMPDIR/err" < /dev/null | head -n 1
	grep -x 'yes: 1\(41\)\?' "$BATS_TEST_TMPDIR/err"
}

cannot_run()
{
	local name ours theirs status=0

	name=bad-$(tr -cd '[:lower:]' <<< "$1")
	bundle "$name" . "$1"
	theirs=$(reference run --bundle "$BATS_TEST_TMPDIR/$name" "$name" 2>&1 < /dev/null) || :
	ours=$(run_bundle "$name" 2>&1 < /dev/null) || status=$?
	[ "$status" -eq 1 ] || { echo "exit code $status"; return 1; }
	is_one_line_with "unable to start container process: exec: \"$1\": " "$ours" || return 1
	# What stands before is about the runtime, quotes around it are its log format.
	theirs=$(sed -n 's/.*unable to start container process: //p' <<< "$theirs" | tr -d '\\"')
	ours=${ours##*unable to start container process: }
	ours=${ours//\"/}
	[ "$ours" = "$theirs" ] || { echo "ours: $ours; theirs: $theirs"; return 1; }
}

@test "a program that cannot be run is refused in runc's words" {
	one_by_one cannot_run /nope nope /etc/passwd /etc etc/passwd /etc/passwd/x
}

@test "a program that cannot be run is refused by create already" {
	bundle nope . /nope
	run --separate-stderr -1 create_bundle nope --pid-file "$BATS_TEST_TMPDIR/pid"
	is_one_line_with 'exec: "/nope": stat /nope: no such file or directory' "$stderr"
	[ -z "$output" ]
	[ ! -e "$BATS_TEST_TMPDIR/pid" ]
}

# What a process can say about itself; the same under both runtimes.
SELF='cat /proc/1/comm; pwd; umask; env | sort; id; hostname; cat /proc/1/oom_score_adj
	for limit in -Sn -Hn -Sc -Hc -Ss -Hs; do echo "limit $limit: $(ulimit $limit)"; done
	grep -E "^(Uid|Gid|Groups|Cap.*|NoNewPrivs|Umask):" /proc/1/status'

@test "what a process is given: root with few capabilities" {
	bundle root '.process.cwd = "/var/tmp" | .process.env += ["A=b  c", "EMPTY=", "Q=\"$x"]
		| .process.user.umask = 23 | .process.oomScoreAdj = 321
		| .process.rlimits += [{type: "RLIMIT_CORE", soft: 4096, hard: 8192},
			{type: "RLIMIT_STACK", soft: 1048576, hard: 2097152}]
		| .process.capabilities.bounding += ["CAP_CHOWN"]
		| .process.capabilities.permitted += ["CAP_CHOWN"]
		| .process.capabilities.inheritable = ["CAP_KILL"]
		| .process.capabilities.ambient = ["CAP_KILL"]' \
		sh -c "$SELF"
	same_as_runc root
	has_line sh
	has_line /var/tmp
	has_line 0027
	has_line 'A=b  c'
	has_line 'Q="$x'
	has_line bulkhead
	has_line 321
	has_line $'NoNewPrivs:\t1'
	has_line $'CapBnd:\t0000000020000421'
	has_line $'CapPrm:\t0000000020000421'
}

@test "what a process is given: a user with groups, privileges to gain" {
	bundle user '.process.user = {uid: 1000, gid: 1001, additionalGids: [5, 77]}
		| .process.noNewPrivileges = false | .hostname = "other"
		| .process.capabilities = {bounding: ["CAP_NET_RAW", "CAP_SETUID"],
			effective: ["CAP_NET_RAW"], permitted: ["CAP_NET_RAW"],
			inheritable: ["CAP_NET_RAW"], ambient: ["CAP_NET_RAW"]}' \
		sh -c "$SELF"
	same_as_runc user
	has_line 'uid=1000 gid=1001 groups=5(tty),77'
	has_line $'CapEff:\t0000000000002000'
	has_line $'NoNewPrivs:\t0'
	has_line other
}

SECCOMP='.linux.seccomp = {defaultAction: "SCMP_ACT_ALLOW", architectures: ["SCMP_ARCH_X86_64"],
	syscalls: [
		{names: ["mkdir", "mkdirat"], action: "SCMP_ACT_ERRNO", errnoRet: 71},
		{names: ["symlink", "symlinkat"], action: "SCMP_ACT_ERRNO"},
		{names: ["chmod", "fchmodat"], action: "SCMP_ACT_KILL_PROCESS"},
		{names: ["sync"], action: "SCMP_ACT_TRAP"},
		{names: ["truncate", "ftruncate"], action: "SCMP_ACT_ERRNO", errnoRet: 61,
			args: [{index: 1, value: 4096, op: "SCMP_CMP_GT"}]}]}'

FILTERED='exec 2>&1; cd /dev/shm; mkdir x; ln -s x y; echo x > f
	(chmod 600 f) 2> /dev/null; echo "chmod: $?"; (sync) 2> /dev/null; echo "sync: $?"
	truncate -s 4096 f && stat -c %s f; truncate -s 4097 f; stat -c %s f
	grep -E "^(Cap.*|NoNewPrivs|Seccomp):" /proc/self/status'

@test "a seccomp profile is in force, for root and for users, with privileges to gain and without" {
	bundle filtered "$SECCOMP" sh -c "$FILTERED"
	same_as_runc filtered
	has_line "mkdir: can't create directory 'x': Protocol error"
	has_line 'chmod: 159'
	has_line 'sync: 159'
	has_text 'No data available'
	has_line $'Seccomp:\t2'
	bundle gains "$SECCOMP"' | .process.noNewPrivileges = false
		| .process.user = {uid: 1000, gid: 1000}' sh -c "$FILTERED"
	same_as_runc gains
	has_line 'chmod: 159'
	has_line $'NoNewPrivs:\t0'
	has_line $'Seccomp:\t2'
}

@test "a rootfs that is read-only, and one that is not" {
	bundle readonly . sh -c 'exec 2>&1
		echo x > /file; mkdir /etc/dir; touch /etc/passwd; rm /etc/group
		echo x > /dev/shm/file && cat /dev/shm/file'
	same_as_runc readonly
	has_text 'Read-only file system'
	has_line x
	cp -a "$ROOTFS" "$BATS_TEST_TMPDIR/own"
	# runc 1.1 gives a tmpfs the mode of the directory below it, whatever its options say.
	output=$(container writable '.root = {path: ($tmp + "/own")} | .mounts += [
		{destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1750"]}]' \
		sh -c 'echo x > /file && mkdir /etc/dir && rm /etc/group && chmod 600 /file
			stat -c %a /tmp' < /dev/null)
	[ "$output" = 1750 ]
	[ "$(stat -c '%a %s %u' "$BATS_TEST_TMPDIR/own/file")" = '600 2 0' ]
	[ -d "$BATS_TEST_TMPDIR/own/etc/dir" ]
	[ ! -e "$BATS_TEST_TMPDIR/own/etc/group" ]
}

@test "masked and read-only paths, sysctl, sizes of tmpfs" {
	bundle paths '.linux.maskedPaths += ["/etc/passwd", "/var", "/no/such"]
		| .linux.readonlyPaths += ["/dev/shm", "/no/such"]
		| .linux.sysctl = {"net.ipv4.ip_forward": "1", "kernel.msgmax": "4321"}
		| .mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs",
			options: ["nosuid", "noexec", "size=1234k"]}]' \
		sh -c 'exec 2>&1; cat /etc/passwd; echo "passwd: $?"; ls /var; touch /var/x; touch /dev/shm/x
			echo 1 > /proc/sys/kernel/msgmax
			cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/msgmax
			cat /proc/keys /proc/timer_list; ls /sys/firmware
			df -k /tmp /dev | tail -n +2; stat -c %a /tmp
			cp /bin/busybox /tmp; head -c 2000000 /dev/zero > /tmp/file || echo full'
	same_as_runc paths
	has_line 'passwd: 0'
	has_line 4321
	has_line 1777
	has_line full
	has_text "can't create /proc/sys/kernel/msgmax: Read-only file system"
	has_text 'touch: /var/x: Read-only file system'
}

@test "bind mounts of directories and files, to be written or not" {
	local tmp=$BATS_TEST_TMPDIR

	# One file mounted twice is two files to the guest: a change arrives there as the host's do.
	mkdir "$tmp/dir" "$tmp/fixed"
	echo old > "$tmp/dir/in"
	echo fixed > "$tmp/fixed/in"
	echo file > "$tmp/file"
	echo secret > "$tmp/sibling"
	bundle binds '.mounts += [
		{destination: "/tmp", type: "bind", source: ($tmp + "/dir"), options: ["rbind", "rw"]},
		{destination: "/var/tmp", type: "bind", source: ($tmp + "/fixed"), options: ["bind", "ro"]},
		{destination: "/etc/group", source: ($tmp + "/file"), options: ["bind"]},
		{destination: "/etc/passwd", source: ($tmp + "/file"), options: ["bind", "ro"]}]' \
		sh -c 'exec 2>&1
			cat /tmp/in /var/tmp/in /etc/group; echo new > /tmp/in; echo x > /var/tmp/x
			echo changed > /etc/group; echo x > /etc/passwd; sleep 2; cat /etc/passwd
			ls -A /etc; mv /tmp/in /tmp/out; rm /etc/group'
	run_bundle binds > "$tmp/ours" < /dev/null || :
	[ "$(cat "$tmp/dir/out" "$tmp/file")" = $'new\nchanged' ]
	rm "$tmp/dir/out"
	echo old > "$tmp/dir/in"
	echo file > "$tmp/file"
	reference run --bundle "$tmp/binds" binds > "$tmp/theirs" < /dev/null || :
	diff "$tmp/theirs" "$tmp/ours"
	[ ! -e "$tmp/fixed/x" ]
}

@test "signals that the caller ignores stay ignored, and the end is seen all the same" {
	local pid status=0

	bundle ignored . sh -c 'trap "exit 9" HUP; echo ready; read -r line; exit 4'
	mkfifo "$BATS_TEST_TMPDIR/in"
	(trap '' HUP CHLD; exec "$BULKHEAD" --root "$STATE" run \
		--bundle "$BATS_TEST_TMPDIR/ignored" ignored) < "$BATS_TEST_TMPDIR/in" \
		> "$BATS_TEST_TMPDIR/out" 3>&- &
	pid=$!
	exec 9> "$BATS_TEST_TMPDIR/in"
	wait_until 60 grep -qx ready "$BATS_TEST_TMPDIR/out"
	kill -HUP "$pid"
	echo >&9
	wait "$pid" || status=$?
	exec 9>&-
	[ "$status" -eq 4 ]
}

@test "orphans are adopted and reaped" {
	container orphans 'del(.linux.namespaces[] | select(.type == "pid"))' sh -c '
		for i in 1 2 3 4 5; do (sleep 0.2 & ) ; done
		sleep 1; grep -l "^State:.Z" /proc/[0-9]*/status; echo looked' > "$BATS_TEST_TMPDIR/out"
	[ "$(cat "$BATS_TEST_TMPDIR/out")" = looked ]
}

@test "processes left behind end with the first one" {
	local script='sleep 1000 & trap "" TERM; (while :; do sleep 1; done) & exit 5'

	bundle behind . sh -c "$script"
	run -5 run_bundle behind < /dev/null
	bundle behind 'del(.linux.namespaces[] | select(.type == "pid"))' sh -c "$script"
	run -5 run_bundle behind < /dev/null
}
