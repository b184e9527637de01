# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Network namespaces as engines make them, for tests that `load helpers` first.

GUEST=$TOP/build/guest

# The container's namespace `box`, whose eth0 is a port of the bridge in the namespace `peer`.
# 10.88.0.1 is the bridge, 10.88.0.2 the container.
prepare()
{
	BOX=box-$$-$BATS_TEST_NUMBER
	PEER=peer-$$-$BATS_TEST_NUMBER
	RUNNING=()
	ip netns add "$BOX"
	ip netns add "$PEER"
	in_peer ip link set lo up
	in_box ip link set lo up
	in_peer ip link add bridge0 type bridge
	in_peer ip link set bridge0 mtu 1400 up
	in_peer ip address add 10.88.0.1/24 dev bridge0
	in_peer ip address add fd88::1/64 dev bridge0 nodad
	plug eth0 10.88.0.2/24 fd88::2/64
	in_box ip route add default via 10.88.0.1
	in_box ip route add 10.89.0.0/16 via 10.88.0.1 metric 7
	in_box ip -6 route add default via fd88::1
	in_box ip neighbour add 10.88.0.77 lladdr 02:88:00:00:00:77 dev eth0 nud permanent
	ip netns exec "$PEER" "$GUEST/net_echo" serve 7800 > /dev/null 2>&1 3>&- &
	RUNNING+=($!)
}

in_box()
{
	ip netns exec "$BOX" "$@"
}

in_peer()
{
	ip netns exec "$PEER" "$@"
}

# plug NAME ADDRESS...: another interface of the container's, and a port of the bridge.
plug()
{
	local name=$1 address

	shift
	in_peer ip link add "to-$name" mtu 1400 type veth peer name "$name" netns "$BOX"
	in_peer ip link set "to-$name" master bridge0 up
	in_box ip link set "$name" mtu 1400
	for address; do
		case $address in
		*:*) in_box ip address add "$address" dev "$name" nodad ;;
		*) in_box ip address add "$address" dev "$name" ;;
		esac
	done
	in_box ip link set "$name" up
}

# For configuration: the container is in the namespace `box`, and has the tests' programs in /guest.
in_namespace()
{
	cat << END
.linux.namespaces |= map(if .type == "network" then .path = "/run/netns/$BOX" else . end) |
	.process.capabilities |= with_entries(.value += ["CAP_NET_RAW"]) |
	.mounts += [{destination: "/tmp", type: "tmpfs", source: "tmpfs"},
		{destination: "/guest", type: "bind", source: "$GUEST", options: ["rbind", "ro"]}]
END
}

# What was made goes, once no container is left.
remove_network()
{
	[ -n "${BOX-}" ] || return 0
	[ ${#RUNNING[@]} -eq 0 ] || kill "${RUNNING[@]}" 2> /dev/null || :
	if [ -e "/run/netns/$BOX" ]; then
		ip netns delete "$BOX"
	fi
	ip netns delete "$PEER"
}
