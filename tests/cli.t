#!/bin/sh
# The command line: what is accepted, what is refused and how it is said,
# and what stands on stdout.  AOEDE=... tests another build of the daemon.

# shellcheck disable=SC2016,SC2086,SC2258,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 strace:strace setpriv:util-linux losetup:mount \
	unshare:util-linux mkfs.ext4:e2fsprogs timeout:coreutils || exit 1
. tests/lib.sh

mknet 9000
img=$TMP/disk.img
truncate -s 4294968320 "$img"
tmac=$(on_target cat /sys/class/net/t0/address)
imac=$(on_initiator cat /sys/class/net/i0/address)

io() { on_initiator "$B/tests/aoeio" "$@"; }
size_is() { [ "$(io "$@" size)" = "$want" ]; }
serves() { want=$1; shift; size_is "$@"; }

# run ARGUMENTS...: a start that is expected to end by itself.
run() {
	on_target timeout 10 "$AOEDE" "$@" >"$TMP/run.out" 2>"$TMP/run.err" </dev/null
	rc=$?
	echo "exit status $rc, stdout:"; cat "$TMP/run.out"
	echo "stderr:"; cat "$TMP/run.err"
}
# then_stop: end the target; fails when what was done before it has failed.
then_stop() { r=$?; stop_target && [ $r = 0 ]; }
lines() { wc -l <"$1" | tr -d ' '; }

# refused 'WORD|WORD...' ARGUMENTS...: the start fails with exit status 1 and
# one line on stderr that has each of the words in it.
refused() {
	words=$1
	shift
	run "$@"
	said "$words"
}
said() {
	[ "$rc" = 1 ] && [ ! -s "$TMP/run.out" ] && [ "$(lines "$TMP/run.err")" = 1 ] || return 1
	oldifs=$IFS IFS='|'
	for word in $1
	do
		IFS=$oldifs
		grep -qiF -e "$word" "$TMP/run.err" || { echo "no '$word' in the message"; return 1; }
	done
	IFS=$oldifs
}
# The same, for a cause that can be put in several ways: a regular expression.
refused_like() {
	like=$1
	shift
	run "$@"
	said '' && grep -qiE -e "$like" "$TMP/run.err"
}

# accepted SIZE ARGUMENTS...: aoede starts without a word on stderr, and a
# disk of SIZE sectors can be found as e9.0.
accepted() {
	want=$1
	shift
	start_target "$@" && size_is && [ ! -s "$TMP/err" ]
	then_stop || { cat "$TMP/out" "$TMP/err"; return 1; }
}

# Numbers and lists that nothing takes.
# The interface and the file don't exist, and the message must be about the
# argument all the same: it is judged before anything is opened.
none='nosuchif /nonexistent/disk'
bad_shelf() { refused "shelf|65534|$1" -- "$1" 0 $none; }
bad_slot() { refused "slot|254|$1" -- 9 "$1" $none; }
bad_option() { refused "$1|$2" 9 0 $none "$1" "$2"; }

for v in 9x -1 0x '' ' 9' '9 ' 9.0 1e3 65535 65536 4294967296 18446744073709551616 99999999999999999999999
do
	ok "shelf '$v' is refused" bad_shelf "$v"
done
for v in 0x -1 x '' ' 1' 255 256 4294967296 18446744073709551616
do
	ok "slot '$v' is refused" bad_slot "$v"
done
for v in 1 0 -2 9x 0x '' ' 9' 65536 4294967298 18446744073709551618
do
	ok "-b '$v' is refused" bad_option -b "$v"
done
for v in 0 -1 9x 0x '' ' 9' 36893488147419103232
do
	ok "-l '$v' is refused" bad_option -l "$v"
done
for v in -1 9x 0x '' ' 9' 36893488147419103232
do
	ok "-o '$v' is refused" bad_option -o "$v"
done
ok "the message about -b says what is expected" refused '-b|2|65535' 9 0 $none -b 70000

for v in '' , x 00:11:22:33:44 00:11:22:33:44:55:66 00:11:22:33:44:5g 0011223344556 \
	00112233445 00:11:22:33:44:55, ,001122334455 001122334455,,001122334466 \
	'001122334455 001122334466' 00-11-22-33-44-55 00:11:22:33:44:55x
do
	ok "-m '$v' is refused" refused '-m|MAC' 9 0 $none -m "$v"
done
maclist() { # maclist N: the initiator and N - 1 others
	printf %s "$imac"
	n=1
	while [ $n -lt "$1" ]
	do
		printf ',02aabbcc%04x' $n
		n=$((n + 1))
	done
}
ok "a list of 256 MACs is refused" refused '-m|255' 9 0 $none -m "$(maclist 256)"
with_masks() { # with_masks LIST FIRST...: the list is in force as it was given
	start_target -m "$1" 9 0 t0 "$img" || return 1
	shift
	for m; do io mask read | tr -d : | grep -qix "$(echo "$m" | tr -d :)" || return 1; done
	serves 8388610
}
masked() { with_masks "$@"; then_stop; }
bare=$(echo "$imac" | tr -d :)
ok "a list of 255 MACs is taken" masked "$(maclist 255)" "$imac" 02aabbcc0001 02aabbcc00b7
ok "-m takes MACs without colons" masked "$bare,02aabbccddee" "$imac" 02:aa:bb:cc:dd:ee
ok "-m takes MACs in upper case" masked "$(echo "$imac" | tr a-f A-F),02AABBCCDDEE" "$imac" 02:aa:bb:cc:dd:ee
ok "-m keeps out a MAC that is not in the list" \
	eval 'start_target -m 02aabbccddee 9 0 t0 "$img" && fails io -t 500 size; then_stop'

untouched() { # refused before a socket or the image is opened
	# A leak checker can't work in a traced process.
	on_target env ASAN_OPTIONS=detect_leaks=0 strace -f -o "$TMP/trace" -e trace=%file,%network timeout 10 "$AOEDE" "$@" 9 0 t0 "$img" >"$TMP/run.out" 2>"$TMP/run.err"
	rc=$?
	cat "$TMP/run.err" "$TMP/trace"
	[ $rc = 1 ] && grep -q execve "$TMP/trace" && ! grep -v execve "$TMP/trace" | grep -qE 'socket\(|disk\.img'
}
ok "a bad number is refused before anything is opened" untouched -b 1
ok "a bad MAC is refused before anything is opened" untouched -m 0

# Operands and options.
ok "no arguments: one line that shows the usage" refused 'shelf slot netif'
ok "a shelf alone is refused" refused 'shelf slot netif' 9
ok "shelf and slot alone are refused" refused 'shelf slot netif' 9 0
ok "a command line without a file is refused" refused 'shelf slot netif' 9 0 t0
ok "an unknown option is refused by name" refused 'Z' -Z 9 0 t0 "$img"
ok "an unknown option after the operands is refused by name" refused 'Z' 9 0 t0 "$img" -Z
ok "an option without its argument is refused by name" refused 'b' 9 0 t0 "$img" -b
ok "options may stand before the operands" accepted 100 -b 16 -o 1 -l 100 9 0 t0 "$img"
ok "options may stand after the operands" accepted 100 9 0 t0 "$img" -b 16 -o 1 -l 100
ok "options may stand between the operands" accepted 100 9 -b 16 0 -o 1 t0 -r -l 100 "$img"
ok "options may stand together with their arguments" accepted 100 -rb16 9 0 t0 "$img" -l100
ok "-- ends the options" accepted 8388610 -r -- 9 0 t0 "$img"
dashed() { (cd "$TMP" && truncate -s 51200 ./-r) && start_target 9 0 t0 -- "$TMP/-r"; then_stop; }
ok "a file name may begin with a dash" dashed
spaced() { truncate -s 51200 "$TMP/my disk" && accepted 100 9 0 t0 "$TMP/my disk"; }
ok "a file name may have a space in it" spaced
ok "the lowest buffer count is 2" accepted 8388610 -b 2 9 0 t0 "$img"
ok "the highest buffer count is 65535" accepted 8388610 -b 65535 9 0 t0 "$img"

edge() { # edge SHELF SLOT: served there
	start_target "$1" "$2" t0 "$img" && serves 8388610 -s "$1" -n "$2"
	then_stop
}
ok "shelf 0 is served" edge 0 0
ok "slot 254 is served" edge 9 254
ok "shelf 65534 is served" edge 65534 1
warned() {
	edge 4095 0 || return 1
	cat "$TMP/err"
	 [ "$(lines "$TMP/err")" = 1 ] && grep -q 4095 "$TMP/err"
}
ok "shelf 4095 is served, with one line of warning" warned

# Files.
ok "a missing file is refused by name" refused "$TMP/missing" 9 0 t0 "$TMP/missing"
ok "a missing file is not created" [ ! -e "$TMP/missing" ]
ok "a directory is refused by name" refused "$TMP/dir" 9 0 t0 "$(mkdir "$TMP/dir"; echo "$TMP/dir")"
mkfifo "$TMP/fifo"
ok "a FIFO is refused by name" refused "$TMP/fifo" 9 0 t0 "$TMP/fifo"
ok "a character device is refused by name" refused /dev/null 9 0 t0 /dev/null
: >"$TMP/empty"
ok "an empty file is refused by name" refused "$TMP/empty|sector" 9 0 t0 "$TMP/empty"
truncate -s 511 "$TMP/short"
ok "a file shorter than a sector is refused by name" refused "$TMP/short|sector" 9 0 t0 "$TMP/short"
truncate -s 1535 "$TMP/odd"
ok "the last part of a sector is left out" accepted 2 9 0 t0 "$TMP/odd"
truncate -s 51200 "$TMP/100"
ok "an offset of the whole file is refused" refused '-o|100' 9 0 t0 "$TMP/100" -o 100
ok "an offset beyond the file is refused" refused '-o|100' 9 0 t0 "$TMP/100" -o 101
ok "a length beyond the file is refused" refused '-l|100' 9 0 t0 "$TMP/100" -l 101
ok "offset and length together beyond the file are refused" refused '-o|-l|100' 9 0 t0 "$TMP/100" -o 50 -l 51
ok "an offset whose byte count overflows is refused" refused '-o' 9 0 t0 "$TMP/100" -o 36028797018963968
ok "a length whose byte count overflows is refused" refused '-l' 9 0 t0 "$TMP/100" -l 36028797018963969
ok "an offset and a length whose sum overflows are refused" refused '-' 9 0 t0 "$TMP/100" -o 50 -l 18446744073709551615
ok "the last sector alone can be exported" accepted 1 9 0 t0 "$TMP/100" -o 99
ok "a refused file keeps its length" [ "$(wc -c <"$TMP/100")" = 51200 ]

rofs() { mkdir "$TMP/ro" && mount -t tmpfs none "$TMP/ro" && undo "umount '$TMP/ro'" && truncate -s 51200 "$TMP/ro/disk" && mount -o remount,ro "$TMP/ro"; }
ok "(a file system that is mounted read-only)" rofs
ok "a read-only file without -r is refused by name" refused "$TMP/ro/disk|read-only" 9 0 t0 "$TMP/ro/disk"
ok "a read-only file is served with -r" accepted 100 -r 9 0 t0 "$TMP/ro/disk"

# Interfaces.
ok "a missing interface is refused by name" refused nosuchif 9 0 nosuchif "$img"
ok "a missing interface beside a good one is refused by name" refused nosuchif 9 0 t0 nosuchif "$img"
ok "an interface name that is too long is refused" refused interfacenamethatislong 9 0 interfacenamethatislong "$img"
ok "an empty interface name is refused" refused interface 9 0 '' "$img"
ok "an interface that is not Ethernet is refused by name" refused 'lo|Ethernet' 9 0 lo "$img"
ok "an interface named twice is refused by name" refused_like 't0.*(twice|once)' 9 0 t0 t0 "$img"
waits() {
	ip -n "$TNS" link set t0 down
	start_target 9 0 t0 "$img"
	cat "$TMP/err"
	alive && [ "$(lines "$TMP/err")" = 1 ] && grep -q 't0.*down' "$TMP/err"
}
ok "an interface that is down is warned of in one line" waits
up_again() { fails io -t 300 size; ip -n "$TNS" link set t0 up; until_true 5 serves 8388610 -t 500; then_stop; }
ok "an interface that was down is served when it comes up" up_again

nobody() {
	chmod 711 "$TMP" && cp "$AOEDE" "$TMP/aoede" && chmod 755 "$TMP/aoede" && truncate -s 51200 "$TMP/open" && chmod 666 "$TMP/open" || return 1
	on_target timeout 10 setpriv --reuid=65534 --regid=65534 --clear-groups "$TMP/aoede" 9 0 t0 "$TMP/open" >"$TMP/run.out" 2>"$TMP/run.err" </dev/null
	rc=$?
	cat "$TMP/run.err"
	said '' && grep -qiE 'permi|root|privilege|CAP_NET_RAW' "$TMP/run.err"
}
ok "a user who may not open raw sockets is told so" nobody

# One image, one writer.
held='lock|in use|another|held|busy|mounted'
# other NAME ARGUMENTS...: a second target beside start_target's.
other() {
	to=$1
	shift
	ip netns exec "$TNS" "$AOEDE" "$@" >"$TMP/$to.out" 2>"$TMP/$to.err" &
	OPID=$!
	PIDS="$PIDS $OPID"
	until_true 10 grep -q '^pid ' "$TMP/$to.out"
}
end_other() { kill "$OPID"; reap "$OPID"; }

ok "(a writer)" start_target 9 0 t0 "$img"
ok "a second writer is refused with the cause" refused_like "$held" 9 1 t0 "$img"
ok "a reader beside a writer is refused with the cause" refused_like "$held" -r 9 1 t0 "$img"
ln -s disk.img "$TMP/link"
ok "a second writer by another name is refused" refused_like "$held" 9 1 t0 "$TMP/link"
ok "another part of the same file is refused too" refused_like "$held" 9 1 t0 "$img" -o 100 -l 100
ok "the first writer goes on" serves 8388610
kill_9() { stop_target KILL; [ $? = 137 ]; }
ok "the lock goes with a process that is killed" eval 'kill_9; accepted 8388610 9 0 t0 "$img"'
ok "(a reader)" start_target -r 9 0 t0 "$img"
ok "a second reader shares the file" other reader -r 9 1 t0 "$img"
ok "both readers serve" eval 'serves 8388610 && serves 8388610 -n 1'
ok "a writer beside readers is refused with the cause" refused_like "$held" 9 2 t0 "$img"
end_other; stop_target

loop() { # loop NAME SIZE: $LOOP is a loop device on a new file
	truncate -s "$2" "$TMP/$1" && LOOP=$(losetup --show -f "$TMP/$1") && undo "losetup -d $LOOP"
}
# Mounted in a namespace that no other process has: whoever was started
# meanwhile in a namespace of its own would keep a copy of the mount.
mounted() {
	mkdir "$TMP/mnt" && mkfs.ext4 -q "$LOOP" || return 1
	unshare -m sh -c 'mount "$1" "$2" && echo mounted >"$3" && exec sleep 30' - "$LOOP" "$TMP/mnt" "$TMP/mounted" &
	mpid=$!
	PIDS="$PIDS $mpid"
	until_true 5 [ -s "$TMP/mounted" ]
}
unmount() { { kill $mpid; wait $mpid; } 2>/dev/null; }
ok "(a loop device)" loop loop1 8M
ok "a block device is served" accepted 16384 9 0 t0 "$LOOP"
ok "(a file system is mounted from it)" mounted
ok "a mounted block device is refused with the cause" refused_like "$LOOP.*($held)" 9 0 t0 "$LOOP"
unmount
ok "(a target on it instead)" start_target 9 0 t0 "$LOOP"
ok "a block device that is held by another target is refused with the cause" refused_like "$LOOP.*($held)" 9 1 t0 "$LOOP"
ok "a reader of a block device that is held is refused with the cause" refused_like "$LOOP.*($held)" -r 9 1 t0 "$LOOP"
# FreeBSD lets others open a disk that is in use; only flock(2) keeps them out.
case $AOEDE in
*/freebsd*/aoede) ;;
*) nok "a block device that is served can't be mounted" mount "$LOOP" "$TMP/mnt" ;;
esac
stop_target
ok "(a reader of the block device)" start_target -r 9 0 t0 "$LOOP"
ok "a second reader shares the block device" other reader -r 9 1 t0 "$LOOP"
end_other; stop_target

# What stands on stdout.
ok "(a target)" start_target 9 0 t0 "$img"
out_has() { cat "$TMP/out"; grep -qE "$1" "$TMP/out"; }
ok "stdout gives the size in bytes" out_has '^4294968320 bytes$'
ok "stdout gives pid, target, sectors and mode" out_has "^pid $TPID: e9\\.0, 8388610 sectors,? O_RDWR\$"
ok "stdout names the interface with MAC, MTU and sector count" out_has "t0.*$tmac.*9000.*17"
ok "stdout names engine, rings and sandbox" out_has '^engine [a-z_]*, rings [a-z]*, sandbox [A-Za-z ]+$'
ok "stdout has these four lines and no other" [ "$(lines "$TMP/out")" = 4 ]
ok "stderr has none" [ ! -s "$TMP/err" ]
stop_target
modes() { # modes REGEX ARGUMENTS...
	like=$1
	shift
	start_target "$@" 9 3 t0 "$TMP/100" && out_has "^pid $TPID: e9\\.3, 100 sectors,? $like\$"
	then_stop
}
ok "read-only is said as O_RDONLY" modes O_RDONLY -r
ok "direct I/O is said as O_DIRECT" modes 'O_RDWR.*O_DIRECT' -d
ok "synchronous writing is said as O_DSYNC" modes 'O_RDWR.*O_DSYNC' -s
ok "both are said" modes 'O_RDWR.*O_DIRECT.*O_DSYNC' -s -d
ok "with -l the exported size is given" eval 'start_target 9 0 t0 "$img" -l 7; out_has "^pid .*, 7 sectors"; then_stop'
piped() {
	mkfifo "$TMP/pipe"
	cat "$TMP/pipe" >"$TMP/piped" &
	PIDS="$PIDS $!"
	ip netns exec "$TNS" "$AOEDE" 9 0 t0 "$img" >"$TMP/pipe" &
	OPID=$!
	PIDS="$PIDS $OPID"
	until_true 5 grep -q '^pid .* sectors' "$TMP/piped"
	r=$?
	end_other
	return $r
}
ok "the lines appear at once even into a pipe" piped
help_text() {
	run "$1"
	[ $rc = 0 ] && [ ! -s "$TMP/run.err" ] && [ -s "$TMP/run.out" ]
}
ok "-h prints the usage on stdout and exits 0" help_text -h
usage_names() {
	for o in -b -d -h -i -l -L -m -o -r -R -s -V shelf slot netif file
	do
		grep -qe "$o" "$TMP/run.out" || { echo "no $o"; return 1; }
	done
}
ok "the usage names every option and operand" usage_names
version() { help_text -V && [ "$(lines "$TMP/run.out")" = 1 ] && grep -q aoede "$TMP/run.out"; }
ok "-V prints the version on stdout and exits 0" version
ok "a full stdout doesn't end the target" eval '
	ip netns exec "$TNS" "$AOEDE" 9 0 t0 "$img" >/dev/full 2>/dev/null & OPID=$!; PIDS="$PIDS $OPID"
	until_true 5 serves 8388610 -t 300; r=$?; end_other; [ $r = 0 ]'
# With 0, 1 and 2 closed the image would be opened as one of them, and the
# messages would be written into it.
closed() {
	truncate -s 51200 "$TMP/closed"
	ip netns exec "$TNS" sh -c 'exec "$0" "$@" <&- >&- 2>&-' "$AOEDE" 9 0 t0 "$TMP/closed" &
	OPID=$!
	PIDS="$PIDS $OPID"
	until_true 5 serves 100 -t 300 && kill -HUP "$OPID" && ip -n "$TNS" link set t0 down && ip -n "$TNS" link set t0 up &&
		until_true 5 serves 100 -t 300
	r=$?
	end_other
	[ $r = 0 ] && head -c 51200 /dev/zero | cmp - "$TMP/closed"
}
ok "closed standard files don't put messages into the image" closed
deaf() {
	mkfifo "$TMP/deaf"
	head -n 1 <"$TMP/deaf" >/dev/null &
	ip netns exec "$TNS" "$AOEDE" 9 0 t0 "$img" >"$TMP/deaf" 2>&1 &
	OPID=$!
	PIDS="$PIDS $OPID"
	until_true 5 serves 8388610 -t 300 && kill -HUP "$OPID" && sleep 0.3 && kill -HUP "$OPID" && sleep 0.3 && serves 8388610
	r=$?
	end_other
	return $r
}
ok "a reader of its messages that goes away doesn't end it" deaf

done_testing
