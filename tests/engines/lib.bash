# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# What the scenarios of all engines share. A scenario is a list of functions check_NAME; each prints
# lines "NAME.what: result", which must not depend on the runtime, the machine, or the time it takes.

# Longer than any single command of an engine takes in an emulated host that has to share.
LIMIT=${ENGINES_TIME_LIMIT:-180}
PATH=/usr/sbin:/usr/bin:/sbin:/bin
IMAGE=localhost/sample:1

# say WHAT TEXT: a result; further lines of the text are joined by " | ".
say()
{
	local text=${2//$'\r'/}

	printf '%s.%s: %s\n' "$CHECK" "$1" "${text//$'\n'/ | }"
}

# as_said TEXT: lines "what: result", as a script in a container prints them, are results.
as_said()
{
	local line

	while IFS= read -r line; do
		say "${line%%: *}" "${line#*: }"
	done <<< "${1//$'\r'/}"
}

# capture COMMAND...: run it without input; $out, $err and $code are what came of it.
capture()
{
	code=0
	out=$("$@" 2> "$WORK/err" < /dev/null) || code=$?
	err=$(< "$WORK/err")
	[ "$code" -eq 0 ] || sed "s/^/$CHECK, exit code $code: /" "$WORK/err" >&2
}

# say_yes WHAT COMMAND...: "yes" when it succeeds.
say_yes()
{
	local what=$1

	shift
	if "$@" > /dev/null 2>&1; then
		say "$what" yes
	else
		say "$what" no
	fi
}

limited()
{
	timeout --kill-after=10 "$LIMIT" "$@"
}

# wait_until SECONDS COMMAND...
wait_until()
{
	local end=$((SECONDS + $1))

	shift
	until "$@"; do
		((SECONDS < end)) || return 1
		sleep 0.3
	done
}

# wait_for_daemon PID LOG COMMAND...: until the command succeeds. When the daemon ends instead, or
# takes too long, show the end of its log.
wait_for_daemon()
{
	local pid=$1 log=$2

	shift 2
	wait_until 120 ended_or_up "$pid" "$@" && kill -0 "$pid" && return
	tail -n 20 "$log" >&2
	return 1
}

ended_or_up()
{
	! kill -0 "$1" || "${@:2}"
} > /dev/null 2>&1

# BULKHEAD, if set, is another program than the one that is built here.
runtime_path()
{
	if [ "$1" = bulkhead ]; then
		echo "${BULKHEAD:-$TOP/build/bulkhead}"
	else
		command -v "$1"
	fi
}

# readme_lines FIRST: the lines for an engine's settings that README.md gives, from that one on,
# with the path of the program that is tested.
readme_lines()
{
	FIRST=$1 TO=$(runtime_path bulkhead) awk '
		$0 == "    " ENVIRON["FIRST"]{ shown = 1 }
		shown && !/^    /{ exit }
		shown{
			at = index($0, "/usr/local/bin/bulkhead")
			if (at)
				$0 = substr($0, 1, at - 1) ENVIRON["TO"] substr($0, at + 23)
			print substr($0, 5); found = 1
		}
		END{ exit !found }' "$TOP/README.md"
}

# make_image FILE NAME COMMAND...: an archive, as `docker save` makes it, of the rootfs of
# build/test-bundle, which is Debian's busybox-static.
make_image()
{
	local dir=$WORK/image sum file=$1 name=$2 command

	shift 2
	command=$(printf ', "%s"' "$@")

	mkdir -p "$dir/more/data/kept"
	tar -cf "$dir/layer.tar" -C "$TOP/build/test-bundle/rootfs" . -C "$dir/more" data || return 1
	sum=$(sha256sum < "$dir/layer.tar")
	cat > "$dir/config.json" <<-END
		{"architecture": "amd64", "os": "linux",
		 "config": {"Cmd": [${command#, }], "Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
		 "rootfs": {"type": "layers", "diff_ids": ["sha256:${sum%% *}"]}}
	END
	echo "[{\"Config\": \"config.json\", \"RepoTags\": [\"$name\"], \"Layers\": [\"layer.tar\"]}]" \
		> "$dir/manifest.json"
	tar -C "$dir" -cf "$file" manifest.json config.json layer.tar
	rm -r "$dir"
}

# What binds are made of: a directory to write to, a file, a seccomp profile.
make_sources()
{
	mkdir -p "$WORK/dir"
	chmod 777 "$WORK/dir"
	echo 'in the directory' > "$WORK/dir/in"
	echo 'the file' > "$WORK/file"
	cat > "$WORK/seccomp.json" <<-'END'
		{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],
		 "syscalls": [{"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 71}]}
	END
}

# Processes of runtimes and of what engines start for each container.
container_processes()
{
	pgrep -f "^([^ ]*/)?(conmon|containerd-shim|$RUNTIME_PATH)[ -]" | grep -vx $$
}

no_container_processes()
{
	! container_processes > /dev/null
}
