# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2154 # out, err and code come from capture
# podman: one process per command, and conmon beside each container.
# shellcheck source=tests/engines/containers.bash
. "$HERE/containers.bash"

# shellcheck disable=SC2034 # for run
CHECKS=(info "${FLAGS[@]}" "${MAIN[@]}")
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

start_engine()
{
	cat > "$WORK/containers.conf" <<-END
		[containers]
		log_driver = "k8s-file"
		default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
		[engine]
		cgroup_manager = "cgroupfs"
		events_logger = "file"
		tmp_dir = "$WORK/libpod"
		runtime_supports_json = ["bulkhead", "crun", "runc"]
		[engine.runtimes]
		bulkhead = ["$(runtime_path bulkhead)"]
		crun = ["$(runtime_path crun)"]
		runc = ["$(runtime_path runc)"]
	END
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
	umount "$WORK/storage/overlay" "$WORK"/storage/overlay-containers/*/userdata/shm 2> /dev/null
	return 0
}

no_state()
{
	[ -z "$(ls -A "/run/$RUNTIME" 2> /dev/null)" ]
}

check_info()
{
	local of=.Host.OCIRuntime

	capture engine info --format "{{$of.Name}} {{$of.Path}} {{$of.Version}}"
	say runtime "$(head -n 1 <<< "$out" |
		sed -E "s,$RUNTIME_PATH,PATH,; s/^$RUNTIME /RUNTIME /; s/ $RUNTIME version [0-9.]+.*/ version/")"
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
