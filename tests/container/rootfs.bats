#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Files in a container behave as on the host, and are the host's files.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

GUEST_PROGRAMS=$TOP/build/guest

# What engines give a container by default; the host's side of a comparison gets no more.
CAPABILITIES=(chown dac_override fsetid fowner mknod net_raw setgid setuid setfcap setpcap
	net_bind_service sys_chroot kill audit_write)

ENGINE_PROCESS=".process.capabilities[] = [$(printf '"CAP_%s",' "${CAPABILITIES[@]^^}" |
	sed 's/,$//')]"

# The test's own directory of files becomes /tmp, the programs stand in /var/tmp.
SHARED='.mounts += [
	{destination: "/tmp", type: "bind", source: ($tmp + "/shared"), options: ["rbind", "rw"]},
	{destination: "/var/tmp", type: "bind", source: "'$GUEST_PROGRAMS'", options: ["bind", "ro"]}]'

# sh -c "$OPERATIONS" sh PROGRAMS DIR STEPS
OPERATIONS='for name in fs_ops fs_access fs_data; do echo "$name:"; "$1/$name" "$2"; done
	"$1/fs_exercise" "$2/exercised" "$3" 2024'

setup()
{
	STATE=$BATS_TEST_TMPDIR/state
	ROOTFS=$BATS_FILE_TMPDIR/base/rootfs
	SHARED_DIR=$BATS_TEST_TMPDIR/shared
	mkdir "$SHARED_DIR"
	# Users without privileges are to get there, too.
	chmod 755 "$BATS_RUN_TMPDIR" "$BATS_FILE_TMPDIR" "$BATS_TEST_TMPDIR"
}

teardown()
{
	delete_all
	! mountpoint -q "$BATS_TEST_TMPDIR/merged" || umount "$BATS_TEST_TMPDIR/merged"
	nothing_is_left
	no_call_was_refused
}

operations_on_host()
{
	setpriv --bounding-set "-all$(printf ',+%s' "${CAPABILITIES[@]}")" \
		sh -c "$OPERATIONS" sh "$GUEST_PROGRAMS" "$@" 2>&1
}

@test "every operation gives what it gives on the host" {
	operations_on_host "$SHARED_DIR" 10000 > "$BATS_TEST_TMPDIR/host"
	TIME_LIMIT=900 container operations "$ENGINE_PROCESS | $SHARED" \
		sh -c "$OPERATIONS" sh /var/tmp /tmp 10000 > "$BATS_TEST_TMPDIR/guest" 2>&1 < /dev/null
	diff "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/guest"
	[ "$(grep -c '^failures: 0$' "$BATS_TEST_TMPDIR/guest")" -eq 3 ]
	grep '^OK' "$BATS_TEST_TMPDIR/guest"
	[ -z "$(ls -A "$SHARED_DIR")" ]
}

@test "a root that is an overlay, as engines mount it" {
	local tmp=$BATS_TEST_TMPDIR

	mkdir "$tmp/upper" "$tmp/work" "$tmp/merged"
	mount -t overlay overlay "$tmp/merged" \
		-o "lowerdir=$ROOTFS,upperdir=$tmp/upper,workdir=$tmp/work"
	operations_on_host "$tmp/merged/root" 1000 > "$tmp/host"
	TIME_LIMIT=900 container overlay "$ENGINE_PROCESS | $SHARED"' | .root = {path: ($tmp + "/merged")}' \
		sh -c "$OPERATIONS"'; echo more >> /etc/passwd; rm /etc/group
			mkdir /root/new; echo new > /root/new/file' sh /var/tmp /root 1000 \
		> "$tmp/guest" 2>&1 < /dev/null
	diff "$tmp/host" "$tmp/guest"
	[ "$(tail -n 1 "$tmp/upper/etc/passwd")" = more ]
	[ "$(stat -c %F "$tmp/upper/etc/group")" = 'character special file' ]
	[ "$(cat "$tmp/upper/root/new/file")" = new ]
}

MAKE_FILES='umask 027; cd /tmp; dd if=/dev/urandom bs=100k count=30 of=random 2> /dev/null
	sha256sum random > sum
	printf content > file; chmod 4640 file; ln file hard; ln -s ../no/where link
	mkfifo pipe; mkdir dir; chmod 1770 dir; echo x > dir/moved; mv dir/moved dir/file
	touch -d @1234567890 file dir; exec /var/tmp/dirty_mapping mapped'

# makes_files UID: what such a user makes in a container is, on the host, as it was made.
makes_files()
{
	local dir=$BATS_TEST_TMPDIR/shared/$1

	mkdir "$dir"
	chown "$1:$1" "$dir"
	container "maker-$1" "$SHARED | .process.user = {uid: $1, gid: $1}
		| .mounts[-2].source += \"/$1\"" sh -c "$MAKE_FILES" < /dev/null
	cd "$dir" || return
	sha256sum --check --quiet sum
	"$GUEST_PROGRAMS/dirty_mapping" "$dir.mapped"
	cmp mapped "$dir.mapped"
	[ "$(cat file)" = content ]
	[ "$(readlink link)" = ../no/where ]
	diff - <(
		stat -c '%n %F %a %h %u %g' ./* dir/file
		stat -c '%n %s %Y' file
		stat -c %Y dir
	) <<-EOF
		./dir directory 1770 2 $1 $1
		./file regular file 4640 2 $1 $1
		./hard regular file 4640 2 $1 $1
		./link symbolic link 777 1 $1 $1
		./mapped regular file 640 1 $1 $1
		./pipe fifo 640 1 $1 $1
		./random regular file 640 1 $1 $1
		./sum regular file 640 1 $1 $1
		dir/file regular file 640 1 $1 $1
		file 7 1234567890
		1234567890
	EOF
}

@test "files made in a container are the host's, of root and of a user" {
	makes_files 0
	makes_files 1000
}

# Start a shell in a container, to be told what to do.
start_shell()
{
	SAID=0
	bundle shell "$SHARED" sh
	mkfifo "$BATS_TEST_TMPDIR/to-shell"
	run_bundle shell < "$BATS_TEST_TMPDIR/to-shell" > "$BATS_TEST_TMPDIR/said" 2>&1 3>&- &
	SHELL_PID=$!
	exec 9> "$BATS_TEST_TMPDIR/to-shell"
}

# say COMMAND: the shell's answer is in $output.
say()
{
	SAID=$((SAID + 1))
	echo "echo begin $SAID; $1; echo end $SAID" >&9
	wait_until 100 grep -qx "end $SAID" "$BATS_TEST_TMPDIR/said"
	output=$(sed -n "/^begin $SAID\$/,/^end $SAID\$/{//!p}" "$BATS_TEST_TMPDIR/said")
}

@test "what changes on the host is seen in the container two seconds later" {
	# All on stdout: nobody promises an order between two streams.
	local look='for name in same grows replaced goes comes; do
		cat $name 2> /dev/null || echo no $name; done; ls dir; stat -c %a same; cat <&8'

	cd "$SHARED_DIR"
	mkdir dir
	touch dir/goes
	echo old | tee same grows replaced goes log > /dev/null
	start_shell
	say 'cd /tmp; exec 8< log'
	say "$look"
	diff - <(echo "$output") <<-'EOF'
		old
		old
		old
		old
		no comes
		goes
		644
		old
	EOF
	echo new > same
	echo more | tee -a grows log > /dev/null
	echo other > temporary
	mv temporary replaced
	mv dir/goes dir/comes
	rm goes
	echo here > comes
	chmod 600 same
	sleep 2
	say "$look"
	diff - <(echo "$output") <<-'EOF'
		new
		old
		more
		other
		no goes
		here
		comes
		600
		more
	EOF
	exec 9>&-
	wait "$SHELL_PID"
}

# make_tree DIR COUNT: a hundred empty files in each of so many directories.
make_tree()
{
	mkdir "$1"
	seq -f "$1/%.0f" "$2" | xargs mkdir
	seq -f "$1/%.0f" "$2" | awk '{ for (file = 1; file <= 100; file++) print $0 "/" file }' |
		xargs touch
}

# sh -c "$WALK" sh DIR: every name of a large directory, all attributes of a large tree.
WALK='cd "$1"; busybox ls large | md5sum
	busybox find tree -type f -size 0 | wc -l; busybox ls -lRn tree | md5sum'

@test "a directory of 100,000 names, and a tree of many files" {
	local directories=200

	[ -z "${BULKHEAD_TEST_FULL:-}" ] || directories=3000
	mkdir "$SHARED_DIR/large"
	(cd "$SHARED_DIR/large" && seq -f 'a rather long name, number %.0f' 100000 | tr '\n' '\0' |
		xargs -0 touch)
	[ "$(find "$SHARED_DIR/large" -type f | wc -l)" -eq 100000 ]
	make_tree "$SHARED_DIR/tree" $directories
	sh -c "$WALK" sh "$SHARED_DIR" > "$BATS_TEST_TMPDIR/host"
	TIME_LIMIT=3000 container walk "$SHARED" sh -c "$WALK" sh /tmp > "$BATS_TEST_TMPDIR/guest" \
		2>&1 < /dev/null
	diff "$BATS_TEST_TMPDIR/host" "$BATS_TEST_TMPDIR/guest"
}

# Few descriptors, and no privilege to raise their number.
with_few_descriptors()
{
	timeout --kill-after=10 "$TIME_LIMIT" setpriv --bounding-set -sys_resource \
		bash -c 'ulimit -n 300; exec "$@"' -- "$BULKHEAD" --root "$STATE" "$@"
}

@test "more files than there are descriptors on the host" {
	make_tree "$SHARED_DIR/tree" 50
	bundle few "$SHARED" sh -c 'cd /tmp/tree; find . -type f -size 0 | wc -l
		tail -q -n 0 1/* 2/* 3/* 4/*; echo "tail: $?"
		ls -l 50 | wc -l; cat 50/*; echo new > 50/new && cat 50/new'
	run -0 with_few_descriptors run --bundle "$BATS_TEST_TMPDIR/few" few < /dev/null
	has_line 5000
	has_text 'Too many open files'
	has_line 'tail: 1'
	has_line 101
	has_line new
}

make_sources()
{
	cat > hello.h <<-'EOF'
		long sum_to(long last);
		const char *name_of(int argc, char **argv);
	EOF
	printf '%s\n' '#include "hello.h"' \
		'long sum_to(long n) { return n ? n + sum_to(n - 1) : 0; }' > sum.c
	printf '%s\n' '#include <string.h>' '#include "hello.h"' 'const char *name_of(int c, char **v)' \
		'{ return c > 1 && strlen(v[1]) ? v[1] : "nobody"; }' > name.c
	printf '%s\n' '#include <stdio.h>' '#include "hello.h"' 'int main(int c, char **v)' \
		'{ return printf("%s: %ld\n", name_of(c, v), sum_to(100)) < 0; }' > main.c
}

@test "the host's own gcc, in a container whose root is the host's" {
	cd "$SHARED_DIR"
	make_sources
	bundle gcc '.root = {path: "/", readonly: true}
		| .linux.resources.memory.limit = 512 * 1048576 | .process.cwd = "/mnt" | .mounts += [
		{destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["mode=1777"]},
		{destination: "/mnt", type: "bind", source: ($tmp + "/shared"), options: ["rbind"]}]' \
		sh -ec 'for name in sum name main; do gcc -O2 -Wall -c $name.c; done
			ar rcs libhello.a sum.o name.o
			gcc -o hello main.o -L. -lhello
			./hello guest'
	output=$(run_bundle gcc 2>&1 < /dev/null)
	[ "$output" = 'guest: 5050' ]
	[ "$(./hello host)" = 'host: 5050' ]
}
