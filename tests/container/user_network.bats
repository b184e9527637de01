#!/usr/bin/env bats
# SPDX-License-Identifier: Apache-2.0
# A network without an engine: pasta in front of the host's own connections.
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
load helpers

# The world, behind the host's default route: a namespace with a web server.
setup()
{
	# shellcheck disable=SC2034 # for helpers.bash
	STATE=$BATS_TEST_TMPDIR/state
	# shellcheck disable=SC2034 # for helpers.bash
	ROOTFS=$BATS_FILE_TMPDIR/base/rootfs
	ip netns add world
	ip link add out type veth peer name in netns world
	ip addr add 192.0.2.2/24 dev out
	ip link set out up
	ip route add default via 192.0.2.1
	ip -n world addr add 192.0.2.1/24 dev in
	ip -n world link set in up
	ip -n world link set lo up
	mkdir -p "$BATS_TEST_TMPDIR/www"
	echo of the world > "$BATS_TEST_TMPDIR/www/index.html"
	ip netns exec world busybox httpd -p 192.0.2.1:80 -h "$BATS_TEST_TMPDIR/www"
}

teardown()
{
	delete_all
	ip netns pids world | xargs -r kill
	ip netns del world
	ip link del out 2> /dev/null || true # it goes with its peer
	nothing_is_left
	no_call_was_refused
	run ! pgrep -x pasta
	run ! pgrep -x pasta.avx2
}

@test "a container reaches the world, and is reached at its published ports" {
	bundle box '.mounts += [{destination: "/guest", type: "bind", source: "'"$TOP"'/build/guest",
		options: ["bind", "ro"]}]' sh -c 'mkdir /dev/shm/www && echo of the box > /dev/shm/www/index.html &&
		httpd -p 80 -h /dev/shm/www && wget -q -O - http://192.0.2.1/ &&
		/guest/net_echo serve 5353'
	bulkhead run --detach --network user --publish 8080:80 -p 192.0.2.2:5300:5353/udp \
		--bundle "$BATS_TEST_TMPDIR/box" box < /dev/null > "$BATS_TEST_TMPDIR/out"
	wait_until 30 grep -q 'of the world' "$BATS_TEST_TMPDIR/out"
	# By the host's loopback, which is the container's there, and by its address.
	[ "$(busybox wget -q -O - http://127.0.0.1:8080/)" = "of the box" ]
	[ "$(busybox wget -q -O - http://192.0.2.2:8080/)" = "of the box" ]
	[ "$(ip netns exec world busybox wget -q -O - http://192.0.2.2:8080/)" = "of the box" ]
	[ "$(ip netns exec world "$TOP/build/guest/net_echo" udp 192.0.2.2 5300 datagram)" = datagram ]
	# What belongs to the container ends with it, whoever is killed.
	kill -KILL "$(bulkhead state box | jq .pid)"
	wait_until 10 is_status box stopped
	run ! pgrep -x 'pasta|pasta.avx2'
}

@test "the host's own services are out of reach" {
	busybox httpd -p 127.0.0.1:8099 -h "$BATS_TEST_TMPDIR/www"
	bundle box . sh -c 'for host in 127.0.0.1 192.0.2.2 192.0.2.1; do
		timeout 10 wget -q -O - http://$host:8099/ && echo "reached $host"; done; true'
	run -0 bulkhead run --network user --bundle "$BATS_TEST_TMPDIR/box" box
	pkill -f 'httpd -p 127.0.0.1:8099'
	[[ $output != *reached* ]] || { echo "$output"; false; }
}

@test "a port that is taken and options that do not fit are told, and leave nothing" {
	busybox httpd -p 8081 -h "$BATS_TEST_TMPDIR/www"
	bundle box . true
	run -1 bulkhead run --network user -p 8081:80 --bundle "$BATS_TEST_TMPDIR/box" box
	pkill -f "httpd -p 8081"
	[[ $output == *'--network user: /usr/bin/pasta failed: '*8081* ]] || { echo "$output"; false; }
	run -1 bulkhead run -p 80 --bundle "$BATS_TEST_TMPDIR/box" box
	[[ $output == *'--publish needs --network user'* ]] || { echo "$output"; false; }
	run -1 bulkhead run --network bridge --bundle "$BATS_TEST_TMPDIR/box" box
	[[ $output == *"--network 'bridge' is neither"* ]] || { echo "$output"; false; }
	bundle joined '(.linux.namespaces[] | select(.type == "network")).path = "/run/netns/world"' true
	run -1 bulkhead run --network user --bundle "$BATS_TEST_TMPDIR/joined" joined
	[[ $output == *'linux.namespaces'* ]] || { echo "$output"; false; }
}
