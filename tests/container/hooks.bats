#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# The hooks of config.json: when each kind runs, where, with what, and what comes of its failures.
# shellcheck disable=SC2016 # what single quotes protect is for jq and for the shell inside
load helpers

# A hook that appends its kind and the state it reads to the log and, once there is a file
# "details", notes where it runs. The directory $BATS_TEST_TMPDIR/log of the host is /log in the
# container.
setup()
{
	STATE=$BATS_TEST_TMPDIR/state
	ROOTFS=$BATS_FILE_TMPDIR/base/rootfs
	LOG=$BATS_TEST_TMPDIR/log
	mkdir -p "$LOG" "$ROOTFS/log"
	cat > "$LOG/note" <<-'END'
		#!/bin/sh
		log=${0%/*}
		read -r state
		echo "$1 $state" >> "$log/events"
		[ -e "$log/details" ] || exit 0
		{
			echo "cwd=$PWD env=$(env | grep -v '^PWD=\|^SHLVL=\|^OLDPWD=' | sort | tr '\n' ' ')"
			echo "fds=$(ls /proc/self/fd | tr '\n' ' ')"
			for name in mnt net pid uts ipc; do
				echo "$name=$(readlink "/proc/self/ns/$name")"
			done
		} > "$log/$1"
	END
	chmod +x "$LOG/note"
}

HOOK_KINDS="prestart createRuntime createContainer startContainer poststart poststop"

# jq: note(KIND): the hook above; run(SCRIPT): a hook of the host that runs the shell's SCRIPT.
HOOKS='def note($kind): {path: "\($tmp)/log/note", args: ["note", $kind], env: ["K=\($kind)",
		"PATH=/usr/bin:/bin"]} | if $kind == "startContainer" then .path = "/log/note" else . end;
	def run($script): {path: "/bin/sh", args: ["sh", "-c", $script],
		env: ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LOG=\($tmp)/log"]};
	.linux.resources.memory.limit = 67108864 |
	.mounts += [{destination: "/log", type: "bind", source: "\($tmp)/log",
		options: ["bind"]}] |
	.annotations = {key: "value"} |
	.hooks = (["prestart", "createRuntime", "createContainer", "startContainer", "poststart",
		"poststop"] | map({(.): [note(.)]}) | add)'

create()
{
	create_bundle "$@" > "$BATS_TEST_TMPDIR/$1.out" 2>&1 < /dev/null 3>&-
}

events()
{
	cut -d ' ' -f 1 "$LOG/events" | tr '\n' ' '
}

# state_in KIND: what that hook read on its standard input.
state_in()
{
	sed -n "s/^$1 //p" "$LOG/events"
}

# has_note KIND KEY VALUE
has_note()
{
	grep -qFx -- "$2=$3" "$LOG/$1" || { echo "$1: no $2=$3 in: $(cat "$LOG/$1")"; return 1; }
}

# has_stopped RUNTIME: the container of the life below. Asking is slow, so it is not asked often.
has_stopped()
{
	sleep 0.5
	[ "$("$1" state life | jq -r .status)" = stopped ]
}

# The life of a container under a RUNTIME function; each step of the caller is in the log too.
live()
{
	local runtime=$1

	: > "$LOG/events"
	"$runtime" create --bundle "$BATS_TEST_TMPDIR/life" life > /dev/null 2>&1 < /dev/null 3>&-
	echo created >> "$LOG/events"
	"$runtime" start life
	echo started >> "$LOG/events"
	wait_until 100 has_stopped "$runtime"
	echo stopped >> "$LOG/events"
	"$runtime" delete life
	echo deleted >> "$LOG/events"
}

@test "all kinds in the order of the specification, with the states another runtime gives" {
	local kind pid

	bundle life "$HOOKS | .hooks.createContainer += [run(\"echo made > made-by-hook;
		mount -t tmpfs hook opt && echo mounted > opt/file\")] |
		.hooks.poststart += [run(\"touch \$LOG/go\")] |
		.hooks.startContainer += [{path: \"/bin/sh\",
		args: [\"sh\", \"-c\", \"echo guest > /log/guest; uname -r >> /log/guest\"]}]" \
		sh -c 'echo "workload $(cat /made-by-hook /opt/file | tr "\n" " ")" >> /log/events
			while [ ! -e /log/go ]; do sleep 0.2; done'
	mkdir -p "$ROOTFS/opt"
	live reference
	# Its start does not wait for the program.
	[ "$(events | sed 's/started //')" = "prestart createRuntime createContainer poststart \
created startContainer workload stopped poststop deleted " ] || { cat "$LOG/events"; false; }
	mv "$LOG/events" "$BATS_TEST_TMPDIR/reference-events"
	rm "$LOG/go" "$LOG/guest" "$ROOTFS/made-by-hook"

	# The workload waits for poststart, which finds it running; its line may come before or
	# after.
	live bulkhead
	[ "$(events | sed 's/workload //')" = "prestart createRuntime createContainer created \
startContainer poststart started stopped poststop deleted " ] || { cat "$LOG/events"; false; }
	[[ $(events) == *startContainer*workload*stopped* ]]
	grep -qFx 'workload made mounted ' "$LOG/events"
	[ "$(head -n 1 "$LOG/guest")" = guest ]
	[ "$(tail -n 1 "$LOG/guest")" != "$(uname -r)" ]
	[ ! -e "$ROOTFS/opt/file" ]

	# What the hooks read is what they read there, but for version and pid.
	for kind in prestart createRuntime createContainer startContainer poststop; do
		diff <(state_in "$kind" | jq 'del(.ociVersion, .pid)') \
			<(sed -n "s/^$kind //p" "$BATS_TEST_TMPDIR/reference-events" |
				jq 'del(.ociVersion, .pid)')
	done
	state_in poststart | jq -e '.status == "running" and .annotations == {key: "value"}'
	pid=$(state_in prestart | jq .pid)
	[ "$pid" -gt 1 ]
	[ "$(state_in createRuntime | jq .pid)" -eq "$pid" ]
	[ "$(state_in poststart | jq .pid)" -eq "$pid" ]
	[ "$(state_in createContainer | jq .pid)" -eq 1 ]
	[ "$(state_in startContainer | jq .pid)" -eq 1 ]
	state_in poststop | jq -e 'has("pid") | not'
}

@test "where each kind runs: namespaces, directory, environment, descriptors" {
	local tmp=$BATS_TEST_TMPDIR pid name kind

	bundle where "$HOOKS | .hooks.prestart += [run(\"pid=\$(jq .pid)
		echo \$pid > \$LOG/pid
		ip link add hook0 type dummy && ip link set hook0 netns \$pid\")]" \
		sleep 1000
	touch "$LOG/details"
	# The engine's descriptors are not for hooks; sockets and locks of ours are not either.
	exec 9< /etc/passwd
	create where
	exec 9<&-
	pid=$(bulkhead state where | jq .pid)
	[ "$(< "$LOG/pid")" -eq "$pid" ]
	nsenter --net="/proc/$pid/ns/net" ip link show hook0
	bulkhead start where

	for kind in prestart createRuntime poststart; do
		for name in mnt net pid uts ipc; do
			has_note "$kind" "$name" "$(readlink "/proc/self/ns/$name")"
		done
		has_note "$kind" cwd "$tmp/where env=K=$kind PATH=/usr/bin:/bin "
		has_note "$kind" fds '0 1 2 3 '
	done
	for name in mnt net pid uts ipc; do
		has_note createContainer "$name" "$(readlink "/proc/$pid/ns/$name")"
	done
	has_note createContainer cwd "$ROOTFS env=K=createContainer PATH=/usr/bin:/bin "
	has_note createContainer fds '0 1 2 3 '
	has_note startContainer cwd "/ env=K=startContainer PATH=/usr/bin:/bin "
	has_note startContainer fds '0 1 2 3 '
	bulkhead delete --force where
	has_note poststop fds '0 1 2 3 '
	has_note poststop cwd "$tmp/where env=K=poststop PATH=/usr/bin:/bin "
}

# fails_creation KIND: of its three hooks the second one fails.
fails_creation()
{
	local kind=$1 status=0 want

	rm -f "$LOG/events"
	bundle bad "$HOOKS | .hooks.$kind += [run(\"echo words; exit 3\"), note(\"never\")]" true
	output=$(create_bundle bad --pid-file "$LOG/pid" 2>&1 < /dev/null) || status=$?
	[ "$status" -eq 1 ] || { echo "$kind: status $status"; return 1; }
	is_one_line_with "bulkhead create failed: unable to start container process: \
hooks.${kind}[1]: '/bin/sh' ended with exit code 3: words" "$output" || return 1
	want=${HOOK_KINDS%%"$kind"*}"$kind poststop "
	[ "$(events)" = "$want" ] || { echo "$kind: events $(events), not $want"; return 1; }
	[ ! -e "$LOG/pid" ] || return 1
	nothing_is_left
}

@test "a hook that fails fails create: poststop hooks run, nothing is left" {
	one_by_one fails_creation prestart createRuntime createContainer
}

# Of a poststop hook that fails there is a warning, no more.
@test "a hook that fails at the start fails start and ends the container" {
	local poststop='.hooks.poststop = [run("exit 5"), note("poststop")]' kind

	for kind in startContainer poststart; do
		rm -f "$LOG/events"
		bundle "$kind" "$HOOKS | .hooks.$kind += [run(\"echo words; exit 3\"), note(\"never\")]
			| $poststop" sh -c 'trap "" TERM; sleep 1000'
		create "$kind"
		run --separate-stderr -1 bulkhead start "$kind"
		# shellcheck disable=SC2154 # set by run
		is_one_line_with "hooks.${kind}[1]: " "$stderr"
		has_text 'ended with exit code 3: words' "$stderr"
		wait_until 60 is_status "$kind" stopped
		run --separate-stderr -0 bulkhead delete "$kind"
		is_one_line_with "hooks.poststop[0]: '/bin/sh' ended with exit code 5" "$stderr"
		[[ $(events) == *" poststop " && $(events) != *never* ]]
		nothing_is_left
	done
}

@test "run: hooks of its end too, and one that outlasts its time-out fails it" {
	local status=0

	bundle plain "$HOOKS" sh -c 'echo output; exit 9'
	run -9 run_bundle plain
	[ "$output" = output ]
	[ "$(events)" = "$HOOK_KINDS " ]

	rm "$LOG/events"
	bundle slow "$HOOKS | .hooks.createRuntime += [run(\"echo says
		sleep 1000 & echo \$! > \$LOG/pid; wait\") | .timeout = 5]" true
	output=$(run_bundle slow 2>&1 < /dev/null) || status=$?
	[ "$status" -eq 1 ]
	is_one_line_with "hooks.createRuntime[1]: '/bin/sh' was still running after its timeout of \
5 s: says" "$output"
	[ "$(events)" = "prestart createRuntime poststop " ]
	wait_until 60 eval "! kill -0 $(< "$LOG/pid") 2> /dev/null"
}

# hang KIND: a create whose hook of that KIND hangs; its pid is then in $creator.
hang()
{
	rm -f "$LOG/events" "$LOG/pid"
	bundle hung "$HOOKS | .hooks.$1 = [run(\"echo \$\$ > \$LOG/pid; exec sleep 1000\")]" true
	"$BULKHEAD" --root "$STATE" create --bundle "$BATS_TEST_TMPDIR/hung" hung \
		> "$BATS_TEST_TMPDIR/hung.out" 2>&1 < /dev/null 3>&- &
	creator=$!
	wait_until 100 test -s "$LOG/pid"
}

sleeping_hooks()
{
	pgrep -x -f 'sleep 1000' > /dev/null
}

no_sleeping_hooks()
{
	! sleeping_hooks
}

# ends_hung KIND HOW
ends_hung()
{
	local kind=${1% *} how=${1#* } status=0

	hang "$kind" || return 1
	sleeping_hooks || { echo "$kind: no hook runs"; return 1; }
	is_status hung creating || return 1
	if [ "$how" = DELETE ]; then
		bulkhead delete --force hung || return 1
	else
		kill "-$how" "$creator"
	fi
	wait "$creator" 2> /dev/null || status=$?
	wait_until 60 no_sleeping_hooks || { echo "$kind $how: the hook is left"; return 1; }
	wait_until 60 no_processes || { echo "$kind $how: processes are left"; return 1; }
	if [ "$how" = KILL ]; then
		[ "$status" -eq 137 ] || return 1
		is_status hung stopped || return 1
		bulkhead delete --force hung || return 1
	else
		[ "$status" -eq 1 ] || { echo "$kind $how: status $status"; return 1; }
	fi
	[[ $(events) == *"poststop " ]] || { echo "$kind $how: $(events)"; return 1; }
	nothing_is_left
}

@test "whatever ends a create whose hook hangs, the hook goes and nothing is left" {
	one_by_one ends_hung "prestart KILL" "prestart TERM" "prestart DELETE" \
		"createContainer KILL" "createContainer TERM" "createContainer DELETE"
}

@test "hooks are those of the creation; a bundle that was removed does not stop poststop" {
	bundle life "$HOOKS" sleep 1000
	create life
	touch "$LOG/details"
	rm -r "$BATS_TEST_TMPDIR/life"
	run --separate-stderr -0 bulkhead delete --force life
	[ -z "$stderr" ]
	[ "$(events)" = "prestart createRuntime createContainer poststop " ]
	has_note poststop cwd "/ env=K=poststop PATH=/usr/bin:/bin "
	run -0 bulkhead features
	jq -e --arg kinds "$HOOK_KINDS" '.hooks == ($kinds | split(" "))' <<< "$output"
}
