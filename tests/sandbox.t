#!/bin/sh
# The sandbox: what the daemon can't do once it serves, what it still can, and
# kernels that lack a part of it.  The daemon used is the strict one where
# there is a choice: it ends when it would have to be refused something.

# shellcheck disable=SC2016,SC2034,SC2086,SC2119,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 musl-gcc:musl-tools setpriv:util-linux \
	i686-linux-gnu-gcc:gcc-i686-linux-gnu /usr/i686-linux-gnu/include/stdio.h:libc6-dev-i386-cross || exit 1
. tests/lib.sh

# The sanitizers do more than the sandbox lets through, so their build has
# none, and what is tested here is the ordinary one.
make -s B=obj obj/strict/aoede obj/threads/aoede obj/aio/aoede obj/norings/aoede \
	obj/tests/withoutcalls obj/tests/breakout obj/strict/tests/breakout >"$TMP/make.out" 2>&1 || { cat "$TMP/make.out"; exit 1; }
make -s B=obj/musl CC=musl-gcc SANDBOX=2 obj/musl/aoede >"$TMP/make.out" 2>&1 || { cat "$TMP/make.out"; exit 1; }
AOEDE=obj/strict/aoede

mknet 1500
img=$TMP/disk.img
IMAGE=$img
export IMAGE
truncate -s 16M "$img"
head -c 512000 /dev/urandom >"$TMP/random"
io() { on_initiator "$B/tests/aoeio" "$@"; }
then_stop() { r=$?; stop_target && [ $r = 0 ]; }
started_by() { AOEDE=$1; shift; start_target "$@"; r=$?; AOEDE=obj/strict/aoede; return $r; }
serves() { [ "$(io size)" = 32768 ]; }
# each_thread NAME VALUE: every thread's status has it.
each_thread() {
	threads=0
	for t in /proc/"$TPID"/task/*
	do
		grep -H "^$1:" "$t/status"
		[ "$(sed -n "s/^$1:[[:space:]]*//p" "$t/status")" = "$2" ] || return 1
		threads=$((threads + 1))
	done
	[ $threads -gt 4 ]
}

# What it can't do.
mkdir "$TMP/state"
ok "(a daemon that tries to break out)" started_by obj/tests/breakout -S "$TMP/state/e9.0" 9 0 t0 "$img"
tried() { grep -c "^$1: " "$TMP/out"; }
got() { grep '^[a-z]*: .*: done$' "$TMP/out"; }
ok "nothing that it tries succeeds" eval 'fails got'
ok "it has tried in the loop and in a thread" eval '[ "$(tried loop)" -ge 35 ] && [ "$(tried thread)" -ge 35 ]'
for what in 'open' 'open the image again' 'execve' 'fork' 'ptrace' 'kill' 'a TCP socket' 'a packet socket' \
	'run what was written' 'open by io_uring' 'receive all frames'
do
	ok "it can't: $what" grep "^loop: $what: " "$TMP/out"
done
ok "it goes on serving" serves
ok "it has no capability left, in any thread" eval 'for c in CapInh CapPrm CapEff CapBnd CapAmb; do each_thread $c 0000000000000000 || exit 1; done'
ok "it can't get new privileges" each_thread NoNewPrivs 1
ok "every thread has the filter" each_thread Seccomp 2
ok "(stop)" stop_target


# The strict build, without which what follows would show nothing.
strictly() {
	fails started_by obj/strict/tests/breakout 9 0 t0 "$img"
	r=$?
	reap "$TPID"
	s=$?
	cat "$TMP/err"
	[ $r = 0 ] && [ $s = 159 ] && grep 'system call .* is not allowed' "$TMP/err"
}
ok "a strict daemon ends when it tries something" strictly

# What it still can, in every mode and with each engine and C library.
soon() { until_true 5 "$@"; }
sectors_are() { io -t 200 discover | grep "sectors $1 "; }
mtu() { ip -n "$INS" link set i0 mtu "$1" && ip -n "$TNS" link set t0 mtu "$1"; }
lose() { ip -n "$TNS" link del t0; sleep 0.2; ip -n "$TNS" link add t0 mtu 1500 type veth peer name i0 mtu 1500 netns "$INS"; }
return_() { ip -n "$TNS" link set t0 up && ip -n "$INS" link set i0 up && soon sectors_are 2; }
has() { [ "$(io size)" = "$1" ]; }
grow() { truncate -s 80M "$img" && kill -HUP "$TPID" && soon has 163840 && grep -q '^frames' "$TMP/out"; }
exercise() { # exercise VERIFY START...
	verify=$1
	shift
	truncate -s 65M "$img"
	dd if="$TMP/random" of="$img" bs=512 seek=132000 conv=notrunc status=none
	mtu 1500
	"$@" && soon sectors_are 2 && works && mtu 9000 && soon sectors_are 17 && grow && $verify && lose && return_ && works
	then_stop || { cat "$TMP/out" "$TMP/err"; return 1; }
	[ ! -s "$TMP/err" ] || { fails grep -v 'down; waiting' "$TMP/err"; }
}
works() { io read 132000 1000 | cmp -n 512000 -i 0:67584000 - "$img"; }
readwrite() { io verify 1; }
reads() { works && fails io write 0 1 <"$img"; }
for mode in '' -d -s -w '-d -w' '-d -s'
do
	ok "it works in the sandbox with ${mode:-no options}" exercise readwrite start_target $mode 9 0 t0 "$img"
done
ok "it works in the sandbox with -r" exercise reads start_target -r 9 0 t0 "$img"
ok "it works in the sandbox with -r -d" exercise reads start_target -r -d 9 0 t0 "$img"
ok "it works in the sandbox with threads" exercise readwrite started_by obj/threads/aoede 9 0 t0 "$img"
ok "it works in the sandbox with threads and -d" exercise readwrite started_by obj/threads/aoede -d 9 0 t0 "$img"
ok "it works in the sandbox with Linux AIO" exercise readwrite started_by obj/aio/aoede -d 9 0 t0 "$img"
ok "it works in the sandbox without packet rings" exercise readwrite started_by obj/norings/aoede 9 0 t0 "$img"
for mode in '' -d -w
do
	ok "it works in the sandbox with musl and ${mode:-no options}" exercise readwrite started_by obj/musl/aoede $mode 9 0 t0 "$img"
done


# A freeze, which makes and removes a file, in a directory of another's, too.
shadow=$TMP/shadows/shadow
mkdir "$TMP/shadows"
freezes() { # freezes START...
	"$@" || return 1
	signals USR1 USR2
	until_true 5 frozen && io write 140000 <"$TMP/random" && signals USR1 USR1 USR2 &&
		until_true 10 thawed && works
	then_stop || { cat "$TMP/out" "$TMP/err"; return 1; }
}
for mode in '' -d -w
do
	ok "it freezes in the sandbox with ${mode:-no options}" freezes start_target $mode -f "$shadow" 9 0 t0 "$img"
done
ok "it freezes in the sandbox with threads" freezes started_by obj/threads/aoede -f "$shadow" 9 0 t0 "$img"
for mode in '' -d
do
	ok "it freezes in the sandbox with musl and ${mode:-no options}" freezes started_by obj/musl/aoede $mode -f "$shadow" 9 0 t0 "$img"
done

# i386, where all socket calls are one, socketcall(2).  Its programs run here.
i386() {
	make -s CC=i686-linux-gnu-gcc LDFLAGS=-static B=obj/i386 SANDBOX=2 obj/i386/aoede &&
		make -s CC=i686-linux-gnu-gcc LDFLAGS=-static B=obj/i386loose obj/i386loose/tests/breakout
}
if [ "$(uname -m)" = x86_64 ]
then
	ok "i386: it builds" i386
	for mode in '' -d -w
	do
		ok "i386: it works in the sandbox with ${mode:-no options}" exercise readwrite started_by obj/i386/aoede $mode 9 0 t0 "$img"
	done
	ok "i386: it freezes in the sandbox" freezes started_by obj/i386/aoede -f "$shadow" 9 0 t0 "$img"
	ok "i386: (a daemon that tries to break out)" started_by obj/i386loose/tests/breakout -S "$TMP/state/e9.0" 9 0 t0 "$img"
	ok "i386: nothing that it tries succeeds" eval 'fails got'
	ok "i386: it has tried, and socketcall is refused" eval \
		'[ "$(tried loop)" -ge 35 ] && grep "^loop: a packet socket: Operation not permitted" "$TMP/out"'
	ok "i386: it works all the same" works
	ok "i386: (stop)" stop_target
fi

chown 1234 "$TMP/shadows"
ok "it freezes in the sandbox with a directory of another's" freezes start_target -f "$shadow" -S "$TMP/state/e9.0" 9 0 t0 "$img"

# Another's image: the rights of its owner are kept when the disk needs them.
cap_dac_override=0000000000000002
chown 1234 "$img"
chmod 600 "$img"
ok "an image of another's can be served" start_target 9 0 t0 "$img"
ok "for that the daemon keeps one capability" each_thread CapEff $cap_dac_override
ok "and no other" eval 'each_thread CapPrm $cap_dac_override && each_thread CapInh 0000000000000000 && each_thread CapBnd 0000000000000000'
ok "it works" readwrite
ok "(stop)" stop_target
chown 0 "$img"

# Who is not root can serve too, with what it takes for a raw socket.
chmod 755 "$TMP"
chown 1234 "$img"
cp obj/strict/aoede "$TMP/aoede"
user() { AOEDE=setpriv start_target --reuid 1234 --regid 1234 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw "$TMP/aoede" 9 0 t0 "$img"; }
ok "who is not root can serve, with CAP_NET_RAW" user
ok "that is given up, too" eval 'each_thread CapEff 0000000000000000 && each_thread CapPrm 0000000000000000 && each_thread CapAmb 0000000000000000'
ok "it works" readwrite
ok "(stop)" stop_target
chown 0 "$img"

# Kernels that lack something say so in one line, and serve.
lacks() { # lacks NAMES COUNT MESSAGE...: it says so many lines, these among them
	truncate -s 65M "$img"
	AOEDE=obj/tests/withoutcalls start_target "$1" obj/strict/aoede 9 0 t0 "$img" && readwrite
	then_stop || { cat "$TMP/out" "$TMP/err"; return 1; }
	cat "$TMP/err"
	[ "$(wc -l <"$TMP/err")" = "$2" ] || return 1
	shift 2
	for message; do grep -F "$message" "$TMP/err" || return 1; done
}
ok "without seccomp it says so and serves" lacks seccomp 1 'no filter of system calls (Function not implemented)'
ok "without Landlock it says so and serves" lacks landlock 1 'no Landlock (Function not implemented)'
ok "without io_uring it serves" lacks io_uring 0
ok "an io_uring that can't be restricted is not used" lacks restrictions 0
ok "without faccessat2 it serves" lacks faccessat2 0
ok "without seccomp, Landlock and io_uring it says two things and serves" \
	lacks seccomp,landlock,io_uring 2 'no filter of system calls' 'no Landlock'

done_testing
