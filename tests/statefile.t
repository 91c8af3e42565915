#!/bin/sh
# The state file: what initiators have set is there after a restart, however
# the target came to its end, and no other file is taken for one.

# shellcheck disable=SC2016,SC2034,SC2086,SC2119,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 strace:strace perl:perl mkfs.ext4:e2fsprogs timeout:coreutils || exit 1
. tests/lib.sh

bin=$AOEDE
mknet 9000
img=$TMP/disk.img
truncate -s 64M "$img"
mkdir "$TMP/dir"
st=$TMP/dir/state
imac=$(on_initiator cat /sys/class/net/i0/address)
io() { on_initiator "$B/tests/aoeio" "$@"; }
then_stop() { r=$?; stop_target && [ $r = 0 ]; }
start() { start_target -S "$st" "$@" 9 0 t0 "$img"; }
killed() { kill -9 "$TPID"; reap "$TPID"; TPID=; }
again() { killed; start "$@"; }
config_is() { io config read >"$TMP/config"; cat "$TMP/config"; [ "$(cat "$TMP/config")" = "$1" ]; }
masks_are() { io mask read | sort >"$TMP/masks"; cat "$TMP/masks"; printf '%s\n' "$@" | sed '/^$/d' | sort | cmp - "$TMP/masks"; }
reserved_are() { io reserve read | sort >"$TMP/masks"; cat "$TMP/masks"; printf '%s\n' "$@" | sed '/^$/d' | sort | cmp - "$TMP/masks"; }

# A restart.
ok "a target starts with a state file that is not there" start
ok "it makes one" [ -s "$st" ]
ok "only its owner can read it" [ "$(stat -c %a "$st")" = 600 ]
ok "a config string is set" io config set 'first string'
ok "it is there after kill -9" eval 'again && config_is "first string"'
ok "it can't be set again" eval 'fails io config set other && config_is "first string"'
ok "a mask list is set" io mask add "$imac" 02:aa:bb:cc:00:01 02:aa:bb:cc:00:02
ok "and a MAC is taken off it" io mask del 02:aa:bb:cc:00:01
ok "it is there after kill -9" eval 'again && masks_are "$imac" 02:aa:bb:cc:00:02'
ok "a reservation is set" io reserve set "$imac" 02:aa:bb:cc:00:03
ok "it is there after kill -9" eval 'again && reserved_are "$imac" 02:aa:bb:cc:00:03'
ok "all three are there after TERM" eval 'stop_target && start && config_is "first string" && masks_are "$imac" 02:aa:bb:cc:00:02 && reserved_are "$imac" 02:aa:bb:cc:00:03'
ok "an empty config string is as good as any" eval 'io config force "" && again && config_is ""'
long=$(head -c 1024 /dev/zero | tr '\0' x)
ok "a config string of 1024 bytes is kept" eval 'io config force "$long" && again && config_is "$long"'
full_list() { n=0; while [ $n -lt 254 ]; do printf '02:aa:bb:dd:00:%02x\n' $n; n=$((n + 1)); done; }
ok "a mask list and a reservation of 255 MACs are kept" \
	eval 'io mask del 02:aa:bb:cc:00:02 && io mask add $(full_list) && io reserve set $imac $(full_list) && again && masks_are $imac $(full_list) && reserved_are $imac $(full_list)'
ok "the file is no longer than that needs" [ "$(stat -c %s "$st")" = 4110 ]
ok "-m replaces the list that is kept" eval 'killed; start -m $imac,02aabbcc0005 && masks_are $imac 02:aa:bb:cc:00:05'
ok "so it is the one that is kept from then on" eval 'again && masks_are $imac 02:aa:bb:cc:00:05'
ok "a reservation is released" eval 'io reserve set && again && reserved_are ""'
ok "a mask list is taken away" eval 'io mask del $imac 02:aa:bb:cc:00:05 && again && masks_are ""'
ok "nothing else is left in the directory" [ "$(ls "$TMP/dir")" = state ]
ok "(stop)" stop_target
ok "without -S nothing is kept" eval 'start_target 9 0 t0 "$img" && config_is "" && io config set gone && killed; start_target 9 0 t0 "$img" && config_is ""; then_stop'
ok "the file name may be without a directory" eval 'bin=$(realpath "$AOEDE"); cd "$TMP/dir" && (exec timeout 5 "$bin" -S here 9 0 nosuchif "$img" 2>/dev/null); cd - >/dev/null; [ -s "$TMP/dir/here" ]'
rm -f "$TMP/dir/here"

# -R and -L.
ok "(a config string, a mask list and a reservation)" eval 'start && io config force kept && io mask add $imac && io reserve set $imac 02:aa:bb:cc:00:03'
ok "-R starts without the reservation, and with the rest" eval 'again -R && reserved_are "" && config_is kept && masks_are $imac'
ok "and keeps none of it" eval 'again && reserved_are "" && config_is kept'
ok "with -R a reservation can be set and is kept as ever" eval 'again -R && io reserve set $imac && again && reserved_are $imac'
refused_with() { # refused_with WORDS ARGUMENT...
	like=$1
	shift
	io "$@" >"$TMP/io.out" 2>&1
	r=$?
	cat "$TMP/io.out"
	[ $r = 1 ] && grep -q "$like" "$TMP/io.out"
}
ok "(locked)" again -L
ok "-L: a config string is not set" refused_with 'error 4' config set kept
ok "nor by force" refused_with 'error 4' config force other
ok "a mask list is not edited" refused_with 'error 1' mask add 02:aa:bb:cc:00:07
ok "nothing is reserved" refused_with 'error 6' reserve set "$imac"
ok "nor by force" refused_with 'error 6' reserve force
ok "all can be read, and is as it was" eval 'config_is kept && masks_are $imac && reserved_are $imac'
ok "a config string can be tested" eval 'io config test kept && io config prefix ke'
ok "and so it is in the file" eval 'again && config_is kept && masks_are $imac && reserved_are $imac'
ok "(stop)" stop_target
rm "$st"

# Answers come when the change is safe.
AOEDE=strace
tracing() { start_target -f -o "$TMP/trace" -e trace=fsync,renameat,renameat2,sendto,pwrite64 "$1" -S "$st" 9 0 t0 "$img"; }
inner() { sed -n 's/^pid \([0-9]*\):.*/\1/p' "$TMP/out"; }
stop_traced() { kill -TERM "$(inner)"; reap "$TPID"; }
ok "(a target that is traced)" tracing "$bin"
: >"$TMP/trace"
ok "(a change)" io config force 'in order'
order() { sed 's/^[0-9]* *//; s/(.*//' "$TMP/trace" | uniq | tr '\n' ' ' >"$TMP/order"; cat "$TMP/order"; grep -E 'pwrite64 fsync renameat2? fsync sendto' "$TMP/order"; }
ok "file, rename and directory are synced before the answer is sent" order
ok "(stop)" stop_traced
AOEDE=$bin

# kill -9 at any moment.
# asking FIRST: set one number after the other, and note those answered.
asking() { n=$1; while echo "$n" >"$TMP/asked" && io -t 500 config force "$n" >/dev/null 2>&1; do echo "$n" >"$TMP/answered"; n=$((n + 1)); done; }
rounds() {
	echo 0 >"$TMP/asked"
	echo 0 >"$TMP/answered"
	start && io config force 0 || return 1
	for round in 1 2 3 4 5 6 7 8 9 10 11 12
	do
		asking $(($(cat "$TMP/asked") + 1)) &
		apid=$!
		sleep "0.$(perl -e 'printf "%03d", 20 + rand 300')"
		killed
		wait $apid
		start || return 1
		now=$(io config read) asked=$(cat "$TMP/asked") answered=$(cat "$TMP/answered")
		echo "round $round: asked $asked, answered $answered, found $now"
		[ "$now" -ge "$answered" ] && [ "$now" -le "$asked" ] || return 1
	done
	[ "$answered" -ge 12 ]
}
ok "what was answered is never lost by kill -9, and what is found was asked for" rounds
then_stop

# Other files.
ok "(a short state)" eval 'start && io config force ab && io mask add $imac && io reserve set $imac; then_stop'
cp "$st" "$TMP/good"
length=$(stat -c %s "$st")
ok "it has 40 bytes" [ "$length" = 40 ]
# refused [WORD]: a start with the file as it is fails with a line about it,
# and leaves it alone.
refused() {
	cp "$st" "$TMP/before"
	on_target timeout 10 "$AOEDE" -S "$st" 9 0 t0 "$img" >"$TMP/run.out" 2>"$TMP/run.err"
	rc=$?
	cat "$TMP/run.err"
	[ $rc = 1 ] && [ ! -s "$TMP/run.out" ] && [ "$(wc -l <"$TMP/run.err")" = 1 ] && grep -e "-S $st: .*$1" "$TMP/run.err" && cmp "$st" "$TMP/before"
}
every_byte() {
	at=0
	while [ $at -lt "$length" ]
	do
		for bits in 1 128 255
		do
			perl -e 'local $/; open F, $ARGV[0]; $_ = <F>; substr($_, $ARGV[1], 1) ^= chr $ARGV[2]; print' "$TMP/good" $at $bits >"$st"
			refused 'expected\|damaged' || { echo "byte $at, bits $bits"; return 1; }
		done
		at=$((at + 1))
	done
}
ok "a file with any byte damaged is refused" every_byte
every_length() {
	n=0
	while [ $n -lt "$length" ]
	do
		head -c $n "$TMP/good" >"$st"
		refused 'expected\|damaged' || { echo "$n bytes"; return 1; }
		n=$((n + 1))
	done
}
ok "a file cut short anywhere is refused" every_length
ok "a file with a byte too many is refused" eval '{ cat "$TMP/good"; printf "\0"; } >"$st"; refused damaged'
ok "a file of 1 MiB is refused" eval '{ cat "$TMP/good"; head -c 1048576 /dev/zero; } >"$st"; refused damaged'
ok "a text is refused" eval 'cp README "$st"; refused expected'
other() { cp "$TMP/good" "$st"; fails on_target timeout 10 "$AOEDE" -S "$st" "$1" "$2" t0 "$img" 2>"$TMP/run.err" && cat "$TMP/run.err" && grep "state of e9.0, expected that of e$1.$2" "$TMP/run.err" && cmp "$st" "$TMP/good"; }
ok "the state of another shelf is refused" other 8 0
ok "the state of another slot is refused" other 9 1
special() { rm -f "$st"; "$@" && fails on_target timeout 10 "$AOEDE" -S "$st" 9 0 t0 "$img" 2>"$TMP/run.err" && cat "$TMP/run.err" && grep -e "-S $st: .*expected a file" "$TMP/run.err"; }
ok "a directory is refused" special mkdir "$st"
rmdir "$st"
ok "a fifo is refused, and not waited for" special mkfifo "$st"
ok "a symbolic link is refused" special ln -s "$TMP/good" "$st"
rm -f "$st"
unusable() { fails on_target timeout 10 "$AOEDE" -S "$1" 9 0 t0 "$img" 2>"$TMP/run.err" && cat "$TMP/run.err" && grep -e "-S $1: .*expected a file" "$TMP/run.err"; }
ok "a file in a directory that isn't there is refused" unusable "$TMP/nodir/state"
ok "a name that ends in / is refused" unusable "$TMP/dir/"
ok "no name at all is refused" unusable ''
cp "$TMP/good" "$st"
ok "(the good file, with what is left of a write that was killed)" eval 'head -c 20 "$TMP/good" >"$st.new"; start && config_is ab && [ ! -e "$st.new" ]'
ok "a second target can't have the same file" eval 'truncate -s 1M "$TMP/other.img"; fails on_target timeout 10 "$AOEDE" -S "$st" 9 0 t0 "$TMP/other.img" 2>"$TMP/run.err"; cat "$TMP/run.err"; grep locked "$TMP/run.err" && config_is ab'
ok "nor after a change" eval 'io config force cd; fails on_target timeout 10 "$AOEDE" -S "$st" 9 0 t0 "$TMP/other.img" 2>"$TMP/run.err"; cat "$TMP/run.err"; grep locked "$TMP/run.err" && config_is cd'
ok "(stop)" stop_target

# Something else by the names that are written to.
beside() { cp "$TMP/good" "$st"; left_alone S "$st" "$@" && cmp "$st" "$TMP/good"; }
echo precious >"$TMP/precious"
ok "a link beside it is refused" beside ln -s "$TMP/precious" "$st.new"
ok "so is one to nowhere" beside ln -s "$TMP/nowhere" "$st.new"
ok "a directory" beside mkdir "$st.new"
ok "a fifo" beside mkfifo "$st.new"
ok "a device" beside mknod "$st.new" c 1 3
ok "somebody's file" beside cp "$TMP/precious" "$st.new"
ok "somebody's image, with nothing in it yet" beside truncate -s 1M "$st.new"
ok "nothing came of the links" eval '[ "$(cat "$TMP/precious")" = precious ] && [ ! -e "$TMP/nowhere" ]'
rm -rf "$st.new"
ok "what a power failure has left of one is no obstacle" eval 'head -c 4096 /dev/zero >"$st.new"; start && config_is ab'
changes=0
later() { # later FILE COMMAND...: it comes while the target runs
	victim=$1
	shift
	"$@" || return 1
	stat -c '%i %F %s %Y' "$victim" >"$TMP/beside"
	changes=$((changes + 1))
	io -t 300 config force "change $changes" >/dev/null
	r=$?
	echo "a change: $r"
	[ $r = 2 ] && until_true 10 grep -qF "$st: can't save the state (File exists)" "$TMP/err" &&
		stat -c '%i %F %s %Y' "$victim" | diff "$TMP/beside" - && io verify 1 || return 1
	rm -rf "$victim"
	until_true 20 grep -qF "$st: the state is saved" "$TMP/err" && grep -aqF "change $changes" "$st"
	r=$?
	: >"$TMP/err"
	return $r
}
ok "a link that comes beside it later is not followed, and the state is saved when it has gone" later "$st.new" ln -s "$TMP/precious" "$st.new"
ok "somebody's file that comes there is left alone" later "$st.new" cp "$TMP/precious" "$st.new"
ok "so is a device" later "$st.new" mknod "$st.new" c 1 3
ok "a link in the place of the state is left alone" later "$st" ln -sf "$TMP/precious" "$st"
ok "so is somebody's file there" later "$st" sh -c 'cp "$0" "$1.other" && mv "$1.other" "$1"' "$TMP/precious" "$st"
ok "and a directory" later "$st" sh -c 'rm "$0" && mkdir "$0"' "$st"
ok "what the links name is as it was" eval '[ "$(cat "$TMP/precious")" = precious ]; then_stop'
cp "$TMP/good" "$st"

# A full disk.
mkdir "$TMP/small"
mount -t tmpfs -o size=64k none "$TMP/small" && undo umount "$TMP/small"
st=$TMP/small/state
fill() { cat /dev/zero >"$TMP/small/filler" 2>/dev/null; true; }
ok "(a state on a small file system, which is filled)" eval 'start && io config set before; fill'
ok "a change that can't be saved is not answered" eval 'io -t 1500 config force after; [ $? = 2 ]'
ok "that is logged" grep "$st: can't save the state (No space left on device)" "$TMP/err"
ok "in one line" [ "$(wc -l <"$TMP/err")" = 1 ]
ok "the disk is served meanwhile" io verify 1
ok "what was saved before is still there" eval 'cp "$st" "$TMP/saved"; grep -a before "$TMP/saved"'
ok "questions are answered meanwhile" config_is after
ok "with room again it is saved" eval 'rm "$TMP/small/filler"; until_true 8 grep -a after "$st"'
ok "which is logged, too" until_true 2 grep "$st: the state is saved" "$TMP/err"
ok "changes are answered again" io config force later
ok "and are there after kill -9" eval 'again && config_is later'
ok "a change before TERM is saved" eval 'fill; io -t 100 config force last; rm "$TMP/small/filler"; stop_target && start && config_is last'
ok "one that can't be saved at the end is a failure" eval 'fill; io -t 100 config force never; fails stop_target; cat "$TMP/err"; grep "can.t save" "$TMP/err"'
rm "$TMP/small/filler"
ok "the state is that before it" eval 'start && config_is last; then_stop'
fill
ok "a start that can't write is refused" eval 'fails on_target timeout 10 "$AOEDE" -S "$st" 9 0 t0 "$img" 2>"$TMP/run.err"; cat "$TMP/run.err"; grep "can.t be written: No space" "$TMP/run.err"'
st=$TMP/dir/state

# An initiator that changes its mind without end.
flood() { # flood SECONDS: config strings by force, one after the other
	on_initiator perl -e 'use Socket; use Time::HiRes "time";
		my ($seconds, $ifindex) = @ARGV;
		socket(S, 17, SOCK_RAW, 0) or die $!;
		my $to = pack "S n l S C C a8", 17, 0x88a2, $ifindex, 0, 0, 6, "\xff" x 6;
		my $end = time + $seconds;
		my $n = 0;
		while(time < $end){
			for(1 .. 50){
				$n++;
				send(S, pack("a6 H12 n C C n C C N n n C C n a8 x20", "\xff" x 6, "02aabbccddee", 0x88a2, 0x10, 0, 9, 0, 1, $n, 0, 0, 0, 4, 8, sprintf("%08d", $n)), 0, $to);
			}
			select undef, undef, undef, 0.0005;
		}
		printf "%d\n", $n / $seconds;
		' "$1" "$(on_initiator cat /sys/class/net/i0/ifindex)"
}
AOEDE=strace
# Without a mask list, which would keep it out.
st=$TMP/dir/flooded
ok "(a target whose renames are counted)" start_target -f --seccomp-bpf -o "$TMP/trace" -e trace=renameat,renameat2 "$bin" -S "$st" 9 0 t0 "$img"
AOEDE=$bin
: >"$TMP/trace"
ok "(a flood of changes)" eval 'flood 6 >"$TMP/rate"; [ "$(cat "$TMP/rate")" -gt 1000 ]'
note "$(cat "$TMP/rate") changes a second"
saves() { n=$(grep -c 'renameat' "$TMP/trace"); echo "saved $n times"; [ "$n" -ge 5 ] && [ "$n" -le 24 ]; }
ok "are saved once a second, after a few at once" saves
ok "an initiator that has nothing to do with it is served" eval 'flood 3 >/dev/null & fpid=$!; io verify 2; r=$?; wait $fpid; [ $r = 0 ]'
ok "one change beside it is answered in time" eval 'flood 4 >/dev/null & fpid=$!; sleep 0.5; io mask add $imac 02:aa:bb:cc:dd:ee; r=$?; wait $fpid; [ $r = 0 ]'
ok "(stop)" stop_traced

done_testing
