#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Builds the guest kernel: kernel/build.sh OUTPUT
#
# The source is Debian's linux-source package, so that the guest kernel gets its security fixes with
# `apt upgrade`. The result is kept in ${XDG_CACHE_HOME:-~/.cache}/bulkhead under the hash of all
# that went into it; only the first call takes minutes.
#
# Environment: LINUX_SOURCE  another linux-source-*.tar.xz than the newest in /usr/src
#              JOBS          number of compiler processes, default: one per CPU
set -eu
export LC_ALL=C

here=$(cd "$(dirname "$0")" && pwd)
arch=$(uname -m)

say() { echo "kernel: $*"; }
die() {
	echo "kernel: $*" >&2
	exit 1
}

[ $# -eq 1 ] || die "usage: kernel/build.sh OUTPUT"
case $1 in
/*) output=$1 ;;
*) output=$PWD/$1 ;;
esac
[ -d "$(dirname "$output")" ] || die "$(dirname "$output"): no such directory"
[ -r "$here/config/$arch.config" ] || die "no configuration for the architecture $arch"
set -- "$here/config/platform.config" "$here/config/workload.config" \
	"$here/config/hardening.config" "$here/config/$arch.config"

packages="build-essential flex bison bc libelf-dev xz-utils linux-source"
for tool in make gcc flex bison bc xz; do
	command -v "$tool" >/dev/null || die "$tool is missing: apt-get install $packages"
done
echo '#include <gelf.h>' | gcc -E - >/dev/null 2>&1 ||
	die "libelf is missing: apt-get install $packages"

# shellcheck disable=SC2012 # the names are Debian's own
tarball=${LINUX_SOURCE:-$(ls /usr/src/linux-source-*.tar.xz 2>/dev/null | sort -V | tail -n 1)}
[ -r "$tarball" ] || die "no kernel source: apt-get install $packages"
# The build changes directory, and dpkg-query knows absolute paths only.
tarball=$(realpath -s "$tarball")

# The version of the package that owns the tarball; what no package owns is known by its content.
source_version() {
	if package=$(dpkg-query -S "$tarball" 2>/dev/null); then
		dpkg-query -W "${package%%:*}"
	else
		sha256sum <"$tarball"
	fi
}

build_key() {
	{
		source_version
		gcc --version
		ld --version
		cat "$here/build.sh" "$here/check-config.sh" "$@"
	} | sha256sum | cut -c 1-16
}

# Whoever looks sees the old file or the new one, whole; an unchanged one is left alone.
install_file() {
	! cmp -s "$1" "$2" || return 0
	partial=$(mktemp "$2.XXXXXX")
	cp "$1" "$partial"
	chmod 644 "$partial"
	sync "$partial"
	mv "$partial" "$2"
	partial=
}

configure() {
	cat "$@" >fragments
	make -s KCONFIG_ALLCONFIG=fragments allnoconfig >>"$log" 2>&1 ||
		die "configuration failed: see $log"
	"$here/check-config.sh" -c .config -k . "$@" ||
		die "the configuration is not what the fragments ask for"
}

compile() {
	make -j"${JOBS:-$(nproc)}" KBUILD_BUILD_USER=bulkhead KBUILD_BUILD_HOST=bulkhead \
		KBUILD_BUILD_TIMESTAMP="$(date -u -r "$tarball")" vmlinux >>"$log" 2>&1 &
	compiler=$!
	seconds=0
	while kill -0 "$compiler" 2>/dev/null; do
		if [ $((seconds % 15)) -eq 14 ]; then
			say "$(grep -cE '^  (CC|AS) ' "$log") objects compiled after $((seconds + 1)) s"
		fi
		sleep 1
		seconds=$((seconds + 1))
	done
	wait "$compiler" || die "the build failed: see $log"
	compiler=
}

# What the monitor loads: the segments, the notes, and in .bulkhead.relocs the table of places to
# adjust when it puts the text at another address. Symbols and linker relocations are left behind.
package() {
	set -- -S -R .comment
	if [ -x arch/x86/tools/relocs ]; then
		arch/x86/tools/relocs vmlinux >relocs || die "no relocation table"
		set -- "$@" --add-section .bulkhead.relocs=relocs
	fi
	objcopy "$@" vmlinux guest
}

cleanup() {
	[ -z "$compiler" ] || kill "$compiler" 2>/dev/null || true
	[ -z "$compiler" ] || wait "$compiler" 2>/dev/null || true
	[ -z "$work" ] || rm -rf "$work"
	[ -z "$partial" ] || rm -f "$partial"
}
compiler='' work='' partial=''
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

"$here/check-config.sh" "$@" || die "the fragments are not in order"
cache=${XDG_CACHE_HOME:-${HOME:?neither XDG_CACHE_HOME nor HOME is set}/.cache}/bulkhead
mkdir -p "$cache"
result=$cache/vmlinux-$(build_key "$@")

if [ ! -e "$result" ]; then
	# The compilers inherit the lock: should this script be killed, the next one waits for
	# them to end before it removes what they left.
	exec 9>"$cache/build.lock"
	if ! flock -n 9; then
		say "waiting for another build"
		flock 9
	fi
fi
if [ ! -e "$result" ]; then
	work=$cache/build
	log=$cache/build.log
	rm -rf "$work"
	mkdir "$work"
	say "building from $tarball, the first time takes minutes; log: $log"
	tar -xf "$tarball" -C "$work" --strip-components=1
	cd "$work"
	: >"$log"
	configure "$@"
	compile
	package
	install_file guest "$result"
	cd /
fi
install_file "$result" "$output"
say "$output: $(basename "$result")"
