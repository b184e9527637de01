#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Makes a sample OCI bundle: rootfs/build-bundle.sh [-t] [-e CODE] DIR [ARG...]
#
# DIR/rootfs holds Debian's busybox-static under all its names, DIR/config.json is what `runc spec`
# would start from. The process is ARG..., or without any a tour of the container that ends with
# exit code CODE (default 0). -t gives it a terminal.
#
# A DIR that this script made before keeps its rootfs and gets a new config.json; nothing else that
# exists is touched.
set -eu
export LC_ALL=C

die() {
	echo "bundle: $*" >&2
	exit 1
}
usage() { die "usage: rootfs/build-bundle.sh [-t] [-e CODE] DIR [ARG...]"; }

terminal=false code=0
while getopts te: option; do
	case $option in
	t) terminal=true ;;
	e) code=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -ge 1 ] || usage
case $code in
'' | *[!0-9]* | ????*) die "$code: not an exit code" ;;
esac
[ "$code" -le 255 ] || die "$code: not an exit code"
dir=${1%/}
shift
busybox=$(command -v busybox) || die "busybox is missing: apt-get install busybox-static"
! ldd "$busybox" >/dev/null 2>&1 || die "$busybox: not static: apt-get install busybox-static"

if [ $# -eq 0 ]; then
	set -- /bin/sh -c "uname -r; id; cat /proc/1/comm; mount; free -m; exit $code"
fi

# One JSON string for each argument, separated by commas.
json_strings() {
	separator=
	for text in "$@"; do
		case $text in
		*[[:cntrl:]]*) die "an argument holds a control character" ;;
		esac
		printf '%s"%s"' "$separator" "$(printf '%s\n' "$text" | sed 's/[\\"]/\\&/g')"
		separator=', '
	done
}

write_config() {
	capabilities='["CAP_AUDIT_WRITE", "CAP_KILL", "CAP_NET_BIND_SERVICE"]'
	arguments=$(json_strings "$@")
	cat <<EOF
{
	"ociVersion": "1.0.2",
	"process": {
		"terminal": $terminal,
		"user": {"uid": 0, "gid": 0},
		"args": [$arguments],
		"env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "TERM=xterm"],
		"cwd": "/",
		"capabilities": {
			"bounding": $capabilities,
			"effective": $capabilities,
			"permitted": $capabilities,
			"ambient": $capabilities
		},
		"rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024}],
		"noNewPrivileges": true
	},
	"root": {"path": "rootfs", "readonly": true},
	"hostname": "bulkhead",
	"mounts": [
		{"destination": "/proc", "type": "proc", "source": "proc"},
		{"destination": "/dev", "type": "tmpfs", "source": "tmpfs",
		 "options": ["nosuid", "strictatime", "mode=755", "size=65536k"]},
		{"destination": "/dev/pts", "type": "devpts", "source": "devpts",
		 "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"]},
		{"destination": "/dev/shm", "type": "tmpfs", "source": "shm",
		 "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"]},
		{"destination": "/dev/mqueue", "type": "mqueue", "source": "mqueue",
		 "options": ["nosuid", "noexec", "nodev"]},
		{"destination": "/sys", "type": "sysfs", "source": "sysfs",
		 "options": ["nosuid", "noexec", "nodev", "ro"]},
		{"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
		 "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}
	],
	"linux": {
		"resources": {"devices": [{"allow": false, "access": "rwm"}]},
		"namespaces": [
			{"type": "pid"},
			{"type": "network"},
			{"type": "ipc"},
			{"type": "uts"},
			{"type": "mount"}
		],
		"maskedPaths": [
			"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
			"/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/scsi", "/sys/firmware"
		],
		"readonlyPaths": [
			"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"
		]
	}
}
EOF
}

write_rootfs() {
	mkdir -p "$1/bin" "$1/dev" "$1/etc" "$1/proc" "$1/root" "$1/sbin" "$1/sys" "$1/tmp" \
		"$1/usr/bin" "$1/usr/sbin" "$1/var/tmp"
	chmod 700 "$1/root"
	chmod 1777 "$1/tmp" "$1/var/tmp"
	cp "$busybox" "$1/bin/busybox"
	"$busybox" --list-full | while read -r applet; do
		case $applet in
		*bin/busybox | linuxrc) ;;
		*) ln -s /bin/busybox "$1/$applet" ;;
		esac
	done
	cat >"$1/etc/passwd" <<-'EOF'
		root:x:0:0:root:/root:/bin/sh
		nobody:x:65534:65534:nobody:/:/bin/false
	EOF
	cat >"$1/etc/group" <<-'EOF'
		root:x:0:
		tty:x:5:
		nogroup:x:65534:
	EOF
}

new=''
cleanup() { [ -z "$new" ] || rm -rf "$new"; }
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

umask 022
if [ -f "$dir/.sample-bundle" ]; then
	new=$(mktemp "$dir/config.json.XXXXXX")
	write_config "$@" >"$new"
	chmod 644 "$new"
	mv "$new" "$dir/config.json"
else
	[ ! -e "$dir" ] || [ -z "$(ls -A "$dir")" ] || die "$dir: exists and is not a bundle made here"
	new=$(mktemp -d "$dir.XXXXXX")
	chmod 755 "$new"
	: >"$new/.sample-bundle" # made by this script
	mkdir "$new/rootfs"
	write_rootfs "$new/rootfs"
	write_config "$@" >"$new/config.json"
	mv -T "$new" "$dir"
fi
new=''
