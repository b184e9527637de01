# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
# shellcheck disable=SC2154 # out, err and code come from capture
# Docker: a daemon, its containerd, and a shim beside each container. The daemon knows bulkhead as a
# named runtime; the last check makes the runtime the default one.
# shellcheck source=tests/engines/containers.bash
. "$HERE/containers.bash"
# shellcheck source=tests/engines/networks.bash
. "$HERE/networks.bash"
# shellcheck source=tests/engines/containerd.bash
. "$HERE/containerd.bash"

# shellcheck disable=SC2034 # for run
CHECKS=(info "${FLAGS[@]}" "${MAIN[@]}" "${NETWORKS[@]}" default)
MTU_OPTION=com.docker.network.driver.mtu
ENGINE=(docker -H "unix://$WORK/docker.sock")
CONTAINER_RUN=("${ENGINE[@]}" run --network none --runtime "$RUNTIME")
OOM_FIELDS=(.State.ExitCode .State.OOMKilled)
HEALTH=(--health-cmd 'echo fine; test ! -e /sick' --health-interval 5s --health-retries 1)

engine()
{
	limited "${ENGINE[@]}" "$@"
}

container_run()
{
	limited "${CONTAINER_RUN[@]}" "$@"
}

# settings DEFAULT: daemon.json, with the line of README.md; the daemon has runc without being told.
settings()
{
	readme_lines '{"runtimes": {"bulkhead": {"path": "/usr/local/bin/bulkhead"}}}' |
		jq --arg crun "$(runtime_path crun)" --arg default "$1" \
			'.runtimes.crun.path = $crun | .["default-runtime"] = $default'
}

start_engine()
{
	settings runc > "$WORK/daemon.json"
	DOCKER_CONFIG=$WORK/client
	export DOCKER_CONFIG
	# One that dockerd starts has to be up within 15 s, which an emulated host may not make.
	start_containerd "$WITHOUT_CRI" || return 1
	dockerd --config-file "$WORK/daemon.json" --host "unix://$WORK/docker.sock" \
		--containerd "$WORK/containerd.sock" \
		--data-root "$WORK/data" --exec-root "$WORK/run" --pidfile "$WORK/dockerd.pid" \
		--bip 10.77.0.1/24 --ipv6 --fixed-cidr-v6 fd77::/64 --storage-driver overlay2 \
		--exec-opt native.cgroupdriver=cgroupfs > "$WORK/dockerd.log" 2>&1 < /dev/null &
	DOCKERD=$!
	wait_for_daemon $! "$WORK/dockerd.log" engine version || return 1
	make_image "$WORK/image.tar" "$IMAGE" sh && engine load -q -i "$WORK/image.tar" > /dev/null &&
		rm "$WORK/image.tar"
}

stop_engine()
{
	local containers

	mapfile -t containers < <(engine ps -aq)
	[ ${#containers[@]} -eq 0 ] || engine rm -f "${containers[@]}" > /dev/null
	kill "$DOCKERD"
	wait "$DOCKERD"
	remove_outside
	stop_containerd
}

no_state()
{
	[ -z "$(find "$WORK/run" -mindepth 3 -path "*/runtime-$RUNTIME/moby/*" 2> /dev/null)" ]
}

check_info()
{
	capture engine info --format '{{json .Runtimes}} {{.DefaultRuntime}}'
	say runtimes "${out//"$TOP"/TOP}"
}

# The daemon asks the runtime for the host's pids, and ps about them.
check_top()
{
	need_main
	capture engine top main -o pid,comm
	say code "$code"
	say processes "$(tail -n +2 <<< "$out" | sed 's/^ *[0-9]* *//' | sort)"
	capture engine exec main ps -o comm
	say own_ps "$(tail -n +2 <<< "$out" | sort)"
}

check_health()
{
	need_main
	say_yes healthy wait_until 60 has_health healthy
	engine exec main touch /sick
	say_yes sick wait_until 60 has_health unhealthy
	say log "$(fields main '(index .State.Health.Log 0).Output')"
}

has_health()
{
	[ "$(fields main .State.Health.Status)" = "$1" ]
}

check_default()
{
	settings "$RUNTIME" > "$WORK/daemon.json"
	kill -HUP "$DOCKERD"
	say_yes taken wait_until 30 is_default
	capture engine run --name default --network none -i "$IMAGE" sh -c 'echo fine; exit 3'
	say code "$code"
	say out "$out"
	say runtime "$(fields default .HostConfig.Runtime | sed "s/^$RUNTIME\$/the default/")"
	engine rm -f default > /dev/null
}

is_default()
{
	[ "$(engine info --format '{{.DefaultRuntime}}')" = "$RUNTIME" ]
}

# The daemon answers for the names of a network, at an address of the container's own loopback:
# for those of one that `plug` connects, too.
check_names()
{
	in_container client "$LOOK_UP"'
		echo "resolver: $(grep nameserver /etc/resolv.conf)"
		echo "server: $(look_up a server) $(look_up aaaa server)"
		echo "reverse: $(nslookup 10.77.1.10 | sed -n "s/.*name = //p")"
		echo "ping: $(pings server)"
		for i in $(seq 16); do look_up a server > "/tmp/answer-$i" & done; wait
		echo "many: $(cat /tmp/answer-* | sort | uniq -c | xargs)"'
	in_container server "$LOOK_UP"'echo "alias: $(look_up a other)"'
}

LOOK_UP='look_up() { nslookup -type="$1" "$2" |
	awk "/^Name/{ n = 1 } n && /^Address/{ print \$2 }"; }
'

# The network that containers are in by default has no names, until one joins another network.
check_bridge()
{
	need_server
	start_on bridge bridged
	say code "$code"
	in_container bridged '
		echo "addresses: $(addresses eth0 | line)"
		echo "routes: $(routes -4 | line)"
		echo "resolver: $(grep -c 127.0.0.11 /etc/resolv.conf)"
		echo "outside: $($echo tcp 192.0.2.2 7801 "")"'
	say host "$("$ECHO" tcp 10.77.0.2 7700 stream)"
	capture engine network connect plain bridged
	say connected "$code"
	in_container bridged "$LOOK_UP"'
		for i in $(seq 100); do [ ! -e /sys/class/net/eth1 ] || break; sleep 0.1; done
		echo "names: $(look_up a server)"
		echo "tcp: $($echo tcp 10.77.1.10 7700 stream)"'
	engine rm -f bridged > /dev/null
}
