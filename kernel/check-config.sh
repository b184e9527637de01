#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# Checks the kernel configuration fragments.
#
#   check-config.sh FRAGMENT...
#       The form: every option stands directly below a comment with its reason, and no option is
#       set twice, not even in two fragments.
#   check-config.sh -c DOTCONFIG -k TREE FRAGMENT...
#       Also what became of them: every option exists in the kernel source TREE and has in DOTCONFIG
#       the value that its fragment asks for. Kconfig drops what it cannot satisfy without a word.
#
# Prints one line for each mistake and ends with 1 if there was one, 2 on wrong usage.
set -eu

usage() {
	echo "usage: check-config.sh [-c DOTCONFIG -k TREE] FRAGMENT..." >&2
	exit 2
}

dotconfig='' tree=''
while getopts c:k: option; do
	case $option in
	c) dotconfig=$OPTARG ;;
	k) tree=$OPTARG ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
[ $# -gt 0 ] || usage
for file in "$@" ${dotconfig:+"$dotconfig"} ${tree:+"$tree/Kconfig"}; do
	[ -r "$file" ] || {
		echo "check-config: $file: cannot be read" >&2
		exit 2
	}
done

check_form() {
	awk '
	function mistake(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
	FNR == 1 { reason = 0 }
	/^# CONFIG_[A-Za-z0-9_]+ is not set$/ {
		mistake("write " $2 "=n below its reason"); reason = 0; next
	}
	/^#( --|$)/ { reason = 0; next }
	/^# / { reason = reason || NF >= 3; next }
	/^$/ { reason = 0; next }
	/^CONFIG_[A-Za-z0-9_]+=(y|n|-?[0-9]+|0x[0-9a-f]+|".*")$/ {
		name = substr($0, 1, index($0, "=") - 1)
		if (!reason)
			mistake(name " has no reason in the line above")
		if (name in seen)
			mistake(name " was already set at " seen[name])
		seen[name] = FILENAME ":" FNR
		reason = 0
		next
	}
	{ mistake("neither an option, a comment nor an empty line"); reason = 0 }
	END { exit bad }' "$@" >&2
}

# An option that is off may be listed as such or, when its dependencies are off, not at all.
check_values() {
	awk '
	FILENAME == ARGV[1] {
		if (/^CONFIG_/) {
			name = substr($0, 1, index($0, "=") - 1)
			got[name] = substr($0, index($0, "=") + 1)
		}
		next
	}
	/^CONFIG_/ {
		name = substr($0, 1, index($0, "=") - 1)
		want = substr($0, index($0, "=") + 1)
		have = name in got ? got[name] : "n"
		if (want != have) {
			printf "%s:%d: %s did not survive: it is %s\n", FILENAME, FNR, $0, have
			bad = 1
		}
	}
	END { exit bad }' "$dotconfig" "$@" >&2
}

# Without this a misspelt CONFIG_X=n would pass for ever.
check_names() {
	grep -rhoE --include='Kconfig*' '^[[:space:]]*(menu)?config[[:space:]]+[A-Za-z0-9_]+' "$tree" |
		awk '
		FILENAME == "-" { known["CONFIG_" $NF] = 1; next }
		/^CONFIG_/ {
			name = substr($0, 1, index($0, "=") - 1)
			if (!(name in known)) {
				printf "%s:%d: %s is no option of this kernel\n", FILENAME, FNR, name
				bad = 1
			}
		}
		END { exit bad }' - "$@" >&2
}

status=0
check_form "$@" || status=1
[ -z "$dotconfig" ] || check_values "$@" || status=1
[ -z "$tree" ] || check_names "$@" || status=1
exit $status
