#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Packs the guest's first file system: rootfs/build-initramfs.sh INIT OUTPUT
#
# OUTPUT becomes an uncompressed cpio archive of /init (the static program INIT) and the empty
# directories it mounts on. The same INIT gives the same bytes, whoever packs it and when. There is
# no device node: /dev/console is part of the archive that every kernel carries inside.
set -eu
export LC_ALL=C

directories="dev proc sys"

die() {
	echo "initramfs: $*" >&2
	exit 1
}

[ $# -eq 2 ] || die "usage: rootfs/build-initramfs.sh INIT OUTPUT"
init=$1
output=$2
for tool in cpio readelf; do
	command -v "$tool" >/dev/null || die "$tool is missing: apt-get install cpio binutils"
done
[ -r "$init" ] || die "$init: cannot be read"
[ -d "$(dirname "$output")" ] || die "$(dirname "$output"): no such directory"
headers=$(readelf -lW "$init" 2>/dev/null) || die "$init: not an ELF program"
case $headers in
*INTERP*) die "$init: not static, and the guest has no libraries" ;;
esac

tree='' partial=''
cleanup() {
	[ -z "$tree" ] || rm -rf "$tree"
	[ -z "$partial" ] || rm -f "$partial"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

umask 022
tree=$(mktemp -d)
partial=$(mktemp "$output.XXXXXX")
chmod 755 "$tree"
cp "$init" "$tree/init"
chmod 755 "$tree/init"
for directory in $directories; do
	mkdir "$tree/$directory"
done
find "$tree" -exec touch -d @0 {} +
(cd "$tree" && find . -mindepth 1 | sort |
	cpio --quiet --create --format=newc --reproducible --owner=0:0) >"$partial"
[ -s "$partial" ] || die "cpio wrote nothing"
chmod 644 "$partial"
mv "$partial" "$output"
partial=''
