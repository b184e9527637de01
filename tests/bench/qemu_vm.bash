# SPDX-License-Identifier: Apache-2.0
# Virtual machines of Debian's QEMU (microvm, KVM, virtio-net without vhost) with bulkhead's kernel
# (microvm-kernel), which stand where the containers of a runtime would. Callers set TOP and WORK.
# shellcheck shell=bash

VM_SHELL_PORT=7690

# The tree of the containers, with what makes the machine's network.
make_vm_initramfs()
{
	local tree=$WORK/vm

	cp -a "$WORK/rootfs" "$tree"
	mkdir -p "$tree"/{dev,proc,sys}
	cat > "$tree/init" <<-EOF
		#!/bin/sh
		mount -t devtmpfs devtmpfs /dev
		exec < /dev/null > /dev/null 2>&1
		mount -t proc proc /proc
		mount -t tmpfs tmpfs /tmp
		ip link set lo up
		ip address add "\$address/24" dev eth0
		ip link set eth0 up
		/guest/iperf3 -s &
		nc -ll -p $VM_SHELL_PORT -e /bin/sh &
		exec /guest/net_echo serve 7700
	EOF
	chmod +x "$tree/init"
	(cd "$tree" && find . | cpio --quiet --create --format=newc --owner=0:0) > "$WORK/vm.cpio"
}

# join NAMESPACE FROM TO: in a network namespace, what comes in at the one leaves by the other.
join()
{
	tc -n "$1" qdisc add dev "$2" clsact
	tc -n "$1" filter add dev "$2" ingress matchall action mirred egress redirect dev "$3"
}

mac_of()
{
	ip -n "$1" -json link show eth0 | jq -r '.[0].address'
}

# start_vm NAMESPACE ADDRESS: a machine that has the address of eth0 of a network namespace, to
# which its tap is joined in both directions: what virtual machines do where an engine has made
# the network.
start_vm()
{
	local namespace=$1

	[ -e "$WORK/vm.cpio" ] || make_vm_initramfs
	ip -n "$namespace" tuntap add tap0 mode tap vnet_hdr
	ip -n "$namespace" link set tap0 up
	join "$namespace" eth0 tap0
	join "$namespace" tap0 eth0
	ip netns exec "$namespace" qemu-system-x86_64 \
		-M microvm,accel=kvm,acpi=off,pit=off,pic=on,rtc=off -cpu host -smp 1 -m 256 \
		-nodefaults -no-user-config -nographic -no-reboot \
		-kernel "$TOP/build/bench/vmlinux" -initrd "$WORK/vm.cpio" \
		-append "quiet reboot=t panic=-1 address=$2" \
		-netdev "tap,id=net,ifname=tap0,script=no,downscript=no,vhost=off" \
		-device "virtio-net-device,netdev=net,mac=$(mac_of "$namespace")" \
		> "$WORK/$namespace.log" 2>&1 &
	echo $! > "$WORK/$namespace.pid"
}

# vm_exec ADDRESS COMMAND...: what it prints
vm_exec()
{
	local address=$1

	shift
	echo "exec $* < /dev/null" | timeout "${LIMIT:-60}" busybox nc "$address" "$VM_SHELL_PORT"
}

# end_vm NAMESPACE
end_vm()
{
	[ ! -e "$WORK/$1.pid" ] || kill "$(< "$WORK/$1.pid")" || :
	wait "$(< "$WORK/$1.pid")" || :
	rm -f "$WORK/$1.pid"
	ip -n "$1" link delete tap0 || :
	tc -n "$1" qdisc delete dev eth0 clsact || :
} 2> /dev/null
