#!/bin/sh
# Faults of the system and of the network, with verified traffic through them.

# shellcheck disable=SC2016,SC2034,SC2086,SC2119,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 strace:strace perl:perl losetup:mount || exit 1
. tests/lib.sh

# The ordinary build: a sanitizer's own memory can't be refused.
make -s B=obj obj/strict/aoede obj/threads/aoede obj/norings/aoede obj/strict/tests/faultinject obj/aio/tests/faultinject obj/threads/tests/faultinject obj/tests/slowdisk >"$TMP/make.out" 2>&1 || { cat "$TMP/make.out"; exit 1; }
bin=$AOEDE
mknet 1500
img=$TMP/disk.img
truncate -s 64M "$img"
io() { on_initiator "$B/tests/aoeio" "$@"; }
then_stop() { r=$?; stop_target && [ $r = 0 ]; }
other() { # other VARIANT[/PROGRAM] ARGUMENTS...
	case $1 in */*) AOEDE=obj/$1 ;; *) AOEDE=obj/$1/aoede ;; esac
	shift
	start_target "$@"
	r=$?
	AOEDE=$bin
	return $r
}

# failing INJECTION COMMAND...: strace has system calls of the target fail while
# the command runs; some do fail.
failing() {
	inject=$1
	shift
	calls=${inject%%:*}
	strace -f -p "$TPID" -o "$TMP/trace" -e trace="$calls" -e inject="$inject" 2>"$TMP/attached" &
	spid=$!
	PIDS="$PIDS $spid"
	until_true 5 grep -q attached "$TMP/attached"
	sleep 0.3
	"$@"
	r=$?
	kill "$spid" 2>/dev/null
	reap "$spid"
	PIDS=$(echo "$PIDS" | sed "s/ $spid\b//")
	echo "$(grep -c INJECTED "$TMP/trace") calls have failed"
	[ $r = 0 ] && grep -q INJECTED "$TMP/trace" && alive
}

# System calls that are interrupted or find no room.
through() { # through BUILD [MODE]
	ok "(a target: $*)" other "$@" 9 0 t0 "$img"
	# Not futex, whose callers know that a wake can't be interrupted.
	ok "it gets over interrupted calls: $*" \
		failing preadv2,preadv,pwritev,fdatasync,fsync,sendto,sendmmsg,recvmmsg,poll,read,io_uring_enter:error=EINTR:when=3+3 io verify 1
	ok "it gets over a network without buffers: $*" failing sendto,sendmmsg,sendmsg:error=ENOBUFS:when=2+2 io verify 1
	ok "it gets over a network that takes nothing for a while: $*" failing sendto,sendmmsg,sendmsg:error=EAGAIN:when=10..60 io verify 1
	ok "and ends well" stop_target
}
through strict
through threads -d
through norings

# No memory.
mtus() { ip -n "$INS" link set i0 mtu "$1" && ip -n "$TNS" link set t0 mtu "$1"; }
sectors() { io -t 200 discover | grep "sectors $1 "; }
starved() {
	# Not brk: a libc takes any error of the call itself for a new break.
	failing mmap,mremap:error=ENOMEM sh -c "ip -n $INS link set i0 mtu 9000; ip -n $TNS link set t0 mtu 9000; sleep 1" &&
		grep 'no memory for its frames' "$TMP/err" && until_true 5 sectors 17
}
ok "(a target)" start_target 9 0 t0 "$img"
ok "without memory for larger frames it says so, lives on, and takes them when there is" starved
ok "it works" io verify 1
mtus 1500
ok "it serves the smaller ones again" eval 'until_true 5 sectors 2 && io verify 1'
ok "and ends well" stop_target

# Memory that can't be had at any moment, and clocks.
# world FIELD [VALUE]: of tests/faults/faultinject.c.
world() {
	perl -e 'open F, "+<:raw", $ARGV[0] or die; seek F, 4 * $ARGV[1], 0;
		if(@ARGV > 2) { print F pack "L", $ARGV[2] } else { read F, $n, 4; print unpack("L", $n), "\n" }' "$TMP/world" "$@"
}
head -c 24 /dev/zero >"$TMP/world"
export FAULTS="$TMP/world"
shadow=$TMP/shadow
EVERY=0 FAILED=1 AHEAD=2 UNIT=3 BROKEN=4 PLAIN=5
ok "(a target whose memory can fail)" other strict/tests/faultinject -t -T -S "$TMP/state" -f "$shadow" 9 0 t0 "$img"
freeze() { signals USR1 USR2; }
unfreeze() { signals USR1 USR1 USR2; }
# An unfreeze that is still ending has the size stay.
resized() { kill -HUP "$TPID" && sleep 0.1 && io size | grep -qx "$1"; }
# Everything that wants memory, under load.
without() { # without N: each Nth allocation fails
	before=$(world $FAILED)
	io -t 30000 verify 5 "$1" 0 65536 >"$TMP/verify" 2>&1 &
	vpid=$!
	sleep 0.5
	world $EVERY "$1"
	freeze
	mtus 9000
	sleep 1
	kill -HUP "$TPID"
	io -t 300 config force "string $1"
	io -t 300 trim 70000 40000
	mtus 1500
	freeze
	sleep 0.5
	unfreeze
	truncate -s "$((64 + $1))M" "$img"
	kill -HUP "$TPID"
	sleep 0.5
	world $EVERY 0
	wait $vpid
	r=$?
	echo "$(($(world $FAILED) - before)) allocations failed"
	cat "$TMP/verify"
	[ $r = 0 ] && [ "$(world $FAILED)" -gt "$before" ] && alive || return 1
	if frozen; then unfreeze; fi
	until_true 10 thawed && until_true 10 resized $(((64 + $1) * 2048)) && io verify 1
}
for n in 1 2 3 5
do
	ok "with each allocation of $n failing it serves on, and is whole when there is memory" without $n
done
freezes() { freeze && until_true 5 frozen && io verify 1 && unfreeze && until_true 10 thawed; }
ok "it can still be frozen" freezes
world $PLAIN 1
ok "also where a file system can't rename without replacing" freezes
taken() { echo precious >"$shadow" && freeze && until_true 5 grep -q 'File exists' "$TMP/err" && [ "$(cat "$shadow")" = precious ]; }
ok "but what has the shadow's name stays there too" taken
rm -f "$shadow"
world $PLAIN 0
ok "and ends well" stop_target
jumping() { # the clocks jump under load
	io verify 4 >"$TMP/verify" 2>&1 &
	vpid=$!
	for ahead in 1 60 3600 10000000 4000000000
	do
		sleep 0.6
		world $AHEAD $ahead
	done
	wait $vpid
	r=$?
	cat "$TMP/verify"
	[ $r = 0 ] && io verify 1
}
for mode in '' -w "-t -T -S $TMP/state"
do
	world $AHEAD 0
	ok "(a target with clocks: ${mode% /*})" other strict/tests/faultinject $mode 9 0 t0 "$img"
	ok "clocks that jump do no harm" jumping
	ok "it ends well" stop_target
done
# Transfers that break off.
through_short() {
	before=$(world $BROKEN)
	io verify 2 && freeze && until_true 5 frozen && io verify 1 && unfreeze && io verify 1 && until_true 10 thawed || return 1
	echo "$(($(world $BROKEN) - before)) transfers broke off"
	[ "$(world $BROKEN)" -gt "$((before + 1000))" ]
}
short() { # short BUILD BYTES [MODE]
	world $UNIT "$2"
	build=$1
	shift 2
	ok "(a target: $build $*)" other "$build/tests/faultinject" "$@" -f "$shadow" 9 0 t0 "$img"
	ok "transfers that break off are gone on with: $build $*" through_short
	ok "it ends well" stop_target
}
short strict 1
short strict 512 -d
short aio 512 -d
short threads 1
short threads 512 -w
unset FAULTS

# A disk that shrinks, and one that goes.
LOOP=
# Not twice: the name may be another test's meanwhile.
detach() { [ -z "$LOOP" ] || losetup -d "$LOOP"; LOOP=; }
undo detach
truncate -s 64M "$TMP/shrinks"
shrinking() {
	io verify 3 7 0 32768 >"$TMP/verify" 2>&1 &
	vpid=$!
	io probe 3 98304 32768 >"$TMP/probe" 2>&1 &
	ppid=$!
	sleep 1
	truncate -s 32M "$TMP/shrinks"
	losetup -c "$LOOP"
	wait $vpid
	r=$?
	wait $ppid
	p=$?
	cat "$TMP/verify" "$TMP/probe"
	[ $r = 0 ] && [ $p = 1 ] && alive
}
for build in strict threads
do
	truncate -s 64M "$TMP/shrinks"
	ok "(a loop device)" eval 'LOOP=$(losetup --show -f "$TMP/shrinks")'
	ok "(a target on it: $build)" other $build 9 0 t0 "$LOOP"
	ok "a device that shrinks gives errors where it is gone, and goes on elsewhere: $build" shrinking
	ok "HUP makes its new size known" eval until_true 5 resized 65536
	ok "it ends well" stop_target
	detach
done
going() {
	io verify 2 7 0 32768 "$TMP/model" || return 1
	io -t 5000 verify 5 8 32768 32768 >"$TMP/verify" 2>&1 &
	vpid=$!
	sleep 1
	kill -9 $SLOWPID
	wait $vpid
	r=$?
	cat "$TMP/verify" "$TMP/err"
	[ $r = 1 ] && { alive || grep -q ': the device is gone' "$TMP/err"; }
}
for build in strict threads
do
	how
	truncate -s 64M "$TMP/under"
	rm -f "$TMP/model"
	ok "(a disk)" eval 'slow_disk && slow_loop'
	ok "(a target on it: $build -s)" other $build -s 9 0 t0 "$LOOP"
	# The loop driver may say that its file fails, or that there is no device.
	ok "a device that disappears gives errors, and the target goes on or says why it does not: $build" going
	stop_target
	echo "# the target ended with status $?"
	detach
	umount -l "$TMP/slow"
	ok "(the disk is back)" eval 'slow_disk && slow_loop'
	ok "(a target on it: $build)" other $build 9 0 t0 "$LOOP"
	ok "and what had been answered is there" io verify 1 7 0 32768 "$TMP/model"
	ok "it ends well" stop_target
	detach
	umount "$TMP/slow"
	reap $SLOWPID
done

# Two for one image.
ok "(a target)" start_target 9 0 t0 "$img"
both() {
	io verify 2 >"$TMP/verify" 2>&1 &
	vpid=$!
	bad=0
	for round in 1 2 3 4 5
	do
		timeout 5 ip netns exec "$TNS" "$AOEDE" 9 1 t0 "$img" 2>"$TMP/other"
		[ $? = 1 ] && grep 'disk.img: locked' "$TMP/other" || bad=1
	done
	wait $vpid && [ $bad = 0 ]
}
ok "another for the same image is refused, and the first serves on" both
ok "it ends well" stop_target

# Floods.
# flood SECONDS SHELF: as many frames as perl can send, of every kind.
flood() {
	on_initiator perl -e 'use Socket; use Time::HiRes "time";
		my ($seconds, $shelf, $ifindex) = @ARGV;
		socket(S, 17, SOCK_RAW, 0) or die $!;
		my $to = pack "S n l S C C a8", 17, 0x88a2, $ifindex, 0, 0, 6, "\xff" x 6;
		my ($n, $end) = (0, time + $seconds);
		srand 1;
		my @frames = map {
			my $len = int rand 100;
			pack("a6 H12 n C C n C C N", "\xff" x 6, "02aabbccddee", 0x88a2, rand() < 0.9 ? 0x10 : rand 256, 0, $shelf, rand() < 0.5 ? 0 : 255, rand() < 0.9 ? rand 5 : rand 256, $_)
				. pack("C*", map { rand 256 } 1 .. $len);
		} 1 .. 500;
		# Reads and writes would change the disk that another verifies.
		substr($_, 19, 1) eq "\0" and substr($_, 27, 1) = "\xec" for grep { length > 27 } @frames;
		# So would a mask list or a reservation bar the other.
		substr($_, 19, 1) =~ /[\x02\x03]/ and substr($_, 24, 2) = "\0\0" for grep { length > 26 } @frames;
		while(time < $end){
			send(S, $frames[$n++ % 500], 0, $to) for 1 .. 50;
			select undef, undef, undef, 0.001;
		}
		print "$n\n";
		' "$1" "$2" "$(on_initiator cat /sys/class/net/i0/ifindex)"
}
rate() { sed -n 's/ writes.*//p' "$TMP/verify" | tail -1; }
verified() { io verify "$1" >"$TMP/verify" 2>&1; r=$?; cat "$TMP/verify"; return $r; }
# beside SHELF: what is verified beside the flood is right, and not much slower;
# the factor leaves room for others who use the machine meanwhile.
beside() {
	verified 3 || return 1
	alone=$(rate)
	flood 5 "$1" >"$TMP/flood" &
	fpid=$!
	sleep 0.5
	verified 3
	r=$?
	wait $fpid
	echo "alone $alone, beside $(cat "$TMP/flood") frames $(rate)"
	[ $r = 0 ] && [ $(($(rate) * 4)) -gt "$alone" ] && [ "$(cat "$TMP/flood")" -gt 5000 ]
}
ok "(a target)" start_target 9 0 t0 "$img"
ok "a flood of frames for another shelf does no harm" beside 8
ok "nor a hostile initiator, with frames of every kind" beside 9
overrun() { # the receive ring overflows while the target stands still
	kill -STOP "$TPID"
	flood 1 9 >"$TMP/flood"
	kill -CONT "$TPID"
	kill -HUP "$TPID"
	io verify 2 && until_true 5 grep 't0: up, [1-9][0-9]* frames dropped' "$TMP/out"
}
ok "nor an overrun of the receive ring" overrun

# Many at once, each an interface with a MAC of its own.
many() {
	n=0
	while [ $n -lt 100 ]; do echo "link add link i0 name m$n type macvlan mode bridge"; echo "link set m$n up"; n=$((n + 1)); done >"$TMP/batch"
	ip -n "$INS" -batch "$TMP/batch" || return 1
	n=0 pids=
	while [ $n -lt 100 ]
	do
		io -i m$n -t 20000 verify 3 $n $((n * 1280)) 1280 >"$TMP/many.$n" 2>&1 &
		pids="$pids $!"
		n=$((n + 1))
	done
	bad=0
	for p in $pids; do wait "$p" || bad=$((bad + 1)); done
	echo "$bad of 100 went wrong"
	cat "$TMP"/many.* | grep -v ' writes' | head -5
	[ $bad = 0 ]
}
ok "a hundred initiators at once have every answer right" many
ok "it ends well" stop_target

# The end at any time.
ends() { # ends ARGUMENTS...
	for round in 1 2 3 4 5 6
	do
		start_target "$@" 9 0 t0 "$img" || return 1
		io -t 500 verify 3 >/dev/null 2>&1 &
		vpid=$!
		sleep "0.$(perl -e 'printf "%03d", rand 600')"
		stop_target
		r=$?
		evict "$INS" || return 1
		wait $vpid
		[ $r = 0 ] || { echo "round $round: exit status $r"; return 1; }
	done
}
ok "TERM under load is followed by a good end" ends
ok "with -d too" ends -d
ok "with -w too" ends -w
at_start() { # before or after it is ready
	for round in 1 2 3 4 5 6 7 8
	do
		ip netns exec "$TNS" "$AOEDE" 9 0 t0 "$img" >"$TMP/out" 2>"$TMP/err" &
		TPID=$!
		sleep "0.0$(perl -e 'printf "%02d", rand 40')"
		kill -TERM "$TPID"
		reap "$TPID"
		r=$?
		TPID=
		[ $r = 0 ] || [ $r = 143 ] || { echo "round $round: exit status $r"; cat "$TMP/err"; return 1; }
	done
}
ok "TERM while it starts ends it" at_start

done_testing
