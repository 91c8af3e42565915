#!/bin/sh
# The info file (-i): what stands in it, that it is always whole, when it is
# written, and that nothing comes of it when it can't be.

# shellcheck disable=SC2016,SC2034,SC2086,SC2119,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 strace:strace setpriv:util-linux || exit 1
. tests/lib.sh

mknet 9000
img=$TMP/disk.img shadow=$TMP/shadow
truncate -s 80M "$img"
head -c 20480 /dev/urandom >"$TMP/40"
mkdir "$TMP/run"
undo "umount '$TMP/run' 2>/dev/null"
mount -t tmpfs -o size=256k none "$TMP/run" || exit 1
info=$TMP/run/e9.0
tmac=$(on_target cat /sys/class/net/t0/address)
imac=$(on_initiator cat /sys/class/net/i0/address)
io() { on_initiator "$B/tests/aoeio" "$@"; }

# value NAME; is NAME VALUE; above NAME VALUE
value() { sed -n "s/^$1=//p" "$info"; }
is() { [ "$(value "$1")" = "$2" ] || { cat "$info"; false; }; }
above() { [ "$(value "$1")" -gt "$2" ] || { cat "$info"; false; }; }
soon() { until_true 3 "$@" || "$@"; }

# Whoever has read that it serves may look there at once.
first() {
	on_target timeout 20 strace -f -o "$TMP/trace" -e trace=renameat,renameat2,write timeout 2 "$AOEDE" -i "$info" 9 0 t0 "$img" >"$TMP/run.out" 2>"$TMP/run.err"
	grep -n 'renameat\|pid' "$TMP/trace"
	[ "$(grep -o '"e9.0"\|"pid ' "$TMP/trace" | head -n 1)" = '"e9.0"' ]
}
ok "the file is there before aoede says that it serves" first
now=$(date +%s)
ok "(a target with an info file)" start_target -i "$info" -f "$shadow" 9 0 t0 "$img"
ok "the file is there at once" test -s "$info"
for pair in address=e9.0 "pid=$TPID" state=serving refused= refusals=0 freezes=0 unfreezes=0 "file=$img" sectors=163840 bytes=83886080 \
	modes=O_RDWR interfaces=t0 "interface.t0=$tmac mtu 9000 sectors 17 up"
do
	ok "it says $pair" is "${pair%%=*}" "${pair#*=}"
done
ok "it says when the target was started" eval '[ $(($(value started) - now)) -le 5 ]'
ok "and when it was written" eval '[ $(($(value updated) - now)) -le 5 ]'
ok "the start says engine, rings and sandbox in a line" grep -E '^engine .*, rings .*, sandbox ' "$TMP/out"
ok "and so does the file" eval 'grep -qx "engine $(value engine), rings $(value rings), sandbox $(value sandbox)" "$TMP/out"'
ok "every line is a name and a value" eval 'fails grep -vE "^[A-Za-z0-9_.:]+=" "$info"'
ok "no name comes twice" eval '[ -z "$(cut -d= -f1 "$info" | sort | uniq -d)" ]'

# Counters.
ok "(a write and a read)" eval 'io write 1000 <"$TMP/40" && io read 1000 40 | cmp - "$TMP/40"'
ok "bytes written are counted" soon is write_bytes 20480
ok "bytes read are counted" soon is read_bytes 20480
ok "requests are counted" above requests 5
ok "so are those that read and those that write" eval 'above read_requests 2 && above write_requests 2'
ok "the initiator is there, with its first and last frame" \
	eval 'set -- $(value "initiator.$imac"); [ $# = 3 ] && [ $(($1 - now)) -le 5 ] && [ $2 -ge $1 ] && [ $3 -ge 6 ]'
ok "(a flush)" io flush
latencies() { sed -n 's/^latency\.[0-9inf]*=//p' "$info" | paste -sd+ | bc; }
some() { [ "$(latencies)" -gt 0 ]; }
tests/needpackages bc:bc
ok "operations of the disk are in the histogram" soon some
summed() { n=$(value latency_sum) m=$(latencies); echo "$n microseconds for $m operations"; [ "$n" -ge "$m" ] && [ "$n" -lt 60000000 ]; }
ok "with the time that all of them took" summed
ok "it has nine buckets" eval '[ "$(grep -c "^latency\.[0-9]*=\|^latency\.inf=" "$info")" = 9 ]'

# When it is written.
stamp() { stat -c '%i %y' "$info"; }
ok "it stays as it is when nothing happens" eval 'sleep 1.2; old=$(stamp); sleep 2.5; [ "$(stamp)" = "$old" ]'
wakes() { sed -n 's/^voluntary_ctxt_switches:[[:space:]]*//p' "/proc/$TPID/status"; }
# The layer below freebsd.c has threads of its own.
[ "$(value rings)" = bpf ] || ok "and nobody wakes up for it" eval 'old=$(wakes); sleep 3; [ "$(wakes)" -le $((old + 1)) ]'
often() { # at most once a second, and a reader never sees a part
	inodes=0 last='' torn=0 end=$(($(date +%s) + 4))
	io verify 4 >/dev/null 2>&1 &
	vpid=$!
	while [ "$(date +%s)" -lt $end ]
	do
		i=$(stat -c %i "$info")
		[ "$i" = "$last" ] || inodes=$((inodes + 1))
		last=$i
		cat "$info" >"$TMP/seen"
		[ "$(head -n 1 "$TMP/seen")" = address=e9.0 ] && tail -n 1 "$TMP/seen" | grep -q '^updated=[0-9]*$' || torn=$((torn + 1))
	done
	wait $vpid
	echo "$inodes files in 4 s, $torn of them in part"
	[ $inodes -ge 3 ] && [ $inodes -le 6 ] && [ $torn = 0 ]
}
ok "under load it is written once a second, and is always whole" often

# Freezing.
ok "a refused unfreeze is counted and said" eval 'signals USR1 USR1 USR2; soon is refusals 1 && is refused "unfreeze refused: it is not frozen"'
ok "frozen" eval 'signals USR1 USR2; soon is state frozen && is freezes 1'
ok "(a write)" eval 'io write 2000 <"$TMP/40"'
ok "and unfrozen" eval 'signals USR1 USR1 USR2; soon is unfreezes 1 && soon is state serving'

# Nothing comes of it when it can't be written.
fill() { dd if=/dev/zero of="$TMP/run/fill" bs=4096 status=none 2>/dev/null; [ -s "$TMP/run/fill" ]; }
ok "(the file system is full)" fill
ok "the target goes on" eval 'io write 3000 <"$TMP/40" && sleep 1.2 && io read 3000 40 | cmp - "$TMP/40"'
ok "what was there is whole, and nothing is left beside it" eval 'tail -n 1 "$info" | grep -q "^updated=" && [ ! -e "$info.new" ]'
rm "$TMP/run/fill"
ok "with room it is written again" eval 'io write 4000 <"$TMP/40" && soon above write_bytes 81919'
ok "(frozen while it is full)" eval 'fill && signals USR1 USR2 && until_true 5 frozen && sleep 1.2'
rm "$TMP/run/fill"
ok "with room the file says so, though nothing else happens" soon is state frozen
ok "(unfrozen)" eval 'signals USR1 USR1 USR2; soon is state serving'
ok "when somebody has removed it, it comes back with the next change" eval 'rm "$info"; io flush && soon test -s "$info"'
ok "(the link goes)" ip -n "$TNS" link set t0 down
ok "the file says so" soon is interface.t0 "$tmac mtu 9000 sectors 17 down"
ok "TERM ends it" stop_target
ok "and the file is gone" [ ! -e "$info" ]
nothing_else() { cat "$TMP/err"; fails grep -v 'unfreeze refused\|down; waiting' "$TMP/err"; }
ok "of all this there is no word in the log" nothing_else

no_dir() {
	on_target timeout 10 "$AOEDE" -i "$TMP/none/info" 9 0 t0 "$img" >"$TMP/run.out" 2>"$TMP/run.err"
	[ $? = 1 ] && cat "$TMP/run.err" && grep -q "^aoede: -i $TMP/none/info: .*directory" "$TMP/run.err"
}
ok "a directory that isn't there is refused by name" no_dir

# A file of that name.
same() { cp "$1" "$TMP/copy"; refused "$1" && cmp "$1" "$TMP/copy"; }
refused() {
	on_target timeout 10 "$AOEDE" -i "$1" 9 0 t0 "$img" >"$TMP/run.out" 2>"$TMP/run.err"
	[ $? = 1 ] && cat "$TMP/run.err" && grep -q "^aoede: -i $1: not an info file" "$TMP/run.err"
}
ok "the image is not replaced" same "$img"
ok "nor is a link to it, or to nowhere" eval 'ln -s "$img" "$TMP/link"; refused "$TMP/link"; ln -s none "$TMP/loose"; refused "$TMP/loose" && [ -L "$TMP/link" ] && [ -L "$TMP/loose" ]'
ok "nor a fifo, which nobody waits for" eval 'mkfifo "$TMP/fifo"; refused "$TMP/fifo" && [ -p "$TMP/fifo" ]'
ok "a directory can't be one" refused "$TMP/run"
ok "an empty file is" eval ': >"$info"; start_target -i "$info" 9 0 t0 "$img" && soon is state serving'
ok "one that was left behind is" eval 'stop_target KILL; [ -s "$info" ] && start_target -i "$info" 9 0 t0 "$img" && soon is pid "$TPID"; stop_target'

# By the name that is written to first.
beside() { rm -rf "$info"; left_alone i "$info" "$@" && [ ! -e "$info" ]; }
echo precious >"$TMP/precious"
ok "a link beside it is refused" beside ln -s "$TMP/precious" "$info.new"
ok "a directory" beside mkdir "$info.new"
ok "a fifo" beside mkfifo "$info.new"
ok "a device" beside mknod "$info.new" c 1 3
ok "somebody's file" beside cp "$TMP/precious" "$info.new"
rm -f "$info.new"
ok "(the link is back)" eval 'ip -n "$TNS" link set t0 up && carrier "$TNS" t0'
ok "the umask doesn't keep its readers away" eval '(umask 077; on_target "$AOEDE" -i "$info" 9 1 t0 "$TMP/40" & reads=$!; until_true 5 test -s "$info"; stat -c %a "$info"; kill $reads; wait $reads) >"$TMP/mode"; grep -qx 644 "$TMP/mode"'
ok "what a death has left of one is no obstacle" eval 'echo "address=e9" >"$info.new"; start_target -i "$info" 9 0 t0 "$img" && soon is pid "$TPID"'
later() { # later FILE COMMAND...: it comes while the target runs
	victim=$1
	shift
	"$@" || return 1
	stat -c '%i %F %s %Y' "$victim" >"$TMP/beside"
	old=$(stamp)
	io write 6000 <"$TMP/40"
	sleep 2.2
	stat -c '%i %F %s %Y' "$victim" | diff "$TMP/beside" - && [ "$(stamp)" = "$old" ] && io verify 1 || return 1
	rm -rf "$victim"
	soon is pid "$TPID"
}
ok "a link that comes there later is not followed" later "$info.new" ln -s "$TMP/precious" "$info.new"
ok "somebody's file that comes there is left alone" later "$info.new" cp "$TMP/precious" "$info.new"
ok "so is one in the place of the info file" later "$info" sh -c 'cp "$0" "$1.other" && mv "$1.other" "$1"' "$TMP/precious" "$info"
ok "and a link" later "$info" ln -sf "$TMP/precious" "$info"
ok "at the end, too" eval 'ln -sf "$TMP/precious" "$info"; stop_target && [ -L "$info" ]'
ok "what the links name is as it was" [ "$(cat "$TMP/precious")" = precious ]
rm "$info"
ok "a directory that can't be written to is refused" eval 'chmod 755 "$TMP"; mkdir "$TMP/closed"; chmod 777 "$TMP/run"
	fails on_target timeout 10 setpriv --reuid 1000 --regid 1000 --clear-groups --inh-caps +net_raw --ambient-caps +net_raw "$AOEDE" -r -i "$TMP/closed/info" 9 0 t0 "$img" 2>"$TMP/run.err"
	cat "$TMP/run.err"; grep -qF -e "-i $TMP/closed/info: Permission denied: expected to write $TMP/closed/info.new, too" "$TMP/run.err"'

odd="$TMP/a
state=frozen
disk"
ok "(a target of a file whose name has several lines)" eval 'truncate -s 1M "$odd" && start_target -i "$info" 9 0 t0 "$odd"'
ok "is a line like any other" eval 'soon is file "$TMP/a?state=frozen?disk" && is state serving'

done_testing
