#!/bin/sh
# Network interfaces that come, go and change under a running target.

# shellcheck disable=SC2016,SC2086,SC2119,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 perl:perl || exit 1
. tests/lib.sh

io() { on_initiator "$B/tests/aoeio" "$@"; }
mac() { on_target cat "/sys/class/net/$1/address"; }
then_stop() { r=$?; stop_target && [ $r = 0 ]; }

# cable N MTU: tN and iN joined; connect N MTU: both of them up, too.
cable() { ip -n "$TNS" link add "t$1" mtu "$2" type veth peer name "i$1" mtu "$2" netns "$INS"; }
connect() {
	cable "$1" "$2" && ip -n "$TNS" link set "t$1" up && ip -n "$INS" link set "i$1" up &&
		until_true 5 carrier "$TNS" "t$1" && until_true 5 carrier "$INS" "i$1"
}
t1() { ip -n "$TNS" link set t1 "$@"; }
i1() { ip -n "$INS" link set i1 "$@"; }

# answers N SECTORS: the target is found on cable N alone, by its NIC's own
# MAC and sector count.
answers() { io -i "i$1" discover >"$TMP/found"; cat "$TMP/found"; [ "$(cat "$TMP/found")" = "e9.0 $(mac "t$1") bufcnt 64 sectors $2 version 1 \"\"" ]; }
soon() { until_true 5 answers "$@"; }
silent() { [ -z "$(io -i "i$1" discover)" ]; }
works() { io -i "i$1" read 140000 40 | cmp - "$TMP/40"; }
sent() { on_target cat "/sys/class/net/$1/statistics/tx_packets"; }

# What the target has said about an interface so far; an event is logged, and
# in a few lines at most.
mentions() { cat "$TMP/out" "$TMP/err" | grep -c "$1"; }
more_mentions() { [ "$(mentions t1)" -gt "$before" ]; }
logged() {
	before=$(mentions t1)
	"$@" || return 1
	until_true 3 more_mentions
	sleep 0.3
	cat "$TMP/out" "$TMP/err"
	n=$(($(mentions t1) - before))
	[ $n -ge 1 ] && [ $n -le 3 ]
}
# advertised COMMAND...: an advertisement comes to i1 after the command.
advertised() {
	listen -i i1 listen 3
	"$@" || return 1
	wait $lpid
	cat "$TMP/heard"
	grep -q "^e9\\.0 $(mac t1) bufcnt 64 sectors ${sectors:-2} " "$TMP/heard"
}
idle() {
	old=$(ticks)
	sleep 1
	new=$(ticks)
	echo "$((new - old)) ticks in a second"
	[ $((new - old)) -lt 2 ]
}
wakes() { sed -n 's/^voluntary_ctxt_switches:[[:space:]]*//p' "/proc/$TPID/status"; }
# flood N SHELF SLOT: config queries by broadcast on i0.
flood() {
	on_initiator perl -e 'use Socket;
		my ($n, $shelf, $slot, $ifindex) = @ARGV;
		socket(S, 17, SOCK_RAW, 0) or die $!;
		my $to = pack "S n l S C C a8", 17, 0x88a2, $ifindex, 0, 0, 6, "\xff" x 6;
		my $frame = pack "a6 H12 n C C n C C N x36", "\xff" x 6, "02aabbccddee", 0x88a2, 0x10, 0, $shelf, $slot, 1, 77;
		for(1 .. $n){ send(S, $frame, 0, $to) or die $!; select undef, undef, undef, 0.002 if $_ % 10 == 0 }
		' "$1" "$2" "$3" "$(on_initiator cat /sys/class/net/i0/ifindex)"
}
# woken N SHELF SLOT: how often a flood wakes the target.
woken() {
	old=$(wakes)
	flood "$@"
	sleep 0.2
	echo $(($(wakes) - old))
}

mknet 9000
# A target over FreeBSD 13.0 sends no larger frames.
most=$(((${SENDMTU:-9000} - 22) / 512))
img=$TMP/disk.img
truncate -s 80M "$img"	# verify works on the first 64 MiB
head -c 20480 /dev/urandom >"$TMP/40"
dd if="$TMP/40" of="$img" bs=512 seek=140000 conv=notrunc status=none
ok "(a second cable, at MTU 1500)" connect 1 1500

# Two interfaces.
ok "a target takes two interfaces" start_target 9 0 t0 t1 "$img"
ok "the first answers with its MAC and sector count" answers 0 "$most"
ok "the second answers with its own" answers 1 2
ok "both serve the disk" eval 'works 0 && works 1'
by_its_own() {
	old=$(sent t0)
	works 1
	[ "$(sent t0)" = "$old" ]
}
ok "replies to requests on the second leave by the second" by_its_own
ok "an advertisement goes out on the second by HUP" advertised kill -HUP "$TPID"
ok "a target with nothing to do uses no CPU" idle

# The kernel's filter.
few() { n=$(woken "$@"); echo "woken $n times"; [ "$n" -le 10 ]; }
many() { n=$(woken "$@"); echo "woken $n times"; [ "$n" -gt 10 ]; }
ok "1000 frames for this target wake it" many 1000 9 0
ok "1000 frames for every target wake it" many 1000 65535 255
ok "1000 frames for another shelf don't wake it" few 1000 8 0
ok "1000 frames for another slot don't wake it" few 1000 9 1

# Down and up, without load.
ok "an interface that goes down is logged" logged t1 down
ok "an interface that is down uses no CPU" idle
ok "the other goes on" works 0
ok "it is advertised when it comes up" advertised t1 up
ok "it is served again" works 1
ok "a lost carrier is logged" logged i1 down
ok "a lost carrier uses no CPU" idle
ok "the other goes on" works 0
ok "it is served when the carrier is back" eval 'i1 up; soon 1 2 && works 1'
ok "an interface that is deleted is logged" logged ip -n "$TNS" link del t1
ok "an interface that is gone uses no CPU" idle
ok "the other goes on" works 0
return_new() { ip -n "$TNS" link add dummy9 type veth peer name dummy8; cable 1 1500 && i1 up; }
ok "(another interface of that name is made)" return_new
ok "it is advertised when it comes up" advertised t1 up
ok "it is served, by its new MAC" eval 'soon 1 2 && works 1'
renamed() { t1 down; ip -n "$TNS" link set t1 name t9 && ip -n "$TNS" link set t9 up; }
ok "an interface that is renamed doesn't end it" eval 'renamed; sleep 0.3; alive && works 0'
back() { ip -n "$TNS" link set t9 down; ip -n "$TNS" link set t9 name t1 && t1 up; }
ok "it is served when it has its name back" eval 'back; soon 1 2 && works 1'
ok "a change of MAC is followed" eval 't1 address 02:aa:bb:cc:00:01; soon 1 2 && works 1'

# MTU.
ok "(the initiator's end at 9000)" i1 mtu 9000
sectors=$most
ok "a larger MTU is advertised with the new sector count" advertised t1 mtu 9000
sectors=2
ok "and in force" eval 'soon 1 $most && works 1'
ok "a smaller MTU is advertised with the new sector count" advertised t1 mtu 1500
ok "and in force" eval 'soon 1 2 && works 1'
ok "a change of MTU is logged" logged t1 mtu 3700
ok "its sector count is 7" eval 'soon 1 7 && works 1'
ok "an MTU too small for a sector doesn't end it" eval 't1 mtu 400; sleep 0.3; alive && works 0'
ok "an MTU above 9216 doesn't either" eval 't1 mtu 20000; sleep 0.3; alive && works 0 && works 1'
ok "it is served at 1500 again" eval 't1 mtu 1500; soon 1 2 && works 1'

# Link messages without end, and more than the kernel keeps for us.
aliases() { n=0; while [ $n -lt "$1" ]; do echo "link set t1 alias name$n"; n=$((n + 1)); done >"$TMP/batch"; ip -n "$TNS" -batch "$TMP/batch"; }
chatter() {
	before=$(mentions .)
	aliases 1000
	sleep 0.3
	cat "$TMP/out" "$TMP/err"
	[ $(($(mentions .) - before)) -le 3 ] && alive && works 0 && works 1
}
ok "1000 link messages without news are harmless and not logged" chatter
overflow() {
	i1 mtu 9000
	kill -STOP "$TPID"
	aliases 1000
	t1 mtu 9000
	kill -CONT "$TPID"
	soon 1 $most && works 0 && works 1
}
ok "news are noticed though the kernel had to drop link messages" overflow
t1 mtu 1500
ok "(back at 1500)" soon 1 2

# The same under load on the other interface: nothing is lost or even late.
load() {
	io -i i0 verify 14 >"$TMP/verify" 2>&1 &
	vpid=$!
	PIDS="$PIDS $vpid"
	sleep 0.5
}
load
ok "under load: down is logged" logged t1 down
ok "under load: up is served" eval 't1 up; soon 1 2 && works 1'
ok "under load: a lost carrier is logged" logged i1 down
ok "under load: a carrier that is back is served" eval 'i1 up; soon 1 2 && works 1'
ok "under load: the larger MTU is in force" eval 't1 mtu 9000; soon 1 $most && works 1'
ok "under load: the smaller MTU is in force" eval 't1 mtu 1500; soon 1 2 && works 1'
ok "under load: deletion is logged" logged ip -n "$TNS" link del t1
ok "under load: a new interface of that name is served" eval 'connect 1 1500; soon 1 2 && works 1'
ok "under load: chatter is harmless" chatter
flap() { n=0; while [ $n -lt 20 ]; do t1 down; t1 up; n=$((n + 1)); done; soon 1 2 && works 1; }
ok "under load: twenty times down and up" flap
verified() { wait $vpid; r=$?; cat "$TMP/verify"; [ $r = 0 ]; }
ok "the load on the other interface had every answer right" verified
own_load() { # the load's own interface is the one that changes
	i1 mtu 9000
	io -i i1 verify 5 >"$TMP/verify" 2>&1 &
	vpid=$!
	PIDS="$PIDS $vpid"
	sleep 0.5
	t1 down; sleep 0.5; t1 up; sleep 0.5
	t1 mtu 9000; sleep 0.5
	t1 down; t1 up; sleep 0.5
	t1 address 02:aa:bb:cc:00:02; t1 address "$1"
	verified && alive
}
ok "a load survives that its own interface goes, comes and grows" own_load "$(mac t1)"
t1 mtu 1500
# Both gone at once, then the process has no interface at all.
none() { ip -n "$TNS" link del t1; ip -n "$TNS" link set t0 down; sleep 0.3; alive && idle && ip -n "$TNS" link set t0 up && soon 0 $most && works 0; }
ok "it waits without CPU when no interface is left, and goes on" none
ok "it ends with 0" stop_target

# More targets, more interfaces.
other() {
	truncate -s 32M "$TMP/other.img"
	ip netns exec "$TNS" "$AOEDE" "$@" "$TMP/other.img" >"$TMP/other.out" 2>"$TMP/other.err" &
	OPID=$!
	PIDS="$PIDS $OPID"
	until_true 5 grep -q '^pid ' "$TMP/other.out"
}
ok "(a target)" start_target 9 0 t0 "$img"
ok "a second target on the same interface" other 9 1 t0
sizes() { [ "$(io size) $(io -n 1 size)" = '163840 65536' ]; }
ok "each has its own disk" sizes
ok "both are discovered" eval 'io discover | grep "^e9\.0 " && io discover | grep "^e9\.1 "'
together() {
	io -n 1 verify 2 >"$TMP/verify" 2>&1 &
	vpid=$!
	PIDS="$PIDS $vpid"
	io verify 2 && verified
}
ok "both stand load at once" together
kill "$OPID"
reap "$OPID"
ok "the end of one leaves the other" eval '[ "$(io size)" = 163840 ]; then_stop'
sixteen() {
	n=1
	while [ $n -lt 16 ]
	do
		cable $n $((1500 + 512 * n)) && ip -n "$TNS" link set t$n up && ip -n "$INS" link set i$n up || return 1
		n=$((n + 1))
	done
	for n in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do carrier "$TNS" t$n || sleep 0.2; done
	start_target 9 0 t0 t1 t2 t3 t4 t5 t6 t7 t8 t9 t10 t11 t12 t13 t14 t15 "$img"
}
all_answer() {
	nic=1
	while [ $nic -lt 16 ]
	do
		answers $nic $((nic + 2 < most ? nic + 2 : most)) && works $nic || return 1
		nic=$((nic + 1))
	done
}
ok "sixteen interfaces at once" sixteen
ok "each of them serves with its own MAC and sector count" all_answer
then_stop
max=$(sed -n 's/^[[:space:]]*#[[:space:]]*define[[:space:]]*MAX_NICS[[:space:]]*//p' tuneup.h)
too_many() {
	# shellcheck disable=SC2046 # a list
	on_target timeout 5 "$AOEDE" 9 0 $(n=0; while [ $n -le "$max" ]; do echo t$n; n=$((n + 1)); done) "$img" >"$TMP/run.out" 2>"$TMP/run.err"
	rc=$?
	cat "$TMP/run.err"
	[ $rc = 1 ] && [ ! -s "$TMP/run.out" ] && [ "$(wc -l <"$TMP/run.err")" = 1 ] && grep -q "$max" "$TMP/run.err" && grep -qi interface "$TMP/run.err"
}
ok "more than MAX_NICS interfaces are refused in one line" too_many

done_testing
