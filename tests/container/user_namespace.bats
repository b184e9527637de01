#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# User namespaces: the container's ids are others outside, as with podman --uidmap or Docker's
# userns-remap. The root file system belongs to the container's root, as engines see to.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

MAPPED='.linux.namespaces += [{type: "user"}]
	| .linux.uidMappings = [{containerID: 0, hostID: 100000, size: 1000},
		{containerID: 1000, hostID: 5, size: 1},
		{containerID: 1001, hostID: 101001, size: 64535}]
	| .linux.gidMappings = [{containerID: 0, hostID: 200000, size: 65536}]'

ALL_CAPABILITIES='([range(41)] | map(["CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID",
	"KILL", "SETGID", "SETUID", "SETPCAP", "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST",
	"NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER", "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT",
	"SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE", "SYS_RESOURCE", "SYS_TIME",
	"SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP", "MAC_OVERRIDE",
	"MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
	"CHECKPOINT_RESTORE"][.]) | map("CAP_" + .)) as $names
	| .process.capabilities = {bounding: $names, permitted: $names, effective: $names}
	| .process.noNewPrivileges = false'

setup_file()
{
	cp -a "$TOP/build/test-bundle" "$BATS_FILE_TMPDIR/base"
	chown -hR 100000:200000 "$BATS_FILE_TMPDIR/base/rootfs"
	# runc finds the bundle as the container's root, in directories that are only root's.
	chmod a+x "$BATS_RUN_TMPDIR" "$(dirname "$BATS_FILE_TMPDIR")" "$BATS_FILE_TMPDIR"
}

# What the container's root says of itself and of what it finds, a line each.
INSIDE='exec 2>&1; cat /proc/self/uid_map /proc/self/gid_map /proc/self/setgroups
	id; hostname
	grep -E "^(Groups|Cap|NoNewPrivs)" /proc/self/status; ulimit -n; ulimit -Hn
	cat /proc/self/oom_score_adj
	cat /proc/sys/net/ipv4/ip_forward /proc/sys/net/ipv4/ping_group_range
	stat -c "%n %a %u:%g" / /bin /dev /dev/shm /dev/pts /tmp /volume /volume/* /run
	cd /dev; stat -c "%n %a %t:%T" null zero full random urandom tty; cd /
	echo x > /dev/null; head -c 3 /dev/zero | wc -c; (echo x > /dev/full)
	echo again > /dev/stdout; echo error > /dev/stderr
	umask 022; touch /volume/new /dev/shm/new; stat -c %u:%g /volume/new /dev/shm/new
	chown 1000:7 /volume/new && chown 1001:8 /volume/root; cat /volume/private
	busybox mknod /tmp/node c 1 3; mount -t tmpfs x /tmp && echo tmpfs
	mount | grep -oE "on /(proc|sys|dev|dev/pts|dev/shm|tmp) type [a-z]+"
	(echo 1 > /proc/sys/kernel/domainname); touch /fixed/x; ls -A /bin/hidden
	hostname other && hostname; ls -l /proc/self/fd | wc -l'

@test "ids, capabilities, devices and files are those of the map, as under runc" {
	local volume=$BATS_TEST_TMPDIR/volume

	mkdir -m 755 "$volume"
	chmod a+x "$BATS_TEST_TMPDIR" "$(dirname "$BATS_TEST_TMPDIR")"
	touch "$volume/five" "$volume/root" "$volume/mapped"
	echo private > "$volume/private"
	chmod 600 "$volume/private"
	chown 5:200009 "$volume/five"
	chown 100000:200000 "$volume" "$volume/mapped"
	bundle mapped "$MAPPED | $ALL_CAPABILITIES"' | .root.readonly = false
		| .process.user.additionalGids = [7, 65535] | .process.oomScoreAdj = 17
		| .process.rlimits = [{type: "RLIMIT_NOFILE", soft: 77, hard: 1100}]
		| .mounts += [
			{destination: "/dev/shm", type: "tmpfs", source: "shm", options: ["mode=1777", "nosuid"]},
			{destination: "/run", type: "tmpfs", source: "run", options: ["uid=3", "gid=4"]},
			{destination: "/volume", type: "bind", source: "'"$volume"'", options: ["rbind"]},
			{destination: "/fixed", type: "bind", source: "'"$volume"'", options: ["bind", "ro"]}]
		| .linux.readonlyPaths = ["/proc/sys"] | .linux.maskedPaths = ["/proc/kcore"]
		| .linux.sysctl = {"net.ipv4.ip_forward": "1", "net.ipv4.ping_group_range": "0 65535"}' \
		sh -c "$INSIDE"
	output=$(run_bundle mapped < /dev/null 2>&1)
	rm "$volume/new"
	theirs=$(reference run --bundle "$BATS_TEST_TMPDIR/mapped" mapped < /dev/null 2>&1)
	diff <(echo "$theirs") <(echo "$output")
	has_line '         0     100000       1000'
	has_line 'uid=0(root) gid=0(root) groups=7,65535'
	has_line $'CapEff:\t000001ffffffffff'
	has_line '/volume/five 644 1000:9'
	has_line '/volume/root 644 65534:65534'
	has_line 'mknod: /tmp/node: Operation not permitted'
	[ "$(stat -c %u:%g "$volume/new")" = 5:200007 ]
}

# inside ARG...: what a process of exec in the running container prints.
inside()
{
	bulkhead exec "$@" < /dev/null 2>&1
}

@test "exec joins the namespace; terminals belong to the user; a path counts for its mappings" {
	local console

	bundle box "$MAPPED"' | .process.user = {uid: 1000, gid: 7} | .process.terminal = true
		| .linux.namespaces |= map(if .type == "user" then .path = "/proc/1/ns/user" else . end)
		| .process.env += ["HOME=/"] | .mounts += [{destination: "/data", type: "tmpfs", source: "d",
			options: ["mode=1777"]}]' \
		sh -c 'stat -c "%n %u:%g" "$(tty)" /dev/console; echo x > /dev/tty; echo y > /dev/console
			id -u; until [ -e /data/end ]; do sleep 0.1; done'
	console=$BATS_TEST_TMPDIR/console
	script -qec "$(printf '%q ' timeout 100 "$BULKHEAD" --root "$STATE" \
		run --bundle "$BATS_TEST_TMPDIR/box" box)" /dev/null \
		> "$console" < /dev/null 3>&- &
	wait_until 60 grep -q '^1000' "$console"
	output=$(tr -d '\r' < "$console")
	has_text '/dev/pts/0 1000:5'
	has_line '/dev/console 1000:5'
	has_line x
	has_line y

	output=$(inside --user 0:0 box sh -c 'cat /proc/self/uid_map; id
		readlink /proc/self/ns/user; readlink /proc/1/ns/user; touch /data/made
		stat -c %u:%g /data/made
		echo out > /dev/stdout')
	has_line '      1000          5          1'
	has_line 'uid=0(root) gid=0(root)'
	[ "$(grep ^user: <<< "$output" | sort -u | wc -l)" -eq 1 ]
	has_line 0:0
	has_line out
	output=$(inside --user 1000:9 --cap CAP_NET_ADMIN box sh -c 'id -u; id -g; cat /data/made
		grep CapBnd /proc/self/status; hostname h 2>&1; echo again > /proc/self/fd/1')
	has_line 9
	has_line again
	has_text 'Operation not permitted'
	output=$(script -qec "$(printf '%q ' "$BULKHEAD" --root "$STATE" exec --tty --user 1000 box \
		stat -c %u:%g /dev/pts/1)" /dev/null < /dev/null)
	has_text 1000:5
	run -255 inside --user 65536 box true
	has_text 'process.user.uid 65536 is not in linux.uidMappings'
	inside box touch /data/end
	wait
}

@test "what a user namespace cannot do is refused by name, and nothing is left" {
	bundle sysctl "$MAPPED"' | .linux.sysctl = {"vm.overcommit_memory": "2"}' true
	run -1 create_bundle sysctl
	is_one_line_with 'sysctl "vm.overcommit_memory" = "2": permission denied' "$output"
	bundle device "$MAPPED"' | .linux.devices = [{path: "/dev/x", type: "c", major: 1, minor: 3,
		uid: 70000, gid: 0}]' true
	run -1 create_bundle device
	is_one_line_with 'device "/dev/x": uid 70000 is not in linux.uidMappings' "$output"
	bundle user "$MAPPED"' | .process.user.uid = 65536' true
	run -1 create_bundle user
	is_one_line_with 'config.json: process.user.uid: 65536 is not in linux.uidMappings' "$output"
	bundle none '.linux.namespaces += [{type: "user"}]' true
	run -1 create_bundle none
	is_one_line_with 'user namespaces enabled, but no namespace path to join nor mappings' "$output"
}
