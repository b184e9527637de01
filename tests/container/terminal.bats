#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# Terminals: somebody at a shell, with `run`, `exec` and through an engine's console socket.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

TYPIST=$BATS_TEST_DIRNAME/typist
PROMPT='see # '

# typist STEP... -- COMMAND...
typist()
{
	timeout --kill-after=10 "$TIME_LIMIT" "$TYPIST" "$@" 3>&-
}

# verb VERB ARG...: bulkhead's command line, for who does not know the function.
verb()
{
	echo "'$BULKHEAD' --root '$STATE' $*"
}

# at_exec STEP... -- COMMAND...: the steps at the terminal of `exec --tty box COMMAND...`.
at_exec()
{
	local steps=()

	while [ "$1" != -- ]; do
		steps+=("$1")
		shift
	done
	shift
	typist "${steps[@]}" -- "$BULKHEAD" --root "$STATE" exec --tty box "$@"
}

# at_run NAME STEP...: those at the terminal of `run NAME`.
at_run()
{
	local name=$1

	shift
	typist "$@" -- "$BULKHEAD" --root "$STATE" run --bundle "$BATS_TEST_TMPDIR/$name" "$name"
}

# Each program says itself that it is there, which the echo of what is typed does not.
JOB_CONTROL=(
	"type sh -c \"echo rea''dy; exec sleep 1000\"\\r" 'see ready' 'type \x03'
	"$PROMPT" 'type echo code=$?\r' 'see code=130'
	"type sh -c \"echo goe''s; exec sleep 1000\"\\r" 'see goes' 'type \x1a' 'see Stopped' "$PROMPT"
	'type bg\r' "$PROMPT" 'type jobs\r' 'see Running' 'type kill %1\r' "$PROMPT"
	"type sh -c \"echo rea''ds; exec cat\"\\r" 'see reads' 'type one\r' 'see one' 'see one'
	'type \x1a' 'see Stopped' "$PROMPT" 'type fg\r' 'see exec cat' 'type two\r' 'see two' 'see two'
	'type \x1c' "$PROMPT" 'type echo code=$?\r' 'see code=131'
)

ends_by_signal()
{
	at_exec 'see ready' raw "signal $1" "end $((128 + $(kill -l "$1")))" \
		-- sh -c 'echo ready; exec sleep 1000'
}

@test "exec: job control, sizes, large pastes, and the terminal back after every end" {
	local ready='echo ready; exec sleep 1000' first

	bundle box . sh -c 'trap "exit 9" TERM; sleep 10000 & while :; do wait; done'
	run_bundle box --detach > /dev/null 2>&1 < /dev/null 3>&-
	at_exec "$PROMPT" raw 'type stty size\r' 'see 33 77' "${JOB_CONTROL[@]}" \
		'size 40 100' 'type stty size\r' 'see 40 100' \
		'type true\r' "$PROMPT" 'type \x04' 'end 0' -- sh
	# From its first instruction on.
	at_exec 'see 33 77' 'end 0' -- stty size

	one_by_one ends_by_signal HUP QUIT
	at_exec 'see ready' 'end 137' -- sh -c 'echo ready; kill -9 $$'
	at_exec 'see ready' raw "do kill -9 \$($(verb ps --format json box) | jq .[1])" \
		'end 137' -- sh -c "$ready"
	at_exec 'see not found' 'end 255' -- nothing-of-this-name
	at_exec 'see ready' raw 'signal TSTP' 'stopped TSTP' cooked \
		'continue background' 'stopped TTOU' cooked 'continue foreground' raw \
		'type text\r' 'see got text' 'end 3' \
		-- sh -c 'echo ready; read x; echo got $x; exit 3'

	# The line discipline takes ^C from behind a line that is too long, as anywhere.
	at_exec 'see ready' raw 'paste 20000 all' 'type \x03' 'end 130' -- sh -c "$ready"
	# A program that does not read keeps nothing else from passing.
	at_exec 'see ready' raw 'paste 3000000 taken' "do $(verb exec box touch /dev/shm/go)" \
		'see alive' 'signal TERM' 'end 143' -- sh -c 'stty raw -echo; echo ready
			until [ -e /dev/shm/go ]; do sleep 0.2; done; echo alive; exec sleep 1000'
	# Its last words arrive, however long they are waited for.
	at_exec 'see ready' "do until [ \$($(verb ps --format json box) | jq length) = 1 ]; do
		sleep 0.2; done" 'see 4200' 'end 0' -- sh -c 'echo ready; seq 1 4200'
	at_exec 'see ready' raw hang-up 'end 129' -- sh -c "$ready"

	through_console_socket
	is_given_console_size

	# The end of the container is everybody's.
	first=$(bulkhead state box | jq .pid)
	at_exec 'see ready' raw "do kill -9 $first" 'end 137' -- sh -c "$ready"
}

through_console_socket()
{
	mkdir "$BATS_TEST_TMPDIR/socket"
	typist --console-socket "$BATS_TEST_TMPDIR/socket" "$PROMPT" 'size 40 100' \
		'type stty size\r' 'see 40 100' "$PROMPT" 'size 41 101' \
		'type stty size\r' 'see 41 101' 'type exit\r' ends \
		-- "$BULKHEAD" --root "$STATE" exec --tty --detach --console-socket console box sh
	rm "$BATS_TEST_TMPDIR/socket/console"
	# Without an engine at its other end a terminal hangs up, and the shell ends.
	typist --console-socket "$BATS_TEST_TMPDIR/socket" "$PROMPT" hang-up \
		-- "$BULKHEAD" --root "$STATE" exec --tty --detach --console-socket console box sh
	wait_until 30 eval '[ "$(bulkhead ps --format json box | jq length)" -eq 1 ]'
}

# Where the caller has no terminal there is consoleSize.
is_given_console_size()
{
	jq '.process | .terminal = true | .consoleSize = {height: 17, width: 99} |
		.args = ["stty", "size"]' < "$BATS_FILE_TMPDIR/base/config.json" \
		> "$BATS_TEST_TMPDIR/process.json"
	[ "$(bulkhead exec --process "$BATS_TEST_TMPDIR/process.json" box < /dev/null)" = \
		$'17 99\r' ]
}

@test "run: a shell as the first process, stopped and continued, until ^D" {
	bundle tty '.process.terminal = true | .process.consoleSize = {height: 17, width: 99}' sh
	at_run tty "$PROMPT" raw 'type stty size\r' 'see 33 77' "${JOB_CONTROL[@]}" \
		'type \x03' "$PROMPT" 'signal TSTP' 'stopped TSTP' cooked 'size 50 120' \
		'continue foreground' raw 'type stty size\r' 'see 50 120' \
		'type exit 5\r' 'end 5'
	[ ! -e "$STATE/tty" ]
}

@test "run: the terminal is given back when the container is killed, from inside and outside" {
	local ready='echo ready; exec sleep 1000'

	bundle killed '.process.terminal = true' sh -c "$ready"
	at_run killed 'see ready' raw "do $(verb kill killed KILL)" 'end 137'
	bundle dead '.process.terminal = true' sh -c "$ready"
	at_run dead 'see ready' raw \
		"do kill -9 \$(pgrep -x -P \$($(verb state dead) | jq .pid) monitor)" 'end 137'
	[ -z "$(ls -A "$STATE")" ]
}

@test "run: a shell ends with the terminal it was started at" {
	bundle gone '.process.terminal = true' sh
	at_run gone "$PROMPT" raw hang-up 'end 0'
	[ ! -e "$STATE/gone" ]
}
