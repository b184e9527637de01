# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# shellcheck disable=SC2016 # what single quotes protect is for the shell inside
# shellcheck disable=SC2154 # out, err and code come from capture
# The checks of networks, for podman and Docker. They share two containers and a machine `outside`
# of the host, which is a network namespace. The engine's file defines, beside what containers.bash
# names,
#   MTU_OPTION    of a network
# All is done with busybox and tests/guest/net_echo.c, which echoes at port 7700 and tells at 7701
# who asks.

NETWORKS=(networks inside published outward large plug between names replug)
# These start further containers.
[ -z "${BULKHEAD_TEST_FULL-}" ] || NETWORKS+=(restarted bridge)
# shellcheck disable=SC2034 # for podman and Docker
NETWORKS+=(unplugged)
ECHO=$TOP/build/guest/net_echo
OUTSIDE=outside-$$

# The host is 192.0.2.1, the machine outside 192.0.2.2; both have a server.
need_outside()
{
	[ -z "${has_outside-}" ] || return 0
	has_outside=yes
	ip netns add "$OUTSIDE" &&
		ip link add wire0 type veth peer name eth0 netns "$OUTSIDE" &&
		ip address add 192.0.2.1/24 dev wire0 &&
		ip address add 2001:db8::1/64 dev wire0 nodad &&
		ip link set wire0 up &&
		ip -n "$OUTSIDE" address add 192.0.2.2/24 dev eth0 &&
		ip -n "$OUTSIDE" address add 2001:db8::2/64 dev eth0 nodad &&
		ip -n "$OUTSIDE" link set eth0 up &&
		ip -n "$OUTSIDE" link set lo up || return 1
	"$ECHO" serve 7800 > /dev/null &
	SERVERS=($!)
	ip netns exec "$OUTSIDE" "$ECHO" serve 7800 > /dev/null &
	SERVERS+=($!)
}

remove_outside()
{
	[ -n "${has_outside-}" ] || return 0
	kill "${SERVERS[@]}"
	wait "${SERVERS[@]}"
	ip link delete wire0
	ip netns delete "$OUTSIDE"
}

links()
{
	ip -o link | awk '{ print $2 }' | sort
}

need_networks()
{
	[ -z "${has_networks-}" ] || return 0
	has_networks=yes
	need_outside
	links_before=$(links)
	capture engine network create --subnet 10.77.1.0/24 --gateway 10.77.1.1 \
		--ipv6 --subnet fd77:1::/64 --gateway fd77:1::1 plain
	codes=$code
	capture engine network create --subnet 10.77.2.0/24 -o "$MTU_OPTION=9000" jumbo
	codes+=" $code"
	capture engine network create --subnet 10.77.3.0/24 -o "$MTU_OPTION=1400" small
	codes+=" $code"
}

# start_on NETWORK NAME FLAG...: a container that serves and lives on.
start_on()
{
	local network=$1 name=$2

	shift 2
	capture limited "${ENGINE[@]}" run --runtime "$RUNTIME" -d --name "$name" --network "$network" \
		-v "$TOP/build/guest:/guest:ro" "$@" "$IMAGE" /guest/net_echo serve 7700
	wait_until 60 is_serving "$name"
}

is_serving()
{
	[ "$(engine logs "$1" 2> /dev/null | tail -n 1)" = serving ]
}

need_server()
{
	[ -z "${has_server-}" ] || return 0
	has_server=yes
	need_networks
	start_on plain server --hostname serves --ip 10.77.1.10 --ip6 fd77:1::10 \
		--mac-address 02:77:01:00:00:10 --add-host elsewhere:10.77.1.200 \
		-p 7710:7700/tcp -p 7710:7700/udp -p 7711:7701/tcp
}

need_client()
{
	[ -z "${has_client-}" ] || return 0
	has_client=yes
	need_networks
	start_on jumbo client --ip 10.77.2.20
}

# in_container NAME SCRIPT ARGUMENT...: its lines "what: result" are results.
in_container()
{
	local name=$1 script=$2

	shift 2
	capture engine exec "$name" sh -c "$HELPERS$script" sh "$@"
	as_said "$out"
	[ "$code" -eq 0 ] || say exec "$code"
}

# For scripts inside. An address of IPv6 takes a moment until it may be used.
HELPERS='
settled() { for i in $(seq 100); do ip -6 address | grep -q tentative || return; sleep 0.1; done; }
addresses() { settled; ip -o address show dev "$1" | awk "{ print \$3, \$4 }" | sort; }
routes() { ip "$1" route | sed "s/  */ /g; s/ $//; /ff00::/d" | sort; }
link() { echo "$(cat "/sys/class/net/$1/address") $(cat "/sys/class/net/$1/mtu")"; }
line() { paste -sd ";" | sed "s/;/; /g"; }
pings() { ping -c 2 -i 0.2 -w 10 "$@" > /tmp/ping 2>&1
	sed -n "s/.*, \(.*packet loss\).*/\1/p" /tmp/ping; }
echo=/guest/net_echo
'

check_networks()
{
	need_networks
	say codes "$codes"
	need_server
	say server "$code"
	need_client
	say client "$code"
}

# What a container sees of its network.
check_inside()
{
	need_server
	in_container server '
		echo "hostname: $(hostname)"
		echo "interfaces: $(ls /sys/class/net | line)"
		echo "link: $(link eth0)"
		echo "addresses: $(addresses eth0 | line)"
		echo "loopback: $(addresses lo | line)"
		echo "routes: $(routes -4 | line)"
		echo "routes6: $(routes -6 | line)"
		echo "hosts: $(grep -E "serves|elsewhere" /etc/hosts | tr "\t" " " | sort | line)"
		echo "self: $($echo tcp 10.77.1.10 7701 "") $($echo tcp 127.0.0.1 7700 own)"
		echo "by_name: $(pings serves)"'
}

# Ports that the host forwards: from the host itself and from outside.
check_published()
{
	need_server
	say tcp "$("$ECHO" tcp 192.0.2.1 7710 stream)"
	say udp "$("$ECHO" udp 192.0.2.1 7710 datagram)"
	say loopback "$("$ECHO" tcp 127.0.0.1 7710 stream)"
	say bulk "$("$ECHO" bulk 192.0.2.1 7710 3000000)"
	say outside_tcp "$(from_outside tcp 192.0.2.1 7710 stream)"
	say outside_udp "$(from_outside udp 192.0.2.1 7710 datagram)"
	say outside_peer "$(from_outside tcp 192.0.2.1 7711 '')"
	say direct "$("$ECHO" tcp 10.77.1.10 7700 stream)"
	say direct6 "$("$ECHO" udp fd77:1::10 7700 datagram)"
	say peer "$("$ECHO" tcp 10.77.1.10 7701 '') $("$ECHO" tcp fd77:1::10 7701 '')"
	say closed "$("$ECHO" tcp 10.77.1.10 7999 '')"
}

from_outside()
{
	ip netns exec "$OUTSIDE" "$ECHO" "$@"
}

# From a container to the host and beyond.
check_outward()
{
	need_client
	in_container client '
		echo "host: $($echo tcp 192.0.2.1 7800 stream) $($echo udp 192.0.2.1 7800 datagram)"
		echo "host_peer: $($echo tcp 192.0.2.1 7801 "") $($echo udp 10.77.2.1 7801 x)"
		echo "outside: $($echo tcp 192.0.2.2 7800 stream) $($echo udp 192.0.2.2 7800 datagram)"
		echo "outside_peer: $($echo tcp 192.0.2.2 7801 "")"
		echo "bulk: $($echo bulk 192.0.2.2 7800 3000000)"
		echo "ping: $(pings 192.0.2.2)"
		echo "route: $(traceroute -n -q 1 -w 5 192.0.2.2 2> /dev/null |
			awk "NR > 1 { print \$2 }" | line)"
		echo "refused: $($echo tcp 192.0.2.2 7999 "") $($echo udp 192.0.2.2 7999 x)"'
}

# A payload of UDP has 28 bytes of headers before it.
check_large()
{
	need_client
	in_container client '
		echo "link: $(cat /sys/class/net/eth0/mtu)"
		echo "sizes: $($echo sizes 10.77.2.1 7800 1472 1473 8972 8973)"
		echo "fragments: $(pings -s 20000 10.77.2.1)"'
}

# --- while they run -------------------------------------------------------------------------------

# interface_of NAME ADDRESS: waits until the container has it, and says its interface's name
interface_of()
{
	capture engine exec "$1" sh -c 'for i in $(seq 200); do
		ip -o address | awk -v wanted="$1" "index(\$4, wanted \"/\") == 1 { print \$2; found = 1 }
			END { exit !found }" && exit
		sleep 0.1
	done' sh "$2"
	echo "$out"
}

# lacks INTERFACE: waits until a container no longer has it
lacks()
{
	engine exec "$1" sh -c 'for i in $(seq 200); do
		[ -e "/sys/class/net/$1" ] || exit 0
		sleep 0.1
	done
	exit 1' sh "$2"
}

check_plug()
{
	need_server
	need_client
	say_yes apart engine exec client sh -c '! ping -c 1 -W 2 10.77.1.10'
	capture engine network connect --ip 10.77.1.20 --ip6 fd77:1::20 --alias other plain client
	say code "$code"
	say interface "$(interface_of client 10.77.1.20)"
	in_container client 'settled
		echo "interfaces: $(ls /sys/class/net | line)"
		echo "routes: $(routes -4 | line)"
		echo "mtus: $(cat /sys/class/net/eth0/mtu /sys/class/net/eth1/mtu | line)"
		echo "first: $($echo tcp 192.0.2.2 7800 stream)"'
}

# Two containers of one network, by its bridge: one is in it since `plug`.
check_between()
{
	need_server
	in_container client '
		echo "tcp: $($echo tcp 10.77.1.10 7700 stream) $($echo tcp fd77:1::10 7700 stream)"
		echo "udp: $($echo udp 10.77.1.10 7700 datagram) $($echo udp fd77:1::10 7700 datagram)"
		echo "peer: $($echo tcp 10.77.1.10 7701 "") $($echo udp fd77:1::10 7701 x)"
		echo "bulk: $($echo bulk 10.77.1.10 7700 3000000)"
		echo "ping: $(pings 10.77.1.10) $(pings fd77:1::10)"
		echo "sizes: $($echo sizes 10.77.1.10 7700 1472 1473)"
		echo "neighbour: $(grep "^10.77.1.10 " /proc/net/arp | grep -o 02:77:01:00:00:10)"
		(echo page > /tmp/index.html; httpd -p 8080 -h /tmp; nc -l -p 8081 -e cat) &
		sleep 0.5; echo "httpd: ready"'
	in_container server '
		request="GET / HTTP/1.0\r\n\r\n"
		echo "http: $(printf "$request" | nc -w 10 10.77.1.20 8080 | tail -n 1)"
		echo "nc: $(echo through nc | nc -w 10 10.77.1.20 8081)"'
}

# The same name is free for another network.
check_replug()
{
	capture engine network disconnect plain client
	say code "$code"
	say_yes gone lacks client eth1
	capture engine network connect --ip 10.77.3.20 small client
	say connected "$code"
	say interface "$(interface_of client 10.77.3.20)"
	in_container client '
		echo "routes: $(routes -4 | line)"
		echo "sizes: $($echo sizes 10.77.3.1 7800 1372 1373)"
		echo "first: $($echo sizes 10.77.2.1 7800 8972)"'
}

# They have the same addresses when they begin anew, and published ports.
check_restarted()
{
	need_server
	need_client
	capture engine restart -t 1 server client
	say code "$code"
	say_yes serves wait_until 60 answers 192.0.2.1 7710
	in_container server '
		echo "addresses: $(addresses eth0 | line)"
		echo "routes: $(routes -4 | line)"
		echo "link: $(link eth0)"'
	in_container client 'for i in eth0 eth1; do
			echo "client_$i: $(addresses "$i" | grep -v fe80 | line)"
		done
		echo "client_routes: $(routes -4 | line)"'
	say outside "$(from_outside tcp 192.0.2.1 7710 stream) $(from_outside udp 192.0.2.1 7710 x)"
}

answers()
{
	[ "$("$ECHO" tcp "$1" "$2" ready)" = ready ]
}

# Nothing is left on the host.
check_unplugged()
{
	need_networks
	capture engine rm -f server client
	say code "$code"
	say closed "$("$ECHO" tcp 192.0.2.1 7710 '')"
	capture engine network rm plain jumbo small
	say networks "$code"
	say links "$(comm -13 <(echo "$links_before") <(links))"
	say_yes no_processes wait_until 30 no_container_processes
}
