#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What cannot be done is refused: one line says why, exit status 1, and nothing is left behind.
# shellcheck disable=SC2154 # output, stderr and status are set by run
load helpers

# refused TEXT ARG...: `bulkhead ARG...` fails as it should, with TEXT in its one line.
refused()
{
	local text=$1 said status=0

	shift
	said=$(bulkhead "$@" 2>&1 > "$BATS_TEST_TMPDIR/stdout" < /dev/null) || status=$?
	if ((status != 1)) || [[ -s $BATS_TEST_TMPDIR/stdout || -z $said || $said != *"$text"* ||
		$said == *$'\n'* ]]; then
		echo "bulkhead $*: status $status, no line with '$text': $said"
		return 1
	fi
	[ ! -d "$STATE" ] || is_empty "$STATE" || { echo "bulkhead $*: left state"; return 1; }
}

is_empty()
{
	! compgen -G "$1/*" > /dev/null
}

@test "every malformed config.json is refused by name" {
	local variants

	run "$TOP/tests/oci/check-malformed-configs" "$BULKHEAD"
	grep -A 1 '^not ok' <<< "$output" || :
	[ "$status" -eq 0 ]
	variants=$(grep -c '^ok ' <<< "$output")
	[ "$variants" -ge 60 ]
	has_line "1..$variants"
}

@test "options that do not exist, lack their argument or make no sense" {
	bundle b . true
	refused -no-such-option --no-such-option
	refused -no-such-option create --no-such-option c
	refused -bundle create --bundle
	refused '--preserve-fds 1: descriptor 3' create --preserve-fds 1 \
		--bundle "$BATS_TEST_TMPDIR/b" c 3< /dev/null
	refused /no/such/log --log /no/such/log state c
}

@test "words too few and too many, and a verb that does not exist" {
	local verb

	for verb in create run start state kill delete; do
		refused "\"$verb\" requires" "$verb"
		refused "\"$verb\" requires" "$verb" one 9 three
	done
	run -3 bulkhead no-such-verb
	is_one_line_with no-such-verb "$output"
}

@test "ids that are no names of directories" {
	local verb id long

	long=$(printf '%0300d' 0)
	bundle b . true
	for id in .. . a/b /etc ../b 'a b' $'a\nb' "$long" ''; do
		refused 'container id' create --bundle "$BATS_TEST_TMPDIR/b" "$id"
	done
	for verb in start state kill delete; do
		refused 'container id' "$verb" ../../etc
		refused 'does not exist' "$verb" nobody
	done
	refused 'container id' delete --force ..
	bulkhead delete --force nobody
}

@test "bundles that do not exist or are none" {
	mkdir "$BATS_TEST_TMPDIR/empty"
	refused "$BATS_TEST_TMPDIR/none" create --bundle "$BATS_TEST_TMPDIR/none" c
	refused "/dev/null" create --bundle /dev/null c
	refused config.json run --bundle "$BATS_TEST_TMPDIR/empty" c
	bundle rootless '.root.path = "rootfs"' true
	refused rootfs create --bundle "$BATS_TEST_TMPDIR/rootless" c
	bundle filed '.root.path = "/etc/passwd"' true
	refused /etc/passwd create --bundle "$BATS_TEST_TMPDIR/filed" c
	bundle sourceless '.mounts += [{destination: "/tmp", type: "bind", options: ["bind"],
		source: "/no/such/source"}]' true
	refused /no/such/source create --bundle "$BATS_TEST_TMPDIR/sourceless" c
}

@test "terminals without a listener, listeners without a terminal" {
	bundle tty '.process.terminal = true' true
	bundle plain . true
	refused 'console socket' create --bundle "$BATS_TEST_TMPDIR/tty" c
	refused 'console socket' run --detach --bundle "$BATS_TEST_TMPDIR/tty" c
	refused 'console socket' create --console-socket /x --bundle "$BATS_TEST_TMPDIR/plain" c
	refused /no/such/socket create --console-socket /no/such/socket \
		--bundle "$BATS_TEST_TMPDIR/tty" c
	touch "$BATS_TEST_TMPDIR/file"
	refused "$BATS_TEST_TMPDIR/file" create --console-socket "$BATS_TEST_TMPDIR/file" \
		--bundle "$BATS_TEST_TMPDIR/tty" c
	refused --console-socket create --console-socket "/$(printf '%0200d' 0)" \
		--bundle "$BATS_TEST_TMPDIR/tty" c
}

@test "a state directory that is a file or cannot be made" {
	bundle b . true
	STATE=$BATS_TEST_TMPDIR/file
	echo kept > "$STATE"
	cd "$BATS_TEST_TMPDIR"
	refused "$STATE" create --bundle b c
	for verb in start state kill delete; do
		refused "" "$verb" c
	done
	refused "$STATE" list
	[ "$(cat "$STATE")" = kept ]
	STATE=/proc/bulkhead
	refused /proc/bulkhead create --bundle b c
}

@test "images of the guest that are missing or none" {
	bundle b . true
	refused /no/such/kernel --kernel /no/such/kernel create --bundle "$BATS_TEST_TMPDIR/b" c
	refused /no/such/initramfs --initramfs /no/such/initramfs \
		create --bundle "$BATS_TEST_TMPDIR/b" c
	refused /etc/passwd --kernel /etc/passwd create --bundle "$BATS_TEST_TMPDIR/b" c
}

# Found out only when the VM has booted: it must be gone again.
@test "a directory that is no container's keeps its files, whatever is deleted" {
	local mine=$BATS_TEST_TMPDIR/mine name

	mkdir -p "$mine/notes" "$mine/bundle"
	touch "$mine/notes/text" "$mine/bundle/config.json" "$mine/bundle/readme"
	for name in notes bundle; do
		run -1 "$BULKHEAD" --root "$mine" delete "$name"
		has_text "is not a container's file; nothing was removed"
		run -1 "$BULKHEAD" --root "$mine" delete --force "$name"
	done
	[ "$(ls "$mine"/*)" = "$mine/bundle:
config.json
readme

$mine/notes:
text" ]
}

@test "a pid file in a directory that does not exist" {
	bundle b . sleep 1000
	refused /no/such/directory create --pid-file /no/such/directory/pid \
		--bundle "$BATS_TEST_TMPDIR/b" c
}
