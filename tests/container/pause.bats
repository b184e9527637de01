#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A paused container stands still, is seen to, and can go on or be ended.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

small='.linux.resources.memory.limit = 67108864'

# A shell that counts, a number and the time in a line, and says when it is asked to end.
COUNT='trap "echo asked" TERM; i=0
	while :; do i=$((i + 1)); echo "$i $(date +%s)"; sleep 0.1; done'

# fails TEXT ARG...: `bulkhead ARG...` says TEXT in its one line, and fails.
fails()
{
	local text=$1

	shift
	run --separate-stderr -1 bulkhead "$@" < /dev/null
	# shellcheck disable=SC2154 # set by run
	[ "$output$stderr" = "bulkhead: error: $text" ] ||
		{ echo "bulkhead $*: $output$stderr"; return 1; }
}

# quiet ARG...: `bulkhead ARG...` succeeds without a word.
quiet()
{
	run -0 bulkhead "$@" < /dev/null
	[ -z "$output" ] || { echo "bulkhead $*: $output"; return 1; }
}

start_counter()
{
	bundle "$1" "$small" sh -c "$COUNT"
	create_bundle "$1" > "$BATS_TEST_TMPDIR/$1.out" 2>&1 < /dev/null 3>&-
}

lines()
{
	wc -l < "$BATS_TEST_TMPDIR/$1.out"
}

has_more_lines_than()
{
	[ "$(lines "$1")" -gt "$2" ]
}

goes_on()
{
	wait_until 60 has_more_lines_than "$1" "$(($(lines "$1") + 2))"
}

# What was on its way when it was paused may still come; after that, nothing does.
stands_still()
{
	local before

	sleep 0.3
	before=$(lines "$1")
	sleep 1.5
	[ "$(lines "$1")" -eq "$before" ] || { echo "it went on from line $before"; return 1; }
}

@test "paused and resumed, as created and as running" {
	local tmp=$BATS_TEST_TMPDIR pid

	start_counter count
	pid=$(bulkhead state count | jq .pid)
	fails 'container not paused' resume count
	quiet pause count
	is_status count paused
	fails 'container not running' pause count
	fails 'cannot start a container in the paused state' start count
	fails 'cannot delete container count that is not stopped: paused' delete count
	quiet resume count
	is_status count created
	quiet start count
	goes_on count
	fails 'container not paused' resume count

	quiet pause count
	bulkhead state count | jq -e --argjson pid "$pid" '.status == "paused" and .pid == $pid'
	bulkhead list --format json | jq -e '.[0].status == "paused"'
	stands_still count
	fails 'container not running' pause count
	fails 'cannot start a container in the paused state' start count
	# It hears of that when it goes on.
	quiet kill count TERM
	stands_still count
	is_status count paused
	run ! grep -qx asked "$tmp/count.out"
	quiet resume count
	is_status count running
	wait_until 60 grep -qx asked "$tmp/count.out"
	goes_on count

	# No tick of it is lost in a dozen stops.
	for _ in {1..10}; do
		quiet pause count
		quiet resume count
	done
	goes_on count
	grep -v asked "$tmp/count.out" > "$tmp/ticks"
	awk '$1 != NR { exit 1 }' "$tmp/ticks"
	# Time went on meanwhile: it has stood still for more than three seconds.
	awk 'NR > 1 && $2 - last >= 3 { found = 1 } { last = $2 } END { exit !found }' "$tmp/ticks"

	quiet pause count
	quiet kill count KILL
	is_status count stopped
	no_processes
	fails 'container not running' pause count
	fails 'container not paused' resume count
	quiet delete count
	fails 'container does not exist' pause count
	fails 'container does not exist' resume count
	fails '"pause" requires exactly 1 argument(s)' pause
	fails '"resume" requires exactly 1 argument(s)' resume a b
}

# The words for the same are the reference's.
@test "what is refused, runc refuses in the same words" {
	local tmp=$BATS_TEST_TMPDIR verb

	bundle words . sleep 1000
	reference create --bundle "$tmp/words" words > "$tmp/words.out" 2>&1 < /dev/null 3>&-
	run -1 reference resume words
	has_text 'msg="container not paused"'
	reference pause words
	run -1 reference pause words
	has_text 'msg="container not running"'
	run -1 reference start words
	has_text 'msg="cannot start a container in the paused state"'
	run -1 reference delete words
	has_text 'msg="cannot delete container words that is not stopped: paused'
	reference resume words
	[ "$(reference state words | jq -r .status)" = created ]
	reference delete --force words
	for verb in pause resume; do
		run -1 reference "$verb" words
		has_text 'msg="container does not exist"'
	done
}

# pause_and_kill_caller NAME: the command line dies while the monitor, which was stopped, cannot
# have answered yet.
pause_and_kill_caller()
{
	local monitor caller

	monitor=$(monitor_of "$1")
	kill -STOP "$monitor"
	"$BULKHEAD" --root "$STATE" pause "$1" < /dev/null > "$BATS_TEST_TMPDIR/caller" 2>&1 3>&- &
	caller=$!
	wait_until 10 is_status "$1" paused
	kill -KILL "$caller"
	wait "$caller" || :
	kill -CONT "$monitor"
}

@test "a caller killed in the middle, a monitor killed: what is left can be resumed or removed" {
	local monitor

	start_counter cut
	quiet start cut
	goes_on cut
	pause_and_kill_caller cut
	is_status cut paused
	quiet resume cut
	goes_on cut
	is_status cut running

	quiet pause cut
	kill -KILL "$(monitor_of cut)"
	wait_until 10 is_status cut stopped
	fails 'container not paused' resume cut
	fails 'container not running' pause cut
	quiet delete cut
	nothing_is_left

	start_counter forced
	quiet pause forced
	quiet delete --force forced
	nothing_is_left
}
