# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
# shellcheck disable=SC2154 # out, err and code come from capture
# containerd by its own command line, which passes on every single verb.
# shellcheck source=tests/engines/containerd.bash
. "$HERE/containerd.bash"

# shellcheck disable=SC2034 # for run
CHECKS=(streams flags terminal missing not_executable detached exec exec_user exec_detached
	exec_terminal exec_failures processes metrics pause kill delete network remove)
CONTAINER_RUN=("${CTR[@]}" run --runc-binary "$RUNTIME_PATH")

container_run()
{
	limited "${CONTAINER_RUN[@]}" "$@"
}

engine()
{
	limited "${CTR[@]}" "$@"
}

start_engine()
{
	export CONTAINERD_NAMESPACE=engines
	start_containerd "$WITHOUT_CRI" && load_image "$IMAGE" sh
}

stop_engine()
{
	local tasks

	mapfile -t tasks < <(engine task list -q)
	[ ${#tasks[@]} -eq 0 ] || engine task delete --force "${tasks[@]}" > /dev/null 2>&1
	stop_containerd
}

status()
{
	engine task list | awk -v name="$1" '$1 == name { print $3 }'
}

has_status()
{
	[ "$(status "$1")" = "$2" ]
}

# `ctr run` does not pass on the end of its input.
check_streams()
{
	code=0
	out=$(printf 'twelve bytes' | container_run --rm "$IMAGE" streams \
		sh -c 'head -c 12 | wc -c; echo err >&2; exit 42' 2> "$WORK/err") || code=$?
	say out "$out"
	say err "$(grep -v '^ctr: ' "$WORK/err")"
	say code "$code"
}

SELF='
reason() { echo "$1: $(sed "s/.*: //")"; }
echo "cwd: $PWD"
echo "env: $A"
grep -E "^(CapBnd|CapEff|NoNewPrivs|Seccomp):" /proc/self/status | tr "\t" " "
touch /file 2>&1 | reason readonly
echo "directory: $(cat /dir/in)"
echo written > /dir/out
touch /fixed/x 2>&1 | reason write_to_it
echo "read_only_volume: $(cat /fixed/in)"
mkdir /dir/new 2>&1 | reason seccomp'

check_flags()
{
	capture container_run --rm --cwd /tmp --env 'A=b  c' --cap-drop CAP_CHOWN \
		--cap-add CAP_SYS_TIME --seccomp --seccomp-profile "$WORK/seccomp.json" --read-only \
		--mount "type=bind,src=$WORK/dir,dst=/dir,options=rbind:rw" \
		--mount "type=bind,src=$WORK/dir,dst=/fixed,options=rbind:ro" \
		--memory-limit 134217728 --cpus 0.5 "$IMAGE" flags sh -c "$SELF"
	say code "$code"
	as_said "$out"
	say host "$(cat "$WORK/dir/out")"
}

CONVERSATION='until [ "$(stty size 2> /dev/null)" = "33 77" ]; do sleep 0.2; done
tty | sed s,[0-9]*$,,; echo ready; read -r line; echo "line: $line"
until [ "$(stty size)" = "40 100" ]; do sleep 0.2; done; echo resized; exit 5'

on_terminal()
{
	limited "$HERE/terminal" "$@"
}

check_terminal()
{
	capture on_terminal "${CONTAINER_RUN[@]}" --rm --tty "$IMAGE" terminal sh -c "$CONVERSATION"
	say seen "$out"
	say code "$code"
}

cannot_run()
{
	capture container_run --rm "$IMAGE" failed "$1"
	say code "$code"
	say reason "$(grep -oE 'no such file or directory|permission denied' <<< "$err" | head -n 1)"
	say container "$(engine container list -q | grep -x failed)"
}

check_missing()
{
	cannot_run /nope
}

check_not_executable()
{
	cannot_run /etc/passwd
}

# --- one container for the rest -------------------------------------------------------------------

SERVICE='trap "echo TERM > /dir/got; exit 7" TERM; trap "echo USR1 > /dir/got" USR1
echo started > /dir/got; while :; do sleep 1000 & wait $!; kill $!; done'

need_main()
{
	[ -z "${is_made-}" ] || return 0
	is_made=yes
	rm -f "$WORK/dir/got"
	capture container_run --detach --mount "type=bind,src=$WORK/dir,dst=/dir,options=rbind:rw" \
		--memory-limit 104857600 "$IMAGE" main sh -c "$SERVICE"
	wait_until 30 has_got started
}

has_got()
{
	[ "$(cat "$WORK/dir/got" 2> /dev/null)" = "$1" ]
}

check_detached()
{
	need_main
	say code "$code"
	say status "$(status main)"
	say started "$(cat "$WORK/dir/got")"
}

check_exec()
{
	need_main
	code=0
	out=$(printf 'twelve bytes' | engine task exec --exec-id e1 main sh -c '
		wc -c; tr "\0" " " < /proc/1/cmdline | cut -c 1-6; echo err >&2; exit 9' \
		2> "$WORK/err") || code=$?
	say out "$out"
	say err "$(grep -v '^ctr: ' "$WORK/err")"
	say code "$code"
}

check_exec_user()
{
	need_main
	capture engine task exec --exec-id e2 --user 1000:1001 --cwd /tmp main \
		sh -c 'id -u; id -g; pwd'
	say code "$code"
	say out "$out"
}

check_exec_detached()
{
	need_main
	capture engine task exec --exec-id e3 --detach main \
		sh -c 'echo yes > /dir/detached; sleep 1000'
	say code "$code"
	say_yes "done" wait_until 30 test -s "$WORK/dir/detached"
	# The shim signals the process of an exec by its pid.
	capture engine task kill --exec-id e3 --signal KILL main
	say kill "$code"
	say_yes delete wait_until 30 is_deleted_with 137
}

is_deleted_with()
{
	capture engine task delete --exec-id e3 main
	[ "$code" -eq "$1" ]
}

check_exec_terminal()
{
	need_main
	capture on_terminal "${CTR[@]}" task exec --exec-id e4 --tty main sh -c "$CONVERSATION"
	say seen "$out"
	say code "$code"
}

check_exec_failures()
{
	need_main
	capture engine task exec --exec-id e5 main /nope
	say missing "$code $(grep -o 'no such file or directory' <<< "$err")"
	capture engine task exec --exec-id e6 main /etc/passwd
	say not_executable "$code $(grep -o 'permission denied' <<< "$err")"
}

check_processes()
{
	need_main
	capture engine task ps main
	say code "$code"
	say_yes own grep -q "^$(engine task list | awk '$1 == "main" { print $2 }') " <<< "$out"
}

check_metrics()
{
	need_main
	capture engine task metrics main
	say code "$code"
	say_yes memory grep -qE '^memory\.(usage|usage_in_bytes) +[1-9]' <<< "$out"
	say_yes processes grep -qE '^pids\.current +[1-9]' <<< "$out"
}

check_pause()
{
	need_main
	capture engine task pause main
	say code "$code"
	say status "$(status main)"
	capture engine task exec --exec-id e7 main true
	say_yes exec_refused test "$code" -ne 0
	capture engine task resume main
	say resume "$code"
	say status_after "$(status main)"
	capture engine task exec --exec-id e8 main echo alive
	say after "$out"
}

check_kill()
{
	need_main
	capture engine task kill --signal USR1 main
	say code "$code"
	say_yes arrived wait_until 30 has_got USR1
	say status "$(status main)"
	capture engine task delete main
	say_yes delete_refused test "$code" -ne 0
	capture engine task kill main
	say stop "$code"
	say_yes stopped wait_until 30 has_status main STOPPED
	say_yes got_term has_got TERM
	capture engine task kill main
	say_yes kill_refused test "$code" -ne 0
}

check_delete()
{
	capture engine task delete main
	say code "$code"
	say status "$(status main)"
	capture engine task start --detach main
	say start "$code"
	say_yes started wait_until 30 has_got started
	capture engine task delete --force main
	say_yes killed grep -q . <<< "$code"
}

# ctr makes the network between create and start, with plugins and settings in two fixed places.
check_network()
{
	mkdir -p "$WORK/net.d"
	cat > "$WORK/net.d/one.conflist" <<-END
		{"cniVersion": "0.4.0", "name": "one", "plugins": [{"type": "bridge", "bridge": "engines0",
			"isGateway": true, "mtu": 1450, "ipam": {"type": "host-local", "dataDir": "$WORK/cni",
			"subnet": "10.98.0.0/24", "routes": [{"dst": "0.0.0.0/0"}]}}]}
	END
	"$TOP/build/guest/net_echo" serve 7800 > /dev/null &
	capture limited unshare --mount bash -c "$WITH_CNI" bash "$WORK/net.d" "${CONTAINER_RUN[@]}" --rm \
		--cni --mount "type=bind,src=$TOP/build/guest,dst=/guest,options=rbind:ro" "$IMAGE" net sh -c '
		echo "addresses: $(ip -o -4 address show dev eth0 | awk "{ print \$4 }")"
		echo "routes: $(ip route | sed "s/  */ /g; s/ $//" | paste -sd ";")"
		echo "mtu: $(cat /sys/class/net/eth0/mtu)"
		echo "tcp: $(/guest/net_echo tcp 10.98.0.1 7800 stream)"
		echo "udp: $(/guest/net_echo udp 10.98.0.1 7801 x)"'
	say code "$code"
	as_said "$out"
	kill $!
	ip link delete engines0
}

WITH_CNI='mount -t tmpfs none /opt && mkdir /opt/cni && ln -s /usr/lib/cni /opt/cni/bin &&
	mkdir -p /etc/cni/net.d && mount --bind "$1" /etc/cni/net.d && shift && exec "$@"'

check_remove()
{
	capture engine container delete main
	say code "$code"
	say containers "$(engine container list -q)"
	say tasks "$(engine task list -q)"
	say_yes no_processes wait_until 30 no_container_processes
	say cgroups "$(find /sys/fs/cgroup -type d -path '*/engines/*')"
	say mounts "$(grep -F "$WORK/state" /proc/self/mountinfo)"
	say state "$(ls -A "/run/containerd/runc/engines" 2> /dev/null)"
}
