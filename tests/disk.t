#!/bin/sh
# What happens to the disk: which bytes are exported, read, written, synced
# and trimmed, on files and block devices, and what becomes of the errors.

# shellcheck disable=SC2016,SC2086,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 strace:strace losetup:mount mkfs.ext4:e2fsprogs perl:perl \
	fincore:util-linux-extra timeout:coreutils || exit 1
. tests/lib.sh

mknet 9000
io() { on_initiator "$B/tests/aoeio" "$@"; }
serve() { start_target "$@"; }
then_stop() { r=$?; stop_target && [ $r = 0 ]; }

# Files and what is in them; all counts are sectors.
random() { head -c $(($2 * 512)) /dev/urandom >"$1"; }
part() { dd if="$1" bs=512 skip="$2" count="$3" status=none; }
sum() { part "$@" | cksum; }
put() { dd if="$1" of="$2" bs=512 seek="$3" conv=notrunc status=none; }
wire() { io read "$1" "$2" | cksum; }
# reads LBA N FILE SECTOR: what the target has there is what the file has.
reads() { [ "$(wire "$1" "$2")" = "$(sum "$3" "$4" "$2")" ]; }
zeros() { [ "$(wire "$1" "$2")" = "$(sum /dev/zero 0 "$2")" ]; }
write() { io write "$1" <"$2"; }
size_is() { [ "$(io size)" = "$1" ]; }

# ata_error STATUS ERROR COMMAND...: the command is answered with an ATA
# error that has these bits.
ata_error() {
	want=$1 bits=$2
	shift 2
	io "$@" >"$TMP/ata.out" 2>"$TMP/ata.err"
	rc=$?
	cat "$TMP/ata.out" "$TMP/ata.err"
	# shellcheck disable=SC2046 # two words
	set -- $(sed -n 's/.*ata status \(0x[0-9a-f]*\) error \(0x[0-9a-f]*\).*/\1 \2/p' "$TMP/ata.err")
	[ $rc = 1 ] && [ $# = 2 ] && [ $(($1 & (want | 0x41))) = $((want | 0x41)) ] && [ $(($2 & bits)) = $((bits)) ]
}
abrt() { ata_error 0 0x04 "$@"; }
idnf() { ata_error 0 0x10 "$@"; }
unc() { ata_error 0 0x40 "$@"; }
fault() { ata_error 0x20 0 "$@"; }
bad_lba() { grep -q " lba $1 " "$TMP/ata.out"; }

# loop FILE [ARGUMENTS...]: $LOOP is a loop device on the file.
loop() {
	file=$1
	shift
	LOOP=$(losetup --show -f "$@" "$file") && undo "losetup -d $LOOP"
}
# filesystem DIRECTORY ARGUMENTS...: mounted there until the script ends.
filesystem() {
	dir=$1
	shift
	mkdir "$dir" && mount "$@" "$dir" && undo "umount '$dir'"
}

# tracing CALLS COMMAND...: do it with the target's system calls traced, into
# $TMP/trace; CALLS is what strace's -e wants.  With $only, only those on
# that file.
only=
tracing() {
	calls=$1
	shift
	strace ${only:+-P "$only"} -f -p "$TPID" -o "$TMP/trace" -e "$calls" 2>"$TMP/attached" &
	spid=$!
	until_true 5 grep -q attached "$TMP/attached" || return 1
	until_true 10 traced || return 1
	"$@"
	r=$?
	kill -INT $spid
	wait $spid
	cat "$TMP/trace"
	return $r
}
# strace says that it is attached a little before every thread is.
traced() { ! grep -q '^TracerPid:[[:space:]]*0$' "/proc/$TPID"/task/*/status; }
synced='f(data)?sync\(|RWF_D?SYNC|sync_file_range'

part /dev/urandom 0 1 >"$TMP/1"
random "$TMP/17" 17
part "$TMP/17" 0 7 >"$TMP/7"	# what any target takes of jumbo frames
random "$TMP/301" 301

# A part of a file.
img=$TMP/part.img
random "$img" 8192
cp "$img" "$TMP/part.old"
random "$TMP/2003" 2003
outside() { [ "$(sum "$img" 0 1001)" = "$(sum "$TMP/part.old" 0 1001)" ] && [ "$(sum "$img" 3004 9999)" = "$(sum "$TMP/part.old" 3004 9999)" ]; }
ok "-o and -l are taken" serve 9 0 t0 "$img" -o 1001 -l 2003
ok "-l is the size of the export" size_is 2003
ok "-o and -l export the right sectors" reads 0 2003 "$img" 1001
ok "a write of the whole export succeeds" write 0 "$TMP/2003"
ok "the data are in the right sectors" [ "$(sum "$img" 1001 2003)" = "$(sum "$TMP/2003" 0 2003)" ]
ok "the sectors before and after are as they were" outside
ok "a write beyond -l is refused with IDNF" idnf ata 0x34 0 1 2003 "$TMP/1"
ok "a write across the end is refused with IDNF" idnf ata 0x34 0 7 1999 "$TMP/7"
ok "a read across the end is refused with IDNF" idnf ata 0x24 0 7 1999
ok "a trim across the end is refused with IDNF" idnf trim 1990 17
ok "a trim of the whole export succeeds" io trim 0 2003
ok "the trimmed export reads as zeros" zeros 0 2003
ok "the sectors before and after are still as they were" outside
ok "TERM ends the target with 0" stop_target

# Read-only.
cp "$TMP/part.old" "$img"
touch -d '2020-01-01 00:00:00.5' "$img"
when=$(stat -c %y "$img")
ok "-r is taken" serve -r 9 0 t0 "$img"
ok "-r reads" reads 0 8192 "$img" 0
ok "-r refuses a write with ABRT" abrt ata 0x34 0 1 0 "$TMP/1"
ok "-r refuses a 28-bit write with ABRT" abrt ata 0x30 0 1 0 "$TMP/1"
ok "-r refuses WRITE DMA FUA EXT with ABRT" abrt ata 0x3d 0 1 0 "$TMP/1"
ok "-r refuses a trim with ABRT" abrt trim 0 8
ok "-r lets a flush pass" io flush
then_stop
ok "-r leaves the file's contents" cmp "$img" "$TMP/part.old"
ok "-r leaves the file's mtime" [ "$(stat -c %y "$img")" = "$when" ]

# Direct I/O, with an export that begins and ends at odd sectors.
# backing NAME: $disk is a file or a device of 8192 random sectors.
backing() {
	random "$TMP/$1.img" 8192
	cp "$TMP/$1.img" "$TMP/model"
	disk=$TMP/$1.img
	case $1 in
	loop*) loop "$disk" -b "${1#loop}" && disk=$LOOP ;;
	esac
}
# model SECTOR FILE: write it by the wire and into the model of the disk.
model() { put "$2" "$TMP/model" $(($1 + 3)) && write "$1" "$2"; }
like_model() { part "$disk" 0 8192 | cmp - "$TMP/model"; }
for kind in file loop512 loop4096
do
	ok "(8192 sectors: $kind)" backing $kind
	ok "$kind: -d is taken" serve -d 9 0 t0 "$disk" -o 3 -l 8001
	ok "$kind: -d reads everything" reads 0 8001 "$TMP/model" 3
	ok "$kind: -d reads one odd sector" reads 77 1 "$TMP/model" 80
	ok "$kind: -d writes one odd sector" model 77 "$TMP/1"
	ok "$kind: -d writes 17 sectors that no block boundary suits" model 1111 "$TMP/17"
	ok "$kind: -d writes 301 sectors with many requests at once" model 2222 "$TMP/301"
	ok "$kind: -d writes the last sector" model 8000 "$TMP/1"
	ok "$kind: others see what was written with -d, and nothing else changed" like_model
	ok "$kind: -d flushes" io flush
	ok "$kind: -d stands random reads and writes" io verify 2
	ok "$kind: TERM ends it with 0" stop_target
	ok "$kind: verify kept to the export" eval '[ "$(sum "$disk" 0 3) $(sum "$disk" 8004 188)" = "$(sum "$TMP/model" 0 3) $(sum "$TMP/model" 8004 188)" ]'
done
random "$TMP/tail" 1001
cp "$TMP/tail" "$TMP/tail.old"
tail_end() { serve -d 9 0 t0 "$TMP/tail" && reads 995 6 "$TMP/tail" 995 && write 1000 "$TMP/1"; }
ok "-d reads and writes a file's last sectors when they are no whole block" tail_end
then_stop
ok "the file keeps its length" [ "$(wc -c <"$TMP/tail")" = $((1001 * 512)) ]
ok "only its last sector has changed" eval 'put "$TMP/1" "$TMP/tail.old" 1000; cmp "$TMP/tail" "$TMP/tail.old"'
serve_cold() {
	cold "$TMP/file.img"
	[ "$(resident "$TMP/file.img")" = 0 ] && serve "$@" 9 0 t0 "$TMP/file.img"
}
uncached() { serve_cold "$@" && io read 0 8000 >/dev/null; }
ok "-d leaves nothing in the page cache" eval 'uncached -d && [ "$(resident "$TMP/file.img")" = 0 ]; then_stop'
inturn() { for at in 0 100 200 300 400; do io read $at 100 >/dev/null || return 1; done; }
# FreeBSD's kernel does it by itself.
case $AOEDE in
*freebsd*) ;;
*) ok "without -d a file is read ahead for a sequential reader" eval 'serve_cold && tracing trace=readahead inturn && grep -q readahead "$TMP/trace"; then_stop' ;;
esac
ok "without -d the page cache is used" eval 'uncached && [ "$(resident "$TMP/file.img")" -gt 4000000 ]; then_stop'

# On stable storage.  What io_uring does is hidden from strace, so this is the
# variant with threads.
all=$AOEDE
AOEDE=$B/threads/aoede
img=$TMP/sync.img
random "$img" 8192
has_sync() { grep -qE "$synced" "$TMP/trace"; }
no_sync() { ! has_sync; }
sync_before_answer() { # the sync stands before the write is answered, not behind it
	tracing trace=%desc,%network write 8 "$TMP/17" && grep -qE "$synced" "$TMP/trace"
}
dsync() { # dsync FILE: the target has it open with O_DSYNC
	for fd in /proc/"$TPID"/fd/*
	do
		[ "$(readlink "$fd")" = "$1" ] || continue
		flags=$(sed -n 's/^flags:[[:space:]]*//p' "/proc/$TPID/fdinfo/${fd##*/}")
		[ $((0$flags & 010000)) != 0 ] && return 0
	done
	return 1
}
ok "-s is taken" serve -s 9 0 t0 "$img"
ok "-s opens with O_DSYNC or syncs each write" eval 'dsync "$img" || sync_before_answer'
ok "-s writes" eval 'write 8 "$TMP/17"; [ "$(sum "$img" 8 17)" = "$(sum "$TMP/17" 0 17)" ]'
then_stop
ok "(without -s)" serve 9 0 t0 "$img"
nok "without -s a write is not synced" eval 'dsync "$img" || sync_before_answer'
ok "FLUSH CACHE EXT syncs" eval 'tracing trace=%desc io flush && has_sync'
ok "FLUSH CACHE syncs" eval 'tracing trace=%desc io ata 0xe7 0 0 0 && has_sync'
ok "WRITE DMA FUA EXT syncs" eval 'tracing trace=%desc io ata 0x3d 0 1 5 "$TMP/1" && has_sync'
ok "a sync that fails is a flush that fails" eval 'tracing inject=fdatasync,fsync:error=EIO ata_error 0 0 flush && alive'
ok "after it, flushes fail: what was written before may be lost" ata_error 0 0 flush
ok "so do writes" fault ata 0x34 0 1 9 "$TMP/1"
ok "but reads don't" reads 0 8192 "$img" 0
stop_target
ok "(another target)" serve 9 0 t0 "$img"
only=$img
ok "a write that fails is an ATA error" eval 'tracing inject=pwrite64,pwritev,pwritev2,write,writev:error=EIO fault ata 0x34 0 1 9 "$TMP/1" && alive'
only=
ok "what was there is still there" reads 0 8192 "$img" 0
ok "the next write works" write 9 "$TMP/1"
then_stop

# A leak checker can't work in a traced process.
asan=$ASAN_OPTIONS
export ASAN_OPTIONS=detect_leaks=0
ok "(a target)" serve 9 0 t0 "$img"
ok "TERM syncs before it exits" eval 'tracing trace=%desc stop_target && has_sync'
export ASAN_OPTIONS="$asan"
AOEDE=$all
ok "without -d and -s, SIGINT ends it with 0" eval 'serve 9 0 t0 "$img" && stop_target INT'

# TRIM.  entries FILE LBA LENGTH...: a list of ranges for DATA SET MANAGEMENT.
entries() {
	list=$1
	shift
	perl -e 'my ($sectors, @e) = @ARGV; my $s = "";
		while(my ($lba, $n) = splice @e, 0, 2){ $s .= pack "Q<", $lba | $n << 48 }
		print $s . "\0" x (512 * $sectors - length $s)' "$sectors" "$@" >"$list"
}
blocks() { stat -c %b "$1"; }
# trims FILE OFFSET [BACKING]: an unaligned range goes, its neighbours stay;
# with a BACKING, that file shrinks by about as much.
zero() { dd if=/dev/zero of="$TMP/model" bs=512 seek="$1" count="$2" conv=notrunc status=none; }
trims() {
	cp "$1" "$TMP/model" && sync && start_target 9 0 t0 -o "$2" "$1" || return 1
	had=$(blocks "${3:-/dev/null}")
	zero $(($2 + 1003)) 4001 && io trim 1003 4001 && io flush &&
		reads 0 8000 "$TMP/model" "$2" && part "$1" 0 8192 | cmp - "$TMP/model" || return 1
	sync
	if [ $# = 3 ]
	then
		lost=$((had - $(blocks "$3")))
		echo "$lost blocks less"
		[ $lost -ge 3900 ] || return 1
	fi
}
trimmed() { trims "$@"; then_stop; }
# NOPUNCH: a target that only writes zeros to files.
hollowed() { if [ -n "$NOPUNCH" ]; then trimmed "$1" "$2"; else trimmed "$1" "$2" "$1"; fi; }
random "$TMP/trim.img" 8192
ok "TRIM punches a hole in a file" hollowed "$TMP/trim.img" 0
ok "(a tmpfs)" filesystem "$TMP/tmpfs" -t tmpfs none
random "$TMP/tmpfs/img" 8192
ok "TRIM punches a hole in a file on tmpfs" hollowed "$TMP/tmpfs/img" 5
random "$TMP/under" 8192
ok "(a loop device)" loop "$TMP/under"
ok "TRIM punches a hole in a block device" trimmed "$LOOP" 0 "$TMP/under"
random "$TMP/under4k" 8192
ok "(a loop device with sectors of 4096 bytes)" loop "$TMP/under4k" -b 4096
ok "TRIM punches a hole in a block device with large sectors" trimmed "$LOOP" 0 "$TMP/under4k"
random "$TMP/under4k" 8192
losetup -c "$LOOP"; blockdev --flushbufs "$LOOP"
ok "TRIM of an export that begins inside a large sector" trimmed "$LOOP" 3
ok "(a ramfs, which can't punch holes)" filesystem "$TMP/ramfs" -t ramfs none
random "$TMP/ramfs/img" 8192
ok "TRIM writes zeros to a file that can't have holes" trimmed "$TMP/ramfs/img" 0
random "$TMP/ramfs/img" 8192
ok "(a loop device on it)" loop "$TMP/ramfs/img"
ok "TRIM writes zeros to a block device that can't discard" trimmed "$LOOP" 1
ok "with -d too" eval 'put "$TMP/301" "$LOOP" 1100 && serve -d 9 0 t0 "$LOOP" -o 3 && io trim 1101 33 && zeros 1101 33; then_stop'

img=$TMP/several.img
random "$img" 8192
cp "$img" "$TMP/model"
ok "(a target for lists)" serve 9 0 t0 "$img"
sectors=1
entries "$TMP/three" 100 10 0 0 3000 1 5000 7
ok "several ranges in one command" io ata 6 1 1 0 "$TMP/three"
ok "are trimmed, and nothing else" eval 'zero 100 10; zero 3000 1; zero 5000 7; cmp "$img" "$TMP/model"'
entries "$TMP/beyond" 200 10 8190 3 300 10
ok "a range beyond the end is refused with IDNF" idnf ata 6 1 1 0 "$TMP/beyond"
ok "then nothing is trimmed" cmp "$img" "$TMP/model"
entries "$TMP/far" 200 10 281474976710655 65535
ok "a range at the far end of 48 bits is refused with IDNF" idnf ata 6 1 1 0 "$TMP/far"
ok "then nothing is trimmed" cmp "$img" "$TMP/model"
sectors=2
# shellcheck disable=SC2046 # a list
entries "$TMP/many" $(n=0; while [ $n -lt 128 ]; do echo $((n * 16 + 1)) 2; n=$((n + 1)); done)
many() { n=0; while [ $n -lt 128 ]; do zero $((n * 16 + 1)) 2; n=$((n + 1)); done; cmp "$img" "$TMP/model"; }
ok "128 ranges in two sectors" io ata 6 1 2 0 "$TMP/many"
ok "are trimmed, and nothing else" many
ok "a feature other than TRIM is refused with ABRT" abrt ata 6 0 1 0 "$TMP/three"
then_stop
truncate -s 4G "$TMP/4g"
[ -n "$NOPUNCH" ] || ok "4 GiB are trimmed in no time" eval 'serve 9 0 t0 "$TMP/4g" && timeout 10 ip netns exec "$INS" "$B/tests/aoeio" trim 0 8388608; then_stop'

# No room.
# full FILE: a target on a sparse image, with data in its first MiB.
full() {
	truncate -s 8M "$1" && serve 9 0 t0 "$1" && head -c 1M "$TMP/part.old" | io write 0 && reads 0 2048 "$TMP/part.old" 0
}
no_room() {
	io write 4096 <"$TMP/part.old" >"$TMP/ata.out" 2>&1
	rc=$?
	cat "$TMP/ata.out"
	[ $rc = 1 ] && grep -q 'ata status' "$TMP/ata.out"
}
no_room_df() { # some sector of the 8192 there is the first that can't be written
	lba=4096
	while [ $lba -lt 12288 ]
	do
		io ata 0x34 0 7 $lba "$TMP/7" >/dev/null 2>&1 || { fault ata 0x34 0 7 $lba "$TMP/7"; return; }
		lba=$((lba + 16))
	done
	return 1
}
ok "(a tmpfs of 3 MiB)" filesystem "$TMP/small" -t tmpfs -o size=3m none
truncate -s 12M "$TMP/efs.img"
ok "(an ext4 of 12 MiB)" eval 'mkfs.ext4 -q -m 0 -O ^has_journal "$TMP/efs.img" && filesystem "$TMP/efs" -o loop "$TMP/efs.img" && head -c 8M /dev/zero >"$TMP/efs/filler"'
for kind in small efs
do
	ok "$kind: a sparse image on a file system with little room" full "$TMP/$kind/img"
	ok "$kind: a write with no room is an ATA error" no_room
	ok "$kind: namely a device fault" no_room_df
	ok "$kind: the target lives" alive
	ok "$kind: earlier data are intact" reads 0 2048 "$TMP/part.old" 0
	case $kind in
	small) mount -o remount,size=32m "$TMP/small" ;;
	efs) rm "$TMP/efs/filler"; sync -f "$TMP/efs/img" ;;
	esac
	ok "$kind: with room again, writes work" eval 'head -c 3M "$TMP/part.old" | io write 4096'
	ok "$kind: and can be read" reads 4096 6144 "$TMP/part.old" 0
	then_stop
done

# A disk with bad sectors: a file that was cut off under the target, and
# a loop device on such a file.
img=$TMP/cut.img
random "$img" 8192
ok "(a target on a file)" serve 9 0 t0 "$img"
ok "it is read" reads 0 8192 "$img" 0
truncate -s $((2053 * 512)) "$img"
ok "a read behind the end of a truncated file gives UNC" unc ata 0x24 0 7 4096
ok "with the LBA of its first sector" bad_lba 4096
ok "a read across the end gives UNC" unc ata 0x24 0 7 2051
ok "with the LBA of the first bad sector" bad_lba 2053
ok "READ VERIFY gives UNC" unc ata 0x42 0 17 2045
ok "with the same LBA" bad_lba 2053
ok "a 28-bit read gives UNC" unc ata 0x20 0 7 2051
ok "sectors before the end are read" reads 0 2053 "$img" 0
ok "many bad reads in a row don't end it" eval 'fails io -t 1000 read 3000 300; alive'
truncate -s $((8192 * 512)) "$img"
ok "reads work when the file has grown back" zeros 2053 6139
then_stop
for opt in '' -d
do
	random "$TMP/bad$opt.img" 8192
	ok "(a loop device)" loop "$TMP/bad$opt.img"
	ok "(a target on it) $opt" serve $opt 9 0 t0 "$LOOP"
	part "$TMP/bad$opt.img" 0 2048 >"$TMP/good"
	truncate -s $((2048 * 512)) "$TMP/bad$opt.img"
	ok "a read of bad sectors gives UNC $opt" unc ata 0x24 0 7 4096
	ok "with the LBA of its first sector $opt" bad_lba 4096
	ok "a read across the first bad sector gives UNC $opt" unc ata 0x24 0 7 2043
	ok "with the LBA of the first bad sector $opt" bad_lba 2048
	ok "READ VERIFY across it gives UNC $opt" unc ata 0x42 0 17 2037
	ok "with the same LBA $opt" bad_lba 2048
	ok "good sectors are read $opt" reads 0 2048 "$TMP/good" 0
	then_stop
done

# Killed in the middle of the work.
img=$TMP/kill.img
truncate -s 16M "$img"
survives() { # survives OPTION...: verify goes on with the next target
	serve "$@" 9 0 t0 "$img" || return 1
	io verify 4 >"$TMP/verify" 2>&1 &
	vpid=$!
	PIDS="$PIDS $vpid"
	for _ in 1 2
	do
		sleep 1
		stop_target KILL
		[ $? = 137 ] || return 1
		sleep 0.3
		serve "$@" 9 0 t0 "$img" || return 1
	done
	wait $vpid
	r=$?
	cat "$TMP/verify"
	stop_target && [ $r = 0 ]
}
ok "kill -9 and restart lose no answered write" survives
ok "kill -9 and restart lose no answered write with -d" survives -d
calm() { # TERM while requests come in
	serve 9 0 t0 "$img" || return 1
	io verify 3 >"$TMP/verify" 2>&1 &
	vpid=$!
	PIDS="$PIDS $vpid"
	sleep 1
	stop_target || return 1
	serve 9 0 t0 "$img" || return 1
	wait $vpid
	r=$?
	cat "$TMP/verify"
	[ $r = 0 ]
}
ok "TERM under load exits 0 and loses nothing" calm
then_stop

# Signals.
img=$TMP/hup.img
truncate -s 4M "$img"
said() { cat "$TMP/out" "$TMP/err"; }
hup() { # hup BYTES: after HUP it is advertised and has this size
	truncate -s "$1" "$img"
	said >"$TMP/said"
	listen listen 3
	kill -HUP "$TPID"
	wait $lpid
	cat "$TMP/heard"
	size_is $(($1 / 512))
}
heard() { [ "$(grep -c '^e9\.0 ' "$TMP/heard")" -ge 1 ]; }
ok "(a target)" serve 9 0 t0 "$img"
ok "HUP notices that the file has grown" hup 8388608
ok "and advertises" heard
ok "and the new sectors can be written" eval 'write 16000 "$TMP/17" && reads 16000 17 "$TMP/17" 0'
statistics() { said | diff "$TMP/said" - | grep '^>' | grep -i read | grep -qi writ; }
ok "and prints the statistics" statistics
ok "HUP notices that the file has shrunk" hup 1048576
ok "and advertises" heard
ok "and sectors that are gone are refused with IDNF" idnf ata 0x24 0 1 2048
ok "HUP without a change advertises too" eval 'hup 1048576 && heard'
ok "HUP on an empty file doesn't end it" eval 'truncate -s 0 "$img"; kill -HUP $TPID; sleep 0.3; alive'
ok "it is back when the file is" hup 2097152
for sig in USR2 USR1 USR1 USR1 USR2 PIPE
do
	ok "$sig doesn't end it" eval 'kill -$sig $TPID; sleep 0.1; alive'
done
ok "it still serves" size_is 4096
ok "INT ends it with 0" stop_target INT
ok "-l keeps its length when the file grows" eval 'serve 9 0 t0 "$img" -l 100 && truncate -s 4M "$img" && kill -HUP $TPID && sleep 0.3 && size_is 100; then_stop'
# follows N SIZE: when the file has N sectors, the export has SIZE after HUP.
follows() { truncate -s $(($1 * 512)) "$img" && kill -HUP "$TPID" && until_true 2 size_is "$2"; }
ok "with -o the size is what is behind the offset" eval 'serve 9 0 t0 "$img" -o 1000 && follows 3000 2000 && follows 9000 8000'
ok "a file that ends before the offset doesn't end it" eval 'truncate -s 51200 "$img"; kill -HUP $TPID; sleep 0.3; alive && follows 1010 10'
then_stop
random "$TMP/grow" 4096
ok "(a loop device)" loop "$TMP/grow"
grows() { serve 9 0 t0 "$LOOP" && size_is 4096 && truncate -s 4M "$TMP/grow" && losetup -c "$LOOP" && kill -HUP "$TPID" && until_true 2 size_is 8192; }
ok "HUP notices that a block device has grown" grows
ok "and the new sectors can be written" eval 'write 8000 "$TMP/17" && reads 8000 17 "$TMP/17" 0; then_stop'

done_testing
