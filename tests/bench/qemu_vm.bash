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

# start_vm ADDRESS: joined to bridge0
start_vm()
{
	local tap=vm${1##*.}

	[ -e "$WORK/vm.cpio" ] || make_vm_initramfs
	ip tuntap add "$tap" mode tap vnet_hdr
	ip link set "$tap" master bridge0 up
	qemu-system-x86_64 -M microvm,accel=kvm,acpi=off,pit=off,pic=on,rtc=off -cpu host -smp 1 \
		-m 256 -nodefaults -no-user-config -nographic -no-reboot \
		-kernel "$TOP/build/bench/vmlinux" -initrd "$WORK/vm.cpio" \
		-append "quiet reboot=t panic=-1 address=$1" \
		-netdev "tap,id=net,ifname=$tap,script=no,downscript=no,vhost=off" \
		-device "virtio-net-device,netdev=net,mac=52:54:00:66:00:0${1##*.}" \
		> "$WORK/$tap.log" 2>&1 &
	echo $! > "$WORK/$tap.pid"
}

# vm_exec ADDRESS COMMAND...: what it prints
vm_exec()
{
	local address=$1

	shift
	echo "exec $* < /dev/null" | timeout "${LIMIT:-60}" busybox nc "$address" "$VM_SHELL_PORT"
}

# end_vm ADDRESS
end_vm()
{
	local tap=vm${1##*.}

	[ ! -e "$WORK/$tap.pid" ] || kill "$(< "$WORK/$tap.pid")" || :
	wait "$(< "$WORK/$tap.pid")" || :
	rm -f "$WORK/$tap.pid"
	ip link delete "$tap" || :
} 2> /dev/null
