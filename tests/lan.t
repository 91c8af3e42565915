#!/bin/sh
# The network around a target: whoever can find it, is told of it or shall
# not be where it is, and interfaces that are not what they seem.

# shellcheck disable=SC2016,SC2034,SC2086,SC2119,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 nmap:nmap tcpdump:tcpdump perl:perl || exit 1
. tests/lib.sh

mknet 1500
img=$TMP/disk.img
truncate -s 64M "$img"
head -c 20480 /dev/urandom >"$TMP/40"
tmac=$(on_target cat /sys/class/net/t0/address)
imac=$(on_initiator cat /sys/class/net/i0/address)
io() { on_initiator "$B/tests/aoeio" "$@"; }
soon() { until_true 5 "$@"; }
serves() { [ "$(io -t 500 "$@" size)" = 131072 ]; }
then_stop() { r=$?; stop_target && [ $r = 0 ]; }
said() { cat "$TMP/out" "$TMP/err" | grep -c "$1"; }
says() { n=$(said "$2"); echo "'$2': $n times"; cat "$TMP/out" "$TMP/err"; [ "$n" = "$1" ]; }
other() { # another target, on the initiator's host
	truncate -s 64M "$TMP/other.img"
	# Not left to the background process, lest what the last one said be taken for this one's.
	: >"$TMP/other.out"
	ip netns exec "$INS" "$AOEDE" "$@" i0 "$TMP/other.img" >"$TMP/other.out" 2>"$TMP/other.err" &
	OPID=$!
	PIDS="$PIDS $OPID"
	until_true 10 grep -q '^pid ' "$TMP/other.out"
}
end_other() { kill "$OPID"; reap "$OPID"; }

# Found.
ok "(a target)" start_target 9 0 t0 "$img"
ip -n "$INS" addr add 192.0.2.1/24 dev i0	# nmap wants one
found() { on_initiator timeout 60 nmap --script broadcast-ataoe-discover --script-args newtargets -e i0 >"$TMP/nmap" 2>&1; cat "$TMP/nmap"; grep -q 'Major: 9; Minor: 0' "$TMP/nmap"; }
ok "nmap finds it, whose question ends after its header" found
adverts() { # in 11 s
	on_initiator timeout 11 tcpdump -n -i i0 -w "$TMP/adverts" 'ether proto 0x88a2 and ether[14] & 8 != 0 and ether broadcast' 2>/dev/null
	on_initiator tcpdump -n -r "$TMP/adverts" 2>/dev/null | wc -l
}
again() { n=$(adverts); echo "$n advertisements"; [ "$n" -ge 1 ] && [ "$n" -le 2 ]; }
ok "it is advertised again within ten seconds" again

# First frames.
ok "the first frame of an initiator is a line" says 1 "^t0: initiator $imac\$"
ok "the next is none" eval 'serves; says 1 "^t0: initiator $imac\$"'
strangers() { # of 30 made-up addresses
	on_initiator perl -e 'use Socket;
		socket(S, 17, SOCK_RAW, 0) or die $!;
		my $to = pack "S n l S C C a8", 17, 0x88a2, $ARGV[0], 0, 0, 6, "\xff" x 6;
		for(1 .. 30){ send(S, pack("a6 H12 n C C n C C N x36", "\xff" x 6, sprintf("02aabbcc00%02x", $_), 0x88a2, 0x10, 0, 9, 0, 1, 77), 0, $to) or die $! }
		' "$(on_initiator cat /sys/class/net/i0/ifindex)"
	sleep 0.5
}
few() { n=$(said "$1"); echo "$n lines"; [ "$n" -ge 9 ] && [ "$n" -le 11 ]; }
ok "of many that come at once ten are" eval 'strangers; few "^t0: initiator"'
ok "(stop)" stop_target
ok "(a target with a mask list)" start_target -m "$imac" 9 0 t0 "$img"
ok "an initiator that is refused is a line, and of many ten" eval 'strangers; few "initiator 02:aa.* refused: it is not on the mask list"'
ok "and all are counted" eval 'kill -HUP $TPID; soon grep "frames refused by the mask list 30," "$TMP/out"'
ok "(stop)" stop_target
ok "(a reserved target)" eval 'start_target 9 0 t0 "$img" && io reserve force 02:aa:bb:cc:00:01'
ok "whom the reservation refuses is a line" eval 'io read 0 1 >/dev/null; io read 0 1 >/dev/null; says 1 "initiator $imac refused: the target is reserved for others"'
ok "(stop)" stop_target

# Served twice.
ok "(another target of its address is there)" other 9 0
ok "(a target)" start_target 9 0 t0 "$img"
twice="t0: e9.0 is served by $imac, too"
ok "it says so, in one line" eval 'sleep 1; says 1 "$twice"'
ok "and no more within a minute" eval 'kill -HUP $OPID; sleep 0.3; kill -HUP $OPID; sleep 0.5; says 1 "$twice"'
ok "the other, which hears the advertisement, too" eval 'cat "$TMP/other.err"; [ "$(grep -c "i0: e9.0 is served by $tmac, too" "$TMP/other.err")" = 1 ]'
ok "(the other ends)" end_other
ok "(stop)" stop_target
ok "(a target)" start_target 9 0 t0 "$img"
ok "(another that comes later)" other 9 0
ok "is heard" soon says 1 "$twice"
end_other; stop_target
ok "(targets of other slots and shelves)" eval 'start_target 9 0 t0 "$img" && other 9 1 && end_other && other 8 0; end_other'
ok "are not spoken of" says 0 'is served by'
stop_target
ok "(a target)" start_target 9 0 t0 "$img"
beside() { # beside SLOT: another target of this host, on the same interface
	: >"$TMP/beside.out"
	ip netns exec "$TNS" "$AOEDE" 9 "$1" t0 "$TMP/other.img" >"$TMP/beside.out" 2>&1 &
	OPID=$!
	PIDS="$PIDS $OPID"
	until_true 10 grep -q '^pid ' "$TMP/beside.out"
	end_other
	cat "$TMP/beside.out"
	grep -q 't0: e9.0 is served by another aoede of this host, too' "$TMP/beside.out"
}
ok "one of this host, which is not heard, is known when it starts" beside 0
ok "one of another slot is none" fails beside 1
stop_target
ok "nor is one that has ended" fails beside 0
ok "(a second interface on the same network)" eval 'ip -n "$TNS" link add t9 link t0 type macvlan mode bridge && ip -n "$TNS" link set t9 up && carrier "$TNS" t9'
ok "one's own interfaces are none of others" eval 'start_target 9 0 t0 t9 "$img" && sleep 0.5 && says 0 "is served by"; then_stop'
ip -n "$TNS" link del t9

# A port of a bridge.
ok "(t0 is a port of a bridge)" eval 'ip -n "$TNS" link add br7 type bridge && ip -n "$TNS" link set t0 master br7 && ip -n "$TNS" link set br7 up'
ok "a port of a bridge is said at the start, with the bridge" eval 'start_target 9 0 t0 "$img" && says 1 "^aoede: t0: a port of the bridge br7, .* br7 instead"'
ok "once" eval 'ip -n "$TNS" link set t0 mtu 1400; sleep 0.5; says 1 "a port of the bridge"'
ok "it serves when the port is one no more" eval 'ip -n "$TNS" link set t0 nomaster mtu 1500; soon serves'
ok "and it is said when it becomes one again" eval 'ip -n "$TNS" link set t0 master br7; soon says 2 "a port of the bridge br7"'
ok "the bridge serves" eval 'stop_target; start_target 9 0 br7 "$img" && soon serves; then_stop'
ip -n "$TNS" link set t0 nomaster
ip -n "$TNS" link del br7

# Names.
long=enp0s31f6-with-a-name-of-more-than-15-characters
ok "(t0 has a long alternative name)" ip -n "$TNS" link property add dev t0 altname "$long"
ok "an interface is known by it" eval 'start_target 9 0 "$long" "$img" && serves && grep "^$long: $tmac, MTU 1500, 2 sectors" "$TMP/out"'
lose() { ip -n "$TNS" link del t0; sleep 0.3; ip -n "$TNS" link add t0 mtu 1500 type veth peer name i0 mtu 1500 netns "$INS" && ip -n "$TNS" link property add dev t0 altname "$long" && ip -n "$TNS" link set t0 up && ip -n "$INS" link set i0 up; }
ok "also when it has gone and come back" eval 'lose && soon serves; then_stop'
unknown() { on_target timeout 5 "$AOEDE" 9 0 "$long-not" "$img" >"$TMP/run.out" 2>"$TMP/run.err"; [ $? = 1 ] && cat "$TMP/run.err" && grep -q "^aoede: $long-not: .*expected a network interface" "$TMP/run.err"; }
ok "one that isn't there is refused by name" unknown
twice() { on_target timeout 5 "$AOEDE" 9 0 t0 "$long" "$img" >"$TMP/run.out" 2>"$TMP/run.err"; [ $? = 1 ] && cat "$TMP/run.err" && grep -q "^aoede: interface $long: expected each interface once" "$TMP/run.err"; }
ok "so is one that is named by both of its names" twice

done_testing
