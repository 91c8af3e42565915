#!/bin/sh
# Whatever is under way, every answer gets there, and nobody waits for
# others' greed: on a network that gives transmit slots back late, and with a
# disk that is slow.

# shellcheck disable=SC2016,SC2034,SC2317 # lib.sh has the variables; ok calls the functions

tests/needpackages ip:iproute2 tc:iproute2 losetup:mount strace:strace timeout:coreutils mkfs.ext4:e2fsprogs || exit 1
. tests/lib.sh

truncate -s 16M "$TMP/under" "$TMP/other"
shadow=$TMP/shadow

# groups GROUP...: these tests of wire become this script's.
groups() {
	on_initiator timeout 120 "$B/tests/wire" -f "$TMP/under" "$@" >"$TMP/wire.out" 2>&1
	relay "$TMP/wire.out"
	ok "($*: to the end, and the target lives)" eval '[ -n "$plan" ] && alive'
}
mac() { on_initiator cat /sys/class/net/i0/address; }
# 255 MACs that differ in their last byte.
macs() {
	n=0
	printf %s "$(mac)"
	while [ $n -lt 256 ]
	do
		[ "$(printf %02x $n)" = "$(mac | sed 's/.*://')" ] || [ $n = 255 ] || printf ',02:ae:00:00:00:%02x' $n
		n=$((n + 1))
	done
}
counted() {
	kill -HUP "$TPID"
	until_true 5 grep -q 'waited for a slot' "$TMP/out"
	cat "$TMP/out"
	grep -q 'answers that waited for a slot [1-9]' "$TMP/out"
}

LATE=100mbit
mknet 9000
slow() { slow_disk && slow_loop && img=$LOOP && undo "how; losetup -d $img"; }
how
ok "(a disk that can be slow)" slow
how 'write 1000'
ok "(a target)" start_target -d 9 0 t0 "$img"
groups behind
ok "answers that wait are counted" counted
ok "it ends well" stop_target
how

frozen_target() { start_target -d -f "$shadow" 9 0 t0 "$TMP/other" && signals USR1 USR2 && until_true 10 frozen; }
ok "(a frozen target)" frozen_target
strace -f -p "$TPID" -o "$TMP/trace" -P "$shadow" -e trace=pwrite64,pwritev,pwritev2 -e inject=pwrite64,pwritev,pwritev2:delay_enter=700000 2>"$TMP/attached" &
spid=$!
PIDS="$PIDS $spid"
ok "(the map is saved slowly)" until_true 5 grep -q attached "$TMP/attached"
sleep 0.5
groups save
kill "$spid"
reap "$spid"
ok "it was saved in between" grep -q pwrite "$TMP/trace"
ok "it ends well" stop_target
rm -f "$shadow"

ok "(a target for 255 MACs)" start_target -m "$(macs)" 9 0 t0 "$TMP/under"
sleep 0.5
on_initiator timeout 60 "$B/tests/wire" -f "$TMP/under" tell >"$TMP/wire.out" 2>&1 &
lpid=$!
PIDS="$PIDS $lpid"
until_true 5 grep -q listening "$TMP/wire.out"
kill -HUP "$TPID"
wait "$lpid"
relay "$TMP/wire.out"
ok "it ends well" stop_target

LATE=
ip -n "$INS" link del i0
ip -n "$TNS" link del t0
ip netns del "$TNS"
ip netns del "$INS"
mknet 9000
how 'read 3000'
ok "(a target on a disk that takes 3 s for a read)" start_target -d 9 0 t0 "$img"
groups crowd
ok "it ends well" stop_target
# beside_crowd COMMAND...: it succeeds while the crowd's reads wait for the disk.
beside_crowd() {
	on_initiator timeout 120 "$B/tests/wire" -f "$TMP/under" crowd >"$TMP/wire.out" 2>&1 &
	lpid=$!
	PIDS="$PIDS $lpid"
	sleep 1
	on_initiator "$B/tests/aoeio" "$@" && kill -0 "$lpid"
}
crowd_served() {
	wait "$lpid"
	relay "$TMP/wire.out"
	ok "it ends well" stop_target
}
how
ok "(a frozen target on that disk)" eval 'start_target -d -f "$shadow" 9 0 t0 "$img" && signals USR1 USR2 && until_true 10 frozen'
head -c 4096 /dev/urandom >"$TMP/page"
how 'read 3000'
ok "a write to the shadow waits for no read of the image" beside_crowd -t 2500 write 32000 <"$TMP/page"
crowd_served
# The image is whole again.
how
ok "(the shadow is merged)" eval 'start_target -d -f "$shadow" 9 0 t0 "$img" && signals USR1 USR1 USR2 && until_true 20 thawed && stop_target'
# What is to be saved does not wait for all the reads that wait for the disk.
how 'read 1000'
ok "(a target that reads through the page cache)" start_target -S "$TMP/state" 9 0 t0 "$img"
ok "a config string is saved while hundreds of reads wait for the disk" beside_crowd -t 5000 config set "a string"
crowd_served
for bufcnt in 64 256
do
	ok "(a target with -b $bufcnt)" start_target -b $bufcnt -d 9 0 t0 "$img"
	how 'read 300'
	groups greedy
	how
	ok "it ends well" stop_target
done
how
# All that eight initiators may have outstanding comes while the target has no
# processor.
eight() {
	on_initiator "$B/tests/load" -i i0 -s 9 -n 0 -r -q rand -b 8192 -d 64 -I 8 -e 20 -t 2 >"$TMP/load" 2>&1 &
	lpid=$!
	PIDS="$PIDS $lpid"
	sleep 0.5
	kill -STOP "$TPID"
	sleep 0.5
	kill -CONT "$TPID"
	wait "$lpid"
	kill -HUP "$TPID"
	until_true 5 grep -q dropped "$TMP/out"
	cat "$TMP/load" "$TMP/out"
	grep -q ' retransmits=0 errors=0' "$TMP/load"
}
ok "(a target)" start_target 9 0 t0 "$TMP/under"
ok "nothing is lost of what eight initiators may have outstanding" eight
groups congested
ok "it ends well" stop_target

# A large shadow goes, on a file system that discards.
truncate -s 2G "$TMP/discards" "$TMP/large"
mkfs.ext4 -q "$TMP/discards" && mkdir "$TMP/thin" && mount -o loop,discard "$TMP/discards" "$TMP/thin" && undo "umount $TMP/thin"
shadow=$TMP/thin/shadow
head -c 512 /dev/urandom >"$TMP/piece"
serve() { start_target -f "$shadow" "$@" 9 0 t0 "$TMP/large"; }
io() { on_initiator "$B/tests/aoeio" -t 60000 "$@"; }
write() { io write "$1" <"$2"; }
filled() { serve && signals USR1 USR2 && until_true 10 frozen && io verify 3 1 0 400000 && stop_target; }
ok "much is written at random places while it is frozen" filled
ok "(a target)" serve -s
signals USR1 USR1 USR2
ok "while a large shadow is merged and removed no stable write waits for seconds" longest 3000
ok "it is gone" until_true 60 grep -q '^unfrozen' "$TMP/out"
ok "it ends well" stop_target
done_testing
