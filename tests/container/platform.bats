#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# What a guest is made of, and what in an image could lead out of one.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

# A process with every privilege that a container can have, to look at all there is.
PRIVILEGED='.process.capabilities |= with_entries(.value = $all)
	| .linux.resources.devices = [{allow: true, access: "rwm"}]
	| .linux.maskedPaths = [] | .linux.readonlyPaths = []'

@test "no nested virtualisation, no disk, no device but those the monitor has" {
	local image all

	all=$(bulkhead features | jq -c .linux.capabilities)
	sha256sum "$TOP/build/vmlinux" "$TOP/build/initramfs.cpio" > "$BATS_TEST_TMPDIR/images"
	# An emulated host has nested virtualisation switched off: test_cpuid then says more.
	bundle inventory "$all as \$all | $PRIVILEGED" sh -c '
		grep -owE "svm|vmx|hypervisor" /proc/cpuinfo | sort -u
		echo virtio: $(cat /sys/bus/virtio/devices/*/device | sort)
		echo buses: $(ls /sys/bus | grep -E "^(pci|acpi|pnp|usb|scsi|serio)$")
		echo disks: $(ls /sys/class/block) $(tail -n +3 /proc/partitions)
		while read -r kind major minor; do
			mknod /dev/x $kind $major $minor
			head -c 1 /dev/x > /dev/null 2>&1 && echo "opened $kind $major:$minor"
			rm /dev/x
		done; echo all'
	# SCSI, virtio and loop disks, KVM, vhost; and /dev/zero, to see that this opens devices.
	output=$(printf '%s\n' 'b 8 0' 'b 254 0' 'b 259 0' 'b 7 0' 'c 10 232' 'c 10 238' \
		'c 10 241' 'c 1 5' | run_bundle inventory)
	has_line hypervisor
	[ "$(grep -cwE 'svm|vmx' <<< "$output")" -eq 0 ]
	has_line 'virtio: 0x0003 0x0004 0x0005 0x0013 0x001a'
	has_line 'buses:'
	has_line 'disks:'
	has_line all
	[ "$(grep '^opened' <<< "$output")" = 'opened c 1:5' ] || { echo "$output"; return 1; }
	# What the guest wrote to its kernel's memory is in nobody else's.
	for image in vmlinux initramfs.cpio; do
		grep "$image" "$BATS_TEST_TMPDIR/images" | sha256sum --check --quiet
	done
}

# has_links NAME FILTER LINK...: run a container in whose rootfs each LINK leads to a directory or
# file of the host. It may run or be refused, but nothing appears there and nothing there changes.
has_links()
{
	local name=$1 filter=$2 link
	local root=$BATS_TEST_TMPDIR/$1-root outside=$BATS_TEST_TMPDIR/$1-outside

	shift 2
	cp -a "$ROOTFS" "$root"
	mkdir -p "$outside"
	echo untouched > "$outside/file"
	for link; do
		rm -rf "${root:?}/${link%%>*}"
		mkdir -p "$(dirname "$root/${link%%>*}")"
		ln -s "${link#*>}" "$root/${link%%>*}"
	done
	ROOTFS=$root bundle "$name" ".root.readonly = false | $filter" \
		sh -c 'echo ran; echo x > /dev/null'
	output=$(run_bundle "$name" < /dev/null 2>&1) || echo "refused: $output"
	if [ "$(ls -A "$outside")" != file ] || [ "$(< "$outside/file")" != untouched ]; then
		echo "changed: $(ls -lA "$outside")"
		return 1
	fi
	grep -qE '^ran$|^bulkhead: error: ' <<< "$output"
}

@test "links in an image where mount points, devices and files are made lead nowhere else" {
	local up=../../../../../../../../../../.. out=$BATS_TEST_TMPDIR

	ROOTFS=$BATS_FILE_TMPDIR/base/rootfs
	has_links file-systems . "dev>$out/file-systems-outside" \
		"proc>$up$out/file-systems-outside/proc" "sys>$out/file-systems-outside/sys"
	# Without a file system on /dev, its nodes are made in what the image has there.
	has_links nodes '.mounts |= map(select(.destination | startswith("/dev") | not))' \
		"dev/null>$out/nodes-outside/file" "dev/console>$out/nodes-outside/new" \
		"dev/ptmx>$up$out/nodes-outside/new" "dev/fd>$out/nodes-outside" "dev/zero>/proc/self/fd/3"
	has_links targets '.mounts += [{destination: "/a/b/c", type: "tmpfs", source: "x"},
			{destination: "/etc/made", type: "bind", source: "/etc/hostname", options: ["bind"]}]
		| .process.cwd = "/w/made/here"' \
		"a>$out/targets-outside" "etc/made>$up$out/targets-outside/made" \
		"w>$out/targets-outside"
	has_links magic '.mounts += [{destination: "/magic/x", type: "bind", source: "/etc",
			options: ["bind"]}]' "magic>/proc/self/root/$out/magic-outside"
}

@test "what is open in the runtime is nobody's working directory or program" {
	local number before output=

	before=$(sha256sum "$BULKHEAD" "$TOP/build/initramfs.cpio")
	bundle host . sleep 1000
	create_bundle host < /dev/null > "$BATS_TEST_TMPDIR/created" 2>&1 3>&-
	bulkhead start host
	for number in 3 4 5 6 7 8 9 10; do
		run bulkhead exec --cwd "/proc/self/fd/$number" host ls / < /dev/null
		[ "$status" -ne 0 ] || { echo "inside of $number: $output"; return 1; }
	done
	run -0 bulkhead exec host sh -c 'echo $(ls /proc/self/fd)' < /dev/null
	[ "$output" = '0 1 2 3' ] || { echo "$output"; return 1; } # 3 is that of ls
	# The first process as a program: what runs then is not the host's, nor to be written.
	run bulkhead exec host /proc/self/exe --version < /dev/null
	[[ $output != *bulkhead*version* ]]
	run -1 bulkhead exec host sh -c ': > /proc/1/exe' < /dev/null
	[ "$before" = "$(sha256sum "$BULKHEAD" "$TOP/build/initramfs.cpio")" ]
	bulkhead delete --force host
}
