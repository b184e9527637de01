# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# containerd itself, below ctr, CRI and Docker: a daemon, and a shim beside each container.

# shellcheck disable=SC2034 # for the engines
WITHOUT_CRI='disabled_plugins = ["io.containerd.grpc.v1.cri"]'
CTR=(ctr --address "$WORK/containerd.sock")

containerd_settings()
{
	cat <<-END
		version = 2
		$1
		root = "$WORK/root"
		state = "$WORK/state"
		[grpc]
		address = "$WORK/containerd.sock"
		[plugins."io.containerd.internal.v1.opt"]
		path = "$WORK/opt"
		$2
	END
}

# start_containerd FIRST [LAST]: with those settings before and after the ones about its places.
start_containerd()
{
	containerd_settings "$1" "${2-}" > "$WORK/config.toml"
	containerd --config "$WORK/config.toml" > "$WORK/containerd.log" 2>&1 < /dev/null &
	CONTAINERD=$!
	wait_for_daemon $! "$WORK/containerd.log" limited "${CTR[@]}" version
}

stop_containerd()
{
	kill "$CONTAINERD"
	wait "$CONTAINERD"
	umount -R "$WORK/state" 2> /dev/null
	return 0
}

load_image()
{
	make_image "$WORK/image.tar" "$@" &&
		limited "${CTR[@]}" image import --snapshotter overlayfs "$WORK/image.tar" > /dev/null &&
		rm "$WORK/image.tar"
}
