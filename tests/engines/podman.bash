# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
# shellcheck disable=SC2154 # out, err and code come from capture
# podman: one process per command, and conmon beside each container.
# shellcheck source=tests/engines/containers.bash
. "$HERE/containers.bash"
# shellcheck source=tests/engines/networks.bash
. "$HERE/networks.bash"

# shellcheck disable=SC2034 # for run
CHECKS=(info "${FLAGS[@]}" mapped "${MAIN[@]}" "${NETWORKS[@]}")
MTU_OPTION=mtu
ENGINE=(podman --runtime "$RUNTIME")
CONTAINER_RUN=("${ENGINE[@]}" run --network none)
# conmon 2.1 often ends before it has read that there was an OOM kill.
OOM_FIELDS=(.State.ExitCode)
HEALTH=(--health-cmd 'echo fine; test ! -e /sick' --health-interval disable)

engine()
{
	limited "${ENGINE[@]}" "$@"
}

container_run()
{
	limited "${CONTAINER_RUN[@]}" "$@"
}

# containers.conf, with the lines of README.md
settings()
{
	cat <<-END
		[containers]
		log_driver = "k8s-file"
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
	END
	cat <<-END
		[network]
		network_backend = "cni"
		network_config_dir = "$WORK/net.d"
		cni_plugin_dirs = ["/usr/lib/cni"]
	END
	readme_lines '[engine]' | sed '/^\[engine\]$/r '<(
		cat <<-END
			cgroup_manager = "cgroupfs"
			events_logger = "file"
			tmp_dir = "$WORK/libpod"
		END
	)
	cat <<-END
		crun = ["$(runtime_path crun)"]
		runc = ["$(runtime_path runc)"]
	END
}

start_engine()
{
	settings > "$WORK/containers.conf"
	cat > "$WORK/storage.conf" <<-END
		[storage]
		driver = "overlay"
		graphroot = "$WORK/storage"
		runroot = "$WORK/run"
	END
	export CONTAINERS_CONF=$WORK/containers.conf CONTAINERS_STORAGE_CONF=$WORK/storage.conf
	make_image "$WORK/image.tar" "$IMAGE" sh && engine load -q -i "$WORK/image.tar" > /dev/null &&
		rm "$WORK/image.tar"
}

stop_engine()
{
	engine rm -f -a > /dev/null
	remove_outside
	umount "$WORK/storage/overlay" "$WORK"/storage/overlay-containers/*/userdata/shm 2> /dev/null
	return 0
}

# host:ids, always empty, is where containers hold their user ids; it is the host's.
no_state()
{
	[ -z "$(ls -A --ignore=host:ids "/run/$RUNTIME" 2> /dev/null)" ]
}

check_info()
{
	local of=.Host.OCIRuntime

	capture engine info --format "{{$of.Name}} {{$of.Path}} {{$of.Version}}"
	say runtime "$(head -n 1 <<< "$out" |
		sed -E "s,$RUNTIME_PATH,PATH,; s/^$RUNTIME /RUNTIME /; s/ $RUNTIME version [0-9.]+.*/ version/")"
}

mapped_has_ended()
{
	engine logs mapped 2> /dev/null | grep -q ^end
}

# In a user namespace: podman gives the image's files to other users, which are its own inside.
check_mapped()
{
	local dir=$WORK/mapped

	mkdir -p "$dir"
	chown 100000:200000 "$dir"
	capture container_run -d --name mapped --uidmap 0:100000:5000 --gidmap 0:200000:5000 \
		--sysctl net.ipv4.ip_unprivileged_port_start=99 -v "$dir:/dir" --tmpfs /scratch "$IMAGE" \
		sh -c 'echo "uid_map: $(cat /proc/self/uid_map)"; echo "id: $(id)"
			echo "files: $(stat -c %u:%g / /bin/sh /etc/hosts /dev /dev/shm /dir /scratch | sort | uniq -c)"
			touch /made /dir/made /scratch/made && chown 7:8 /dir/made
			echo "port: $(cat /proc/sys/net/ipv4/ip_unprivileged_port_start)"
			echo "capabilities: $(grep CapEff /proc/self/status)"
			mknod /node c 1 3 || echo "mknod: no"; echo "end: end"; exec sleep 1000'
	say code "$code"
	wait_until 90 mapped_has_ended
	as_said "$(engine logs mapped 2> /dev/null)"
	say host "$(stat -c %u:%g "$dir/made")"
	capture engine exec mapped sh -c 'id; cat /proc/self/gid_map'
	say exec "$out"
	capture engine exec --user 7:8 mapped sh -c 'id -u; id -g'
	say exec_user "$out"
	capture engine rm -f mapped
	say remove "$code"
}

# podman reads /proc of the container's processes from outside, or runs the container's own ps.
check_top()
{
	need_main
	capture engine top main comm
	say code "$code"
	say processes "$(tail -n +2 <<< "$out" | sort)"
	capture engine top main -o comm
	say own_ps "$(tail -n +2 <<< "$out" | sort)"
}

# Time itself would be systemd's to keep.
check_health()
{
	need_main
	capture engine healthcheck run main
	say healthy "$code"
	engine exec main touch /sick
	capture engine healthcheck run main
	say sick "$code"
	say log "$(fields main '(index .State.Health.Log 0).ExitCode')"
}

# Without the plugin dnsname there are no names but those of --add-host.
check_names()
{
	need_client
	in_container client 'echo "resolver: $(grep -c 127.0.0.11 /etc/resolv.conf)"'
}

# Two networks from the beginning, and the one that containers are in by default.
check_bridge()
{
	need_networks
	capture engine run --rm --network plain --network small "$IMAGE" sh -c "$HELPERS"'
		echo "interfaces: $(ls /sys/class/net | line)"
		echo "mtus: $(cat /sys/class/net/eth0/mtu /sys/class/net/eth1/mtu | line)"'
	say code "$code"
	as_said "$out"
}
