# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
# shellcheck disable=SC2154 # out, err and code come from capture
# The checks for podman and Docker, which have one command line. The engine's file defines
#   engine ARG...          its command line program
#   container_run ARG...   its `run`, with the runtime
#   OOM_FIELDS             what to inspect of a container that ran out of memory
# The checks of MAIN share one container, which the first of them starts.

# shellcheck disable=SC2034 # for podman and Docker
FLAGS=(streams flags terminal missing not_executable oom restart stop_deaf)
# shellcheck disable=SC2034
MAIN=(detached logs inspect exec exec_user exec_detached exec_terminal exec_failures top stats pause
	copy difference update kill_user commit health stop start remove)

# fields CONTAINER FIELD...: of what inspect says, in one line.
fields()
{
	local name=$1 format

	shift
	format=$(printf ' {{%s}}' "$@")
	engine inspect --format "${format# }" "$name" 2>&1
}

has_status()
{
	[ "$(fields "$1" .State.Status)" = "$2" ]
}

check_streams()
{
	code=0
	out=$(printf 'twelve bytes' | container_run --rm -i "$IMAGE" \
		sh -c 'wc -c; echo err >&2; exit 42' 2> "$WORK/err") || code=$?
	say out "$out"
	say err "$(< "$WORK/err")"
	say code "$code"
}

# What many flags make of one container, said by itself.
SELF='
reason() { echo "$1: $(sed "s/.*: //")"; }
echo "user: $(id -u):$(id -g)"
echo "hostname: $(hostname)"
echo "cwd: $PWD"
echo "env: $A"
echo "entrypoint: $*"
echo "init: $(cat /proc/1/comm)"
echo "files: $(ulimit -Sn) $(ulimit -Hn)"
echo "sysctl: $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/msgmax | xargs)"
grep -E "^(CapBnd|CapEff|NoNewPrivs|Seccomp):" /proc/self/status | tr "\t" " "
touch /file 2>&1 | reason readonly
grep " /scratch " /proc/mounts | cut -d " " -f 3,4 | tr , "\n" |
	grep -E "tmpfs|size|noexec" | sort | xargs echo "tmpfs:"
touch /scratch/x && echo "scratch: writable"
echo "directory: $(cat /dir/in)"
echo "written by $(id -u)" > /dir/out
touch /fixed/x 2>&1 | reason write_to_it
echo "read_only_volume: $(cat /fixed/in)"
echo "single: $(cat /single)"
touch /single 2>&1 | reason write_to_single
touch /volume/x 2>&1 | reason volume
echo "interfaces: $(ls /sys/class/net)"
mkdir /dir/new 2>&1 | reason seccomp
cd /sys/fs/cgroup
echo "limits: $(cat memory.max cpu.max pids.max 2>&1 | paste -sd " ")"
echo "swap: $(cat memory.swap.max 2> /dev/null || echo none)"
(for i in $(seq 20); do sleep 1 & done) 2>&1 | reason pids
exit 0'

check_flags()
{
	capture container_run --rm --user 1000:1001 --hostname inside --workdir /tmp \
		--env 'A=b  c' \
		--entrypoint sh --init --ulimit nofile=100:200 --ulimit nproc=1024:1024 \
		--sysctl net.ipv4.ip_unprivileged_port_start=99 --sysctl kernel.msgmax=4321 \
		--cap-drop ALL --cap-add NET_RAW --security-opt no-new-privileges \
		--security-opt "seccomp=$WORK/seccomp.json" \
		--read-only --tmpfs /scratch:size=1m,noexec,mode=1777 \
		-v "$WORK/dir:/dir" -v "$WORK/dir:/fixed:ro" -v "$WORK/file:/single:ro" \
		-v sample:/volume --memory 128m --memory-swap 128m --cpus 0.5 --pids-limit 16 \
		"$IMAGE" -c "$SELF" zero one 'two  three'
	say code "$code"
	as_said "$out"
	say host "$(cat "$WORK/dir/out") $(stat -c %u:%g "$WORK/dir/out")"
}

# Both sizes have to arrive; how soon is the engine's business.
CONVERSATION='until [ "$(stty size 2> /dev/null)" = "33 77" ]; do sleep 0.2; done
tty | sed s,[0-9]*$,,; echo ready; read -r line; echo "line: $line"
until [ "$(stty size)" = "40 100" ]; do sleep 0.2; done; echo resized; exit 5'

# The last resize of podman may come too late.
on_terminal()
{
	limited "$HERE/terminal" "$@" | grep -vE 'container not running|open pidfd'
}

check_terminal()
{
	capture on_terminal "${CONTAINER_RUN[@]}" --rm -it "$IMAGE" sh -c "$CONVERSATION"
	say seen "$out"
	say code "$code"
}

# cannot_run PROGRAM
cannot_run()
{
	capture container_run --name failed "$IMAGE" "$1"
	say code "$code"
	say reason "$(grep -oE 'no such file or directory|permission denied' <<< "$err" | head -n 1)"
	say status "$(fields failed .State.Status .State.ExitCode)"
	engine rm -f failed > /dev/null
}

check_missing()
{
	cannot_run /nope
}

check_not_executable()
{
	cannot_run /etc/passwd
}

check_oom()
{
	capture container_run --name greedy --memory 64m --memory-swap 64m "$IMAGE" \
		sh -c 'echo begun; exec tail /dev/zero'
	say out "$out"
	say code "$code"
	say state "$(fields greedy "${OOM_FIELDS[@]}")"
	engine rm -f greedy > /dev/null
}

check_restart()
{
	rm -f "$WORK/dir/count"
	capture container_run -d --name again --restart on-failure:2 -v "$WORK/dir:/dir" "$IMAGE" \
		sh -c 'echo x >> /dir/count; exit 3'
	say code "$code"
	say_yes restarted wait_until 240 has_lines "$WORK/dir/count" 3
	say waited "$(engine wait again)"
	say state "$(fields again .State.ExitCode .RestartCount)"
	say count "$(wc -l < "$WORK/dir/count")"
	engine rm -f again > /dev/null
}

has_lines()
{
	[ "$(wc -l < "$1")" -ge "$2" ]
} 2> /dev/null

# PID 1 without a handler is deaf to TERM: the time-out ends it.
check_stop_deaf()
{
	capture container_run -d --name deaf "$IMAGE" sleep 1000
	capture engine stop -t 1 deaf
	say code "$code"
	say state "$(fields deaf .State.ExitCode .State.OOMKilled)"
	capture engine rm deaf
	say removed "$code"
}

# --- one container for the rest -------------------------------------------------------------------

SERVICE='trap "echo got TERM; exit 7" TERM; trap "echo got USR1" USR1
echo started; echo problem >&2
while :; do sleep 1000 & wait $!; kill $!; done'

need_main()
{
	[ -z "${is_made-}" ] || return 0
	is_made=yes
	capture container_run -d --name main --hostname main -v "$WORK/dir:/dir" -v sample:/volume --memory 100m \
		"${HEALTH[@]}" "$IMAGE" sh -c "$SERVICE"
	wait_until 60 is_logged started
}

is_logged()
{
	engine logs main 2>&1 | grep -qxF "$1"
}

check_detached()
{
	need_main
	say code "$code"
	say id "$(sed -E 's/^[0-9a-f]{64}$/an id/' <<< "$out")"
}

check_logs()
{
	need_main
	capture engine logs main
	say out "$out"
	say err "$err"
}

check_inspect()
{
	local pid

	need_main
	out=$(fields main .State.Status .State.ExitCode .State.Pid)
	pid=${out##* }
	say status "${out% *}"
	say_yes alive kill -0 "$pid"
	say_yes namespaces differs_from_ours "$pid" mnt pid net ipc uts
}

differs_from_ours()
{
	local pid=$1 name

	shift
	for name; do
		[ "$(readlink "/proc/$pid/ns/$name")" != "$(readlink "/proc/self/ns/$name")" ] ||
			return 1
	done
}

check_exec()
{
	need_main
	code=0
	out=$(printf 'twelve bytes' | engine exec -i main sh -c '
		wc -c; cat /proc/1/comm; hostname; echo err >&2; exit 9' 2> "$WORK/err") || code=$?
	say out "$out"
	say err "$(grep -v '^Error: ' "$WORK/err")"
	say code "$code"
}

check_exec_user()
{
	need_main
	capture engine exec --user 1000:1001 --workdir /tmp --env 'A=b  c' main sh -c \
		'echo "user: $(id -u):$(id -g)"; echo "cwd: $PWD"; echo "env: $A"
		echo "limit: $(cat /sys/fs/cgroup/memory.max)"
		grep -E "^(CapBnd|CapEff):" /proc/self/status | tr "\t" " "'
	say code "$code"
	as_said "$out"
}

check_exec_detached()
{
	need_main
	capture engine exec -d main sh -c 'echo yes > /dir/detached'
	say code "$code"
	say_yes "done" wait_until 30 test -s "$WORK/dir/detached"
}

check_exec_terminal()
{
	need_main
	capture on_terminal "${ENGINE[@]}" exec -it main sh -c "$CONVERSATION"
	say seen "$out"
	say code "$code"
}

check_exec_failures()
{
	need_main
	capture engine exec main /nope
	say missing "$code"
	capture engine exec main /etc/passwd
	say not_executable "$code"
	capture engine exec main sh -c 'kill -9 $$'
	say killed "$code"
}

check_stats()
{
	local format='{{.MemUsage}} {{.PIDs}}'

	need_main
	capture engine stats --no-stream --format "$format" main
	say code "$code"
	# Used and limit, and the number of processes: more than none.
	say limit "$(sed -E 's,.*/ *([0-9.]+) ?([kMG]i?B).*,\1 \2,' <<< "$out")"
	say_yes used grep -qE '^[1-9]' <<< "$out"
	say_yes processes grep -qE ' [1-9][0-9]*$' <<< "$out"
}

check_pause()
{
	need_main
	capture engine pause main
	say code "$code"
	say status "$(fields main .State.Status)"
	capture engine exec main true
	say_yes exec_refused test "$code" -ne 0
	capture engine unpause main
	say unpause "$code"
	say status_after "$(fields main .State.Status)"
	capture engine exec main echo alive
	say after "$out"
}

# Of a running container, in both directions; also what only its tmpfs and volumes have.
check_copy()
{
	need_main
	mkdir -p "$WORK/tree/below"
	echo one > "$WORK/tree/below/one"
	capture engine cp "$WORK/tree" main:/data/tree
	say in "$code"
	capture engine cp "$WORK/file" main:/data/kept/file
	say in_file "$code"
	capture engine exec main \
		sh -c 'cat /data/tree/below/one /data/kept/file; echo two > /data/two'
	say seen "$out"
	capture engine cp main:/data "$WORK/out"
	say out "$code"
	say files "$(cd "$WORK/out" && find . -type f | sort | xargs grep '')"
	capture engine cp main:/dir/in "$WORK/volume"
	say volume "$(cat "$WORK/volume")"
	capture engine cp main:/nope "$WORK/nope"
	say missing "$code"
	rm -rf "$WORK/tree" "$WORK/out" "$WORK/volume"
}

check_difference()
{
	need_main
	engine exec main sh -c 'rm /etc/group; echo x >> /etc/passwd; mkdir -p /data/dir'
	capture engine diff main
	say code "$code"
	say paths "$(grep -E ' /(data|etc/(group|passwd))' <<< "$out" | sort)"
}

check_update()
{
	need_main
	capture engine update --memory 60m --memory-swap 60m --cpu-shares 512 main
	say code "$code"
	capture engine exec main sh -c 'cd /sys/fs/cgroup && echo $(cat memory.max cpu.weight)'
	say inside "$out"
	capture engine update --memory 120m --memory-swap 120m main
	say raised "$code"
	capture engine exec main cat /sys/fs/cgroup/memory.max
	say raised_inside "$out"
}

check_kill_user()
{
	need_main
	capture engine kill -s USR1 main
	say code "$code"
	say_yes arrived wait_until 30 is_logged 'got USR1'
	say status "$(fields main .State.Status)"
}

check_commit()
{
	need_main
	engine exec main sh -c 'echo kept > /data/committed; echo volume > /volume/kept'
	capture engine commit main localhost/committed:1
	say code "$code"
	capture container_run --rm -v sample:/volume:ro localhost/committed:1 \
		cat /data/committed /volume/kept
	say seen "$out"
	say run "$code"
	engine rmi localhost/committed:1 > /dev/null
}

# From here on the container is deaf to TERM when it is started again.
check_stop()
{
	need_main
	capture engine stop -t 20 main
	say code "$code"
	say state "$(fields main .State.Status .State.ExitCode .State.OOMKilled)"
	say_yes logged is_logged 'got TERM'
	capture engine exec main true
	say_yes exec_refused test "$code" -ne 0
	capture engine cp main:/dir/in "$WORK/stopped"
	say copied "$code"
}

check_start()
{
	capture engine start main
	say code "$code"
	capture engine exec main cat /data/kept/file
	say kept "$out"
	capture engine restart -t 20 main
	say restart "$code"
	capture engine kill main
	say kill "$code"
	say waited "$(engine wait main)"
}

check_remove()
{
	engine start main > /dev/null
	capture engine rm main
	say_yes refused test "$code" -ne 0
	capture engine rm -f main
	say code "$code"
	capture engine volume rm sample
	say volume "$out"
	capture engine ps -aq
	say containers "$out"
	say_yes no_processes wait_until 30 no_container_processes
	say cgroups "$(find /sys/fs/cgroup -type d | grep -E '[0-9a-f]{64}')"
	say mounts "$(grep -F " $WORK/" /proc/self/mountinfo | grep -F /merged)"
	say_yes no_state no_state
}
