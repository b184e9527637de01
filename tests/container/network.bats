#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A container in a network namespace that somebody else made, as engines make them.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers
load network_namespaces

teardown()
{
	delete_all
	nothing_is_left
	# The engine's interfaces are as they were, and there is none of ours.
	if [ -n "${BOX-}" ] && [ -e "/run/netns/$BOX" ]; then
		[ -z "$(in_box ip -o link | awk '!/ (lo|eth[0-9])[:@]/')" ] || in_box ip link
		[ -z "$(in_box tc filter show dev eth0 ingress 2> /dev/null)" ]
	fi
	remove_network
	no_call_was_refused
}

# create_box NAME [FILTER]: a container that only lives. $BATS_TEST_TMPDIR/NAME.log is its log.
create_box()
{
	bundle "$1" "$(in_namespace) | ${2-.}" sh -c 'trap exit TERM; while :; do sleep 1; done'
	bulkhead --log "$BATS_TEST_TMPDIR/$1.log" create --bundle "$BATS_TEST_TMPDIR/$1" "$1" \
		> "$BATS_TEST_TMPDIR/$1.out" 2>&1 < /dev/null 3>&- ||
		{ cat "$BATS_TEST_TMPDIR/$1.out" "$BATS_TEST_TMPDIR/$1.log"; return 1; }
}

start_box()
{
	create_box "$1" || return 1
	bulkhead start "$1"
}

# inside NAME SCRIPT: its output is $output.
inside()
{
	run bulkhead exec "$1" sh -c "$HELPERS$2" < /dev/null
	# shellcheck disable=SC2154 # set by run
	[ "$status" -eq 0 ] || { echo "exit code $status: $output"; return 1; }
}

HELPERS='
addresses() { ip -o address show dev "$1" | awk "!/fe80/{ print \$4 }" | sort | xargs; }
routes() { ip "$1" route | sed "s/  */ /g; s/ $//; /fe80/d; /ff00/d" | sort; }
# until_true SCRIPT: within 20 s
until_true() { for i in $(seq 200); do ! eval "$1" || return 0; sleep 0.1; done
	echo "not: $1"; exit 1; }
echo=/guest/net_echo spoof=/guest/net_spoof
'

# peer_watches SECONDS: what comes to the bridge is told by peer_has_seen.
peer_watches()
{
	in_peer "$GUEST/net_spoof" watch bridge0 "$1" > "$BATS_TEST_TMPDIR/seen" \
		2> "$BATS_TEST_TMPDIR/watching" 3>&- &
	WATCHER=$!
	wait_until 10 grep -q watching "$BATS_TEST_TMPDIR/watching"
}

peer_has_seen()
{
	wait "$WATCHER"
	[ "$(xargs < "$BATS_TEST_TMPDIR/seen")" = "$1" ] ||
		{ echo "the peer has seen: $(xargs < "$BATS_TEST_TMPDIR/seen")"; return 1; }
}

@test "a container has the interfaces of its network namespace, whatever becomes of them" {
	prepare
	start_box box

	inside box 'echo "mac: $(cat /sys/class/net/eth0/address)"
		echo "mtu: $(cat /sys/class/net/eth0/mtu)"
		echo "addresses: $(addresses eth0)"
		routes -4; routes -6
		ip neigh show dev eth0 | grep "10.88.0.77 .*02:88:00:00:00:77.*PERMANENT"
		echo "tcp: $($echo tcp 10.88.0.1 7801 "") $($echo tcp fd88::1 7801 "")"
		echo "udp: $($echo udp 10.88.0.1 7800 datagram) $($echo udp fd88::1 7800 datagram)"
		echo "bulk: $($echo bulk 10.88.0.1 7800 1000000)"
		echo "sizes: $($echo sizes 10.88.0.1 7800 1372 1373)"
		ping -c 1 -w 10 10.88.0.1 > /dev/null && echo "ping: yes"
		(setsid $echo serve 7700 > /dev/null 2>&1 < /dev/null &)'
	has_line "mac: $(in_box cat /sys/class/net/eth0/address)"
	has_line 'mtu: 1400'
	has_line 'addresses: 10.88.0.2/24 fd88::2/64'
	has_line 'default via 10.88.0.1 dev eth0'
	has_line '10.89.0.0/16 via 10.88.0.1 dev eth0 metric 7'
	has_text 'default via fd88::1 dev eth0'
	has_text '10.88.0.77'
	has_line 'tcp: 10.88.0.2 fd88::2'
	has_line 'udp: datagram datagram'
	has_line 'bulk: 1000000 of 1000000 bytes'
	has_line 'sizes: 1372: echoed, 1373: EMSGSIZE'
	has_line 'ping: yes'

	# From outside, and by the namespace's loopback.
	wait_until 20 peer_hears 10.88.0.2 7700
	[ "$(in_peer "$GUEST/net_echo" udp fd88::2 7700 datagram)" = datagram ]
	[ "$(in_box "$GUEST/net_echo" tcp 127.0.0.1 7700 forwarded)" = forwarded ]
	[ "$(in_box "$GUEST/net_echo" tcp 127.0.0.1 7999 nobody)" != nobody ]

	# Another interface, and changes of both.
	plug eth1 10.88.0.3/24
	in_box ip address add 10.88.0.4/24 dev eth0
	in_box ip route add 10.90.0.0/16 dev eth1
	in_box ip link set eth1 mtu 1300
	inside box 'until_true "[ \"\$(addresses eth1)\" = 10.88.0.3/24 ]"
		until_true "addresses eth0 | grep -q 10.88.0.4/24"
		until_true "routes -4 | grep -q \"^10.90.0.0/16 dev eth1\""
		until_true "[ \"\$(cat /sys/class/net/eth1/mtu)\" = 1300 ]"'
	[ -z "$output" ]
	in_box ip address delete 10.88.0.4/24 dev eth0
	in_peer ip link delete to-eth1
	inside box 'until_true "[ ! -e /sys/class/net/eth1 ]"
		until_true "! addresses eth0 | grep -q 10.88.0.4/24"
		until_true "! routes -4 | grep -q ^10.90"
		echo "$($echo tcp 10.88.0.1 7800 still)"'
	[ "$output" = still ]

	# A handful of times, under the same name.
	for _ in 1 2 3 4 5; do
		plug eth2 10.88.0.5/24
		in_peer ip link delete to-eth2
	done
	plug eth2 10.88.0.6/24
	inside box 'until_true "[ \"\$(addresses eth2)\" = 10.88.0.6/24 ]"'
	[ -z "$output" ]
	[ "$(in_box ip -o link show type tun | wc -l)" -eq 2 ]

	# The namespace's name is not the namespace.
	rm_name "$BOX"
	inside box 'echo "$($echo tcp 10.88.0.1 7800 nameless)"'
	[ "$output" = nameless ]
	# No interface at all: the container lives on.
	in_peer ip link delete to-eth0
	in_peer ip link delete to-eth2
	inside box 'until_true "[ \"\$(ls /sys/class/net | xargs)\" = lo ]"'
	[ -z "$output" ]
	bulkhead delete --force box
}

peer_hears()
{
	[ "$(in_peer "$GUEST/net_echo" tcp "$1" "$2" heard)" = heard ]
}

rm_name()
{
	umount "/run/netns/$1" && rm "/run/netns/$1"
}

@test "a container speaks only for itself, and hears only what is meant for it" {
	prepare
	start_box box

	peer_watches 30
	inside box '$spoof send eth0 10.88.0.2 mac ip ip6 arp arp_mac vlan elsewhere last'
	peer_has_seen 'last elsewhere'

	# The bridge floods what it has no port for; so do others with broken switches.
	inside box '(setsid $spoof watch eth0 30 > /tmp/seen 2> /tmp/watching < /dev/null &)
		until_true "grep -q watching /tmp/watching"'
	in_peer "$GUEST/net_spoof" send bridge0 10.88.0.1 elsewhere last
	inside box 'until_true "[ -s /tmp/seen ]"; cat /tmp/seen'
	[ "$output" = last ]

	# More than it, or its peer, can take; one that stands still, too.
	in_peer timeout 60 "$GUEST/net_spoof" flood bridge0 2
	inside box '$spoof flood eth0 2 && ping -c 3 -w 30 10.88.0.1 > /dev/null && echo alive'
	has_line alive
	bulkhead pause box
	in_peer timeout 60 "$GUEST/net_spoof" flood bridge0 2
	bulkhead resume box
	inside box 'ping -c 3 -w 30 10.88.0.1 > /dev/null && $echo tcp 10.88.0.1 7800 alive'
	[ "$output" = alive ]

	# Without its tap the interface is only the engine's.
	in_box ip link delete "$(in_box ip -o link show type tun | awk -F ': ' '{ print $2; exit }')"
	inside box 'echo "lives on"'
	[ "$output" = 'lives on' ]
}

# end_network_process: of the one container that is there, or is being made; with kill -9.
end_network_process()
{
	local pid

	pid=$(pgrep --exact network) && kill -KILL "$pid"
}

is_gone()
{
	[ ! -e "/proc/$1" ]
}

@test "an allow-list holds for a container, and the log tells what it denied" {
	prepare
	export BULKHEAD_CONFIG=$BATS_TEST_TMPDIR/admin.json
	echo '{"annotations": ["bulkhead.network.allow"]}' > "$BULKHEAD_CONFIG"
	create_box box '.annotations["bulkhead.network.allow"] = "udp:10.88.0.1:7800"'
	bulkhead start box
	inside box 'echo "udp: $($echo udp 10.88.0.1 7800 allowed)"
		echo "tcp: $($echo tcp 10.88.0.1 7800 denied)"
		(setsid $echo serve 7700 > /dev/null 2>&1 < /dev/null &)'
	has_line 'udp: allowed'
	[[ $output != *'tcp: denied'* ]] || { echo "$output"; false; }
	has_text 'eth0: denied TCP to 10.88.0.1:7800 (allow-list)' "$(< "$BATS_TEST_TMPDIR/box.log")"
	# Who comes from outside is answered.
	wait_until 20 peer_hears 10.88.0.2 7700
}

@test "kill -9 of the network process: the container lives on, and its network as it was" {
	local process creator status=0

	prepare
	start_box box
	process=$(child_of box network)
	kill -KILL "$process"
	wait_until 20 is_gone "$process"
	wait_until 20 grep -q 'network process is gone' "$BATS_TEST_TMPDIR/box.log"
	in_box ip address add 10.88.0.4/24 dev eth0
	inside box 'echo "$(addresses eth0) $($echo tcp 10.88.0.1 7800 as-it-was)"'
	[ "$output" = "10.88.0.2/24 fd88::2/64 as-it-was" ]
	[ "$(wc -l < "$BATS_TEST_TMPDIR/box.log")" -eq 1 ] ||
		{ cat "$BATS_TEST_TMPDIR/box.log"; return 1; }
	bulkhead kill box TERM
	wait_until 20 is_status box stopped
	bulkhead delete box
	nothing_is_left

	# What it has left at the interface keeps nobody from it. This one loses its own at once.
	create_box next &
	creator=$!
	wait_until 60 end_network_process
	wait $creator || status=$?
	[ "$status" -eq 0 ] || { cat "$BATS_TEST_TMPDIR/next.out"; return 1; }
	run -1 bulkhead start next
	has_text 'the network process has ended before it set up the container'
	has_text 'network process is gone' "$(< "$BATS_TEST_TMPDIR/next.log")"
	is_status next created
	bulkhead delete --force next
	nothing_is_left

	start_box last
	inside last 'echo "$($echo tcp 10.88.0.1 7800 again)"'
	[ "$output" = again ]
}

@test "a network namespace of its own is empty, and the host's is not for containers" {
	prepare
	container alone '.' sh -c 'ls /sys/class/net; ip route' > "$BATS_TEST_TMPDIR/out"
	[ "$(< "$BATS_TEST_TMPDIR/out")" = lo ]
	refuses_host='.linux.namespaces |= map(select(.type != "network"))'
	bundle host "$refuses_host" true
	run -1 run_bundle host
	is_one_line_with linux.namespaces "$output"
	bundle named '.linux.namespaces |= map(if .type == "network" then
		.path = "/proc/1/ns/net" else . end)' true
	run -1 run_bundle named
	is_one_line_with linux.namespaces "$output"
	bundle missing '.linux.namespaces |= map(if .type == "network" then
		.path = "/run/netns/nobody" else . end)' true
	run -1 run_bundle missing
	is_one_line_with linux.namespaces "$output"
}
