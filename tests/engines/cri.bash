# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
# shellcheck disable=SC2154 # out, err and code come from capture
# containerd as Kubernetes calls it: a pod with a network of its own, and containers in it.
# shellcheck source=tests/engines/containerd.bash
. "$HERE/containerd.bash"

# shellcheck disable=SC2034 # for run
CHECKS=(version pod container network exec stats update logs stop failures remove)

# Pods get a veth pair each; there is no network beyond.
network_settings()
{
	cat <<-END
		{
			"cniVersion": "0.4.0",
			"name": "pods",
			"plugins": [{
				"type": "ptp",
				"ipam": {"type": "host-local", "dataDir": "$WORK/cni", "subnet": "10.99.0.0/24"}
			}]
		}
	END
}

cri_settings()
{
	local name

	cat <<-END
		[plugins."io.containerd.grpc.v1.cri"]
		sandbox_image = "localhost/pause:1"
		restrict_oom_score_adj = true
		[plugins."io.containerd.grpc.v1.cri".cni]
		bin_dir = "/usr/lib/cni"
		conf_dir = "$WORK/net.d"
	END
	readme_lines '[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.bulkhead]'
	for name in runc crun; do
		cat <<-END
			[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.$name]
			runtime_type = "io.containerd.runc.v2"
			[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.$name.options]
			BinaryName = "$(runtime_path "$name")"
		END
	done
}

start_engine()
{
	export CONTAINERD_NAMESPACE=k8s.io
	mkdir -p "$WORK/net.d" "$WORK/logs"
	network_settings > "$WORK/net.d/pods.conflist"
	start_containerd '' "$(cri_settings)" && load_image "$IMAGE" sh &&
		load_image localhost/pause:1 sleep 1000000 || return 1
	coproc CRI { "$HERE/cri" "$WORK/containerd.sock"; }
	wait_until 60 is_ready
}

is_ready()
{
	cri Status
	[ "$(jq '[.status.conditions[]?.status] | all and length > 0' <<< "$answer")" = true ]
}

stop_engine()
{
	local pod

	cri ListPodSandbox
	for pod in $(jq -r '.items[]?.id' <<< "$answer"); do
		cri StopPodSandbox "$(json pod_sandbox_id "$pod")"
		cri RemovePodSandbox "$(json pod_sandbox_id "$pod")"
	done
	[ -z "${CRI_PID-}" ] || kill "$CRI_PID"
	stop_containerd
}

# cri CALL [REQUEST]: $answer is its answer.
cri()
{
	local request

	request=$(jq -c . <<< "${2-"{}"}") || return 1
	echo "$1 $request" >&"${CRI[1]}" && read -r -t "$LIMIT" answer <&"${CRI[0]}" || answer='{}'
	! jq -e .error <<< "$answer" > /dev/null ||
		echo "${CHECK-}, $1: $(jq -r .error <<< "$answer")" >&2
}

# json KEY VALUE...: an object of strings.
json()
{
	jq -n --args '[$ARGS.positional | _nwise(2) | {(.[0]): .[1]}] | add' -- "$@"
}

# from FILTER: of the answer.
from()
{
	jq -r "$1" <<< "$answer"
}

check_version()
{
	cri Version
	say runtime "$(from .runtime_name)"
	cri Status
	say conditions "$(from '.status.conditions[] | "\(.type) \(.status)"')"
}

POD_CONFIG='{metadata: {name: "pod", uid: "1", namespace: "tests"}, hostname: "pod",
	log_directory: $logs, linux: {cgroup_parent: "/engines-pod", sysctls: {"kernel.msgmax": "4321"},
	security_context: {namespace_options: {pid: "CONTAINER"}}}}'

need_pod()
{
	[ -z "${pod-}" ] || return 0
	pod_config=$(jq -nc --arg logs "$WORK/logs" "$POD_CONFIG")
	cri RunPodSandbox "$(jq -n --argjson config "$pod_config" --arg runtime "$RUNTIME" \
		'{config: $config, runtime_handler: $runtime}')"
	pod=$(from '.pod_sandbox_id // ""')
}

check_pod()
{
	need_pod
	say id "$(sed -E 's/^[0-9a-f]{64}$/an id/' <<< "$pod")"
	cri PodSandboxStatus "$(json pod_sandbox_id "$pod")"
	say state "$(from .status.state)"
	say network "$(from .status.network.ip | sed -E 's/^10\.99\.0\.[0-9]+$/an address/')"
}

CONTAINER_CONFIG='{metadata: {name: $name}, image: {image: $image}, command: $ARGS.positional,
	working_dir: "/tmp", envs: [{key: "A", value: "b  c"}], log_path: "\($name).log",
	mounts: [{container_path: "/dir", host_path: $dir},
		{container_path: "/fixed", host_path: $dir, readonly: true}],
	linux: {resources: {memory_limit_in_bytes: 134217728, cpu_period: 100000, cpu_quota: 50000},
		security_context: {run_as_user: {value: 1000}, run_as_group: {value: 1001},
			readonly_rootfs: true, no_new_privs: true, namespace_options: {pid: "CONTAINER"},
			capabilities: {drop_capabilities: ["ALL"], add_capabilities: ["NET_RAW"]},
			masked_paths: ["/proc/keys"], readonly_paths: ["/proc/sys"]}}}'

# create NAME COMMAND...: and start it; $container is its id.
create()
{
	local name=$1

	shift
	cri CreateContainer "$(jq -n --arg pod "$pod" --argjson pod_config "$pod_config" \
		--arg image "$IMAGE" --arg dir "$WORK/dir" --arg name "$name" --args \
		"{pod_sandbox_id: \$pod, sandbox_config: \$pod_config, config: $CONTAINER_CONFIG}" \
		-- "$@")"
	container=$(from '.container_id // ""')
	cri StartContainer "$(json container_id "$container")"
}

SERVICE='trap "echo got TERM; exit 7" TERM; reason() { echo "$1: $(sed "s/.*: //")"; }
echo "user: $(id -u):$(id -g)"; echo "cwd: $PWD"; echo "env: $A"; echo "hostname: $(hostname)"
echo "interfaces: $(ls /sys/class/net | xargs)"
grep -E "^(CapBnd|CapEff|NoNewPrivs):" /proc/self/status | tr "\t" " "
touch /file 2>&1 | reason readonly; echo "directory: $(cat /dir/in)"; echo written > /dir/out
touch /fixed/x 2>&1 | reason write_to_it; touch /proc/sys/x 2>&1 | reason readonly_path
echo "masked: $(wc -c < /proc/keys)"; echo problem >&2; echo "started: yes"
while :; do sleep 1000 & wait $!; kill $!; done'

need_main()
{
	need_pod
	[ -z "${main-}" ] || return 0
	create main sh -c "$SERVICE"
	main=$container
	wait_until 60 grep -q started "$WORK/logs/main.log"
}

check_container()
{
	need_main
	say created "$(sed -E 's/^[0-9a-f]{64}$/an id/' <<< "$main")"
	cri ContainerStatus "$(json container_id "$main")"
	say state "$(from .status.state)"
	as_said "$(sed -n 's/^[^ ]* stdout F //p' "$WORK/logs/main.log")"
	say host "$(cat "$WORK/dir/out")"
}

# execute COMMAND...: in the first container; $out, $err and $code are what came of it.
execute()
{
	cri ExecSync "$(jq -n --arg id "$main" --args \
		'{container_id: $id, cmd: $ARGS.positional, timeout: 60}' -- "$@")"
	out=$(from '.stdout // "" | @base64d')
	err=$(from '.stderr // "" | @base64d')
	code=$(from '.exit_code')
}

check_exec()
{
	need_main
	execute sh -c 'id -u; echo err >&2; exit 9'
	say code "$code"
	say out "$out"
	say err "$err"
	execute /nope
	say missing "$(from .error | grep -o 'no such file or directory')"
}

# From the host to the pod, from the pod to the host and, as `kubectl port-forward` comes, by the
# loopback of the pod.
check_network()
{
	local address echo=$WORK/dir/net_echo namespace

	need_main
	cp "$TOP/build/guest/net_echo" "$echo"
	cri PodSandboxStatus "$(json pod_sandbox_id "$pod")"
	address=$(from .status.network.ip)
	namespace=$(find /run/netns -name 'cni-*' -printf '%f\n' | head -n 1)
	"$echo" serve 7800 > /dev/null &
	execute sh -c 'setsid /dir/net_echo serve 7700 > /dev/null 2>&1 < /dev/null & sleep 0.5
		echo "address: $(ip -o -4 address show dev eth0 | awk "{ print \$4 }")"
		ip route | sed "s/  */ /g; s/ $//" | paste -sd ";"'
	say inside "${out//$address/ADDRESS}"
	say host_to_pod "$("$echo" tcp "$address" 7700 stream) $("$echo" udp "$address" 7700 datagram)"
	execute sh -c '/dir/net_echo tcp 10.99.0.1 7801 ""; /dir/net_echo udp 10.99.0.1 7800 datagram'
	say pod_to_host "${out//$address/ADDRESS}"
	say forwarded "$(ip netns exec "$namespace" "$echo" tcp 127.0.0.1 7700 stream)"
	say forwarded_bulk "$(ip netns exec "$namespace" "$echo" bulk 127.0.0.1 7700 300000)"
	say not_listening "$(ip netns exec "$namespace" "$echo" tcp 127.0.0.1 7999 '')"
	kill $!
}

check_stats()
{
	need_main
	cri ContainerStats "$(json container_id "$main")"
	say memory "$(from '.stats.memory.working_set_bytes.value | tonumber > 0')"
	say cpu "$(from '.stats.cpu.usage_core_nano_seconds.value | tonumber > 0')"
}

update_memory()
{
	cri UpdateContainerResources "$(jq -n --arg id "$main" --argjson limit "$1" \
		'{container_id: $id, linux: {memory_limit_in_bytes: $limit}}')"
}

check_update()
{
	need_main
	update_memory 100663296
	say error "$(from '.error // "none"')"
	execute cat /sys/fs/cgroup/memory.max
	say inside "$out"
	update_memory 150994944
	say raised "$(from '.error // "none"')"
	execute cat /sys/fs/cgroup/memory.max
	say raised_inside "$out"
}

check_logs()
{
	need_main
	say err "$(sed -n 's/^[^ ]* stderr F //p' "$WORK/logs/main.log")"
}

check_stop()
{
	need_main
	cri StopContainer "$(jq -n --arg id "$main" '{container_id: $id, timeout: 30}')"
	say error "$(from '.error // "none"')"
	cri ContainerStatus "$(json container_id "$main")"
	say state "$(from '.status | "\(.state) \(.exit_code) \(.reason)"')"
	say_yes logged grep -q 'got TERM' "$WORK/logs/main.log"
	cri RemoveContainer "$(json container_id "$main")"
	say removed "$(from '.error // "yes"')"
	main=
}

check_failures()
{
	need_pod
	create missing /nope
	say missing "$(from .error | grep -o 'no such file or directory')"
	cri ContainerStatus "$(json container_id "$container")"
	say state "$(from '.status | "\(.state) \(.exit_code) \(.reason)"')"
}

check_remove()
{
	need_pod
	cri StopPodSandbox "$(json pod_sandbox_id "$pod")"
	say stopped "$(from '.error // "yes"')"
	cri RemovePodSandbox "$(json pod_sandbox_id "$pod")"
	say removed "$(from '.error // "yes"')"
	cri ListContainers
	say containers "$(from '.containers | length')"
	say_yes no_processes wait_until 30 no_container_processes
	say cgroups "$(find /sys/fs/cgroup -type d -path '*/engines-pod/*')"
	say mounts "$(grep -F "$WORK/state" /proc/self/mountinfo)"
	say state_left "$(ls -A /run/containerd/runc/k8s.io 2> /dev/null)"
	pod=
}
