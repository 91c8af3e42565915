#!/bin/sh
# The asynchronous disk work: nobody waits for a disk but who asks it, and
# what the disk does wrong is told to whom it concerns.  Run for each engine,
# by naming the daemon in AOEDE.

# shellcheck disable=SC2016,SC2086,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 losetup:mount mkfs.ext4:e2fsprogs fincore:util-linux-extra awk:mawk || exit 1
. tests/lib.sh

mknet 9000
io() { on_initiator "$B/tests/aoeio" "$@"; }
# The one who measures shall not wait for a processor that others load.
probe() { on_initiator nice -n -10 "$B/tests/aoeio" probe "$@"; }
load() { on_initiator nice -n 19 "$B/tests/aoeio" "$@"; }
serve() { start_target "$@"; }
then_stop() { r=$?; stop_target && [ $r = 0 ]; }

# Files and what is in them; all counts are sectors.
random() { head -c $(($2 * 512)) /dev/urandom >"$1"; }
part() { dd if="$1" bs=512 skip="$2" count="$3" status=none; }
sum() { part "$@" | cksum; }
wire() { io read "$1" "$2" | cksum; }
# reads LBA N FILE SECTOR: what the target has there is what the file has.
reads() { [ "$(wire "$1" "$2")" = "$(sum "$3" "$4" "$2")" ]; }

# Programs in the background: begin NAME COMMAND..., then result NAME, which
# is true when it succeeded.  What it said is in $TMP/NAME.
begin() {
	job=$1
	shift
	"$@" >"$TMP/$job" 2>&1 &
	eval "pid_$job=$!"
	PIDS="$PIDS $!"
}
result() {
	eval "wait \$pid_$1"
	r=$?
	head -c 500 "$TMP/$1" | tr -cd "[:print:]\n" | sed "s/^/$1: /"
	return $r
}
results() { all=0; for job; do result "$job" || all=1; done; return $all; }
running() { eval "kill -0 \$pid_$1"; }

# figure NAME WORD: the number behind the word in what a probe said.
figure() { sed -n "s/.*\b$2 \([0-9][0-9]*\).*/\1/p" "$TMP/$1"; }

# prompt NAME: the probe was served without errors, 99 of 100 reads within
# 20 ms and none of them long after.
prompt() { result "$1" && intime "$1"; }
intime() { [ "$(figure "$1" reads)" -ge 100 ] && [ "$(figure "$1" p99)" -lt 20 ] && [ "$(figure "$1" max)" -lt 200 ]; }
# beside SETTING JOB...: SETTING begins these jobs and a probe, which is
# prompt.  What a machine that does other things too disturbs once is measured
# again; an error of any of them is one.
beside() {
	setting=$1
	shift
	: >"$TMP/late"
	$setting
	result probe || return 1
	intime probe && return
	results "$@" || return 1
	cp "$TMP/probe" "$TMP/late"
	$setting
	prompt probe
}
figures() { note "$(cat "$TMP/late" "$TMP/probe")"; }

# A disk that takes its time and has bad sectors, when it is told to.
SLOWSIZE=262144 # sectors
slowdisk() {
	how
	random "$TMP/under" $SLOWSIZE
	slow_disk && slow_loop 8 || return 1
	DISK=$LOOP
	undo "how; losetup -d $DISK"
}

# Its queue is short, as whoever asks for more must not wait for room there.
ok "(a disk that can be slow)" slowdisk

# What is in memory is answered while the disk is busy.  The first 8 MiB are
# in the page cache, all else is not.
hotsectors=16384
warm() { cold "$1" && io read 0 $hotsectors >/dev/null; }
slow_reads() {
	warm "$image"
	begin probe probe 2 0 $hotsectors
	begin reader load -t 60000 read 100000 8000
	begin reader2 io -t 60000 probe 2 120000 40000
	begin reader3 io -t 60000 probe 2 160000 40000
}
slow_writes() {
	begin writer eval 'part /dev/urandom 0 301 | load -t 60000 write 50001'
	begin probe probe 2 0 $hotsectors
	begin flusher io -t 60000 flush
}
# Writes of parts of pages that are not in memory, which must be read first,
# beside writes that need not wait for anything.
part_writes() {
	warm "$image"
	begin writer load -t 60000 verify 1 1 150001 2999
	begin writer2 load -t 60000 verify 1 2 200003 997
	begin probe probe 2 0 $hotsectors
}
slow_flush() {
	how
	part /dev/urandom 0 4000 | io write 60000
	how 'read 250' 'write 250' 'sync 1500'
	begin flusher io -t 60000 flush
	sleep 0.2
	begin probe probe 1 0 $hotsectors
	begin writer load -t 60000 verify 1 3 60000 4000
}
on_disk() {
	ok "$1: (a target)" serve $2 9 0 t0 "$image"
	ok "$1: (8 MiB are in memory)" warm "$image"
	ok "$1: (the disk becomes slow)" how 'read 250' 'write 250' 'sync 1500'

	ok "$1: cached reads are answered at once while 64 slow reads are under way" beside slow_reads reader reader2 reader3
	figures
	ok "$1: the slow reads are answered" results reader reader2 reader3
	ok "$1: their disk was slow" [ "$(figure reader2 p99)" -ge 200 ]
	ok "$1: with the right data" eval '[ "$(cksum <"$TMP/reader")" = "$(sum "$image" 100000 8000)" ]'

	ok "$1: cached reads are answered at once while slow writes and a flush are under way" beside slow_writes writer flusher
	figures
	ok "$1: the writes and the flush succeed" results writer flusher

	ok "$1: cached reads are answered at once while parts of cold pages are written" beside part_writes writer writer2
	figures
	ok "$1: all data were right" results writer writer2

	ok "$1: reads are answered at once while a FLUSH is under way, although writes come in" eval 'beside slow_flush flusher writer && running flusher'
	figures
	ok "$1: the FLUSH is answered, and the writes" results flusher writer
	how
	ok "$1: TERM ends it with 0" stop_target
}
image=$DISK
on_disk "block device"
on_disk "block device, -d" -d
# Bad sectors in the middle of the disk, around them good ones.
# ata_error BITS COMMAND...: it is answered with these bits in the error register.
ata_error() {
	bits=$1
	shift
	io "$@" >"$TMP/ata.out" 2>"$TMP/ata.err"
	rc=$?
	cat "$TMP/ata.out" "$TMP/ata.err"
	error=$(sed -n 's/.*ata status 0x[0-9a-f]* error \(0x[0-9a-f]*\).*/\1/p' "$TMP/ata.err")
	[ $rc = 1 ] && [ $((error & bits)) = $((bits)) ]
}
unc() { ata_error 0x40 "$@"; }
fault() {
	ata_error 0 "$@"
	status=$(sed -n 's/.*ata status \(0x[0-9a-f]*\).*/\1/p' "$TMP/ata.err")
	[ $((status & 0x21)) = $((0x21)) ]
}
bad_lba() { grep -q " lba $1 " "$TMP/ata.out"; }
part /dev/urandom 0 1 >"$TMP/1"
bad_disk() { # sectors 4096 to 4103 and 70000 to 70007 go bad
	io read 3000 64 >/dev/null && how 'bad 4096 8' 'bad 70000 8'
}
part "$TMP/under" 4000 500 >"$TMP/under.part"
for opt in '' -d
do
	# Written by another, lest it be in the target's own memory.
	dd if="$TMP/under.part" of=$DISK bs=512 seek=4000 conv=notrunc status=none
	cold $DISK
	ok "bad sectors: (a target) $opt" serve $opt 9 0 t0 $DISK
	ok "bad sectors: (the disk goes bad) $opt" bad_disk
	begin verify io verify 2 3 100000 20000
	begin bad io probe 2 4000 200
	ok "bad sectors: a read of one gives UNC $opt" unc ata 0x24 0 7 4096
	ok "bad sectors: with its LBA $opt" bad_lba 4096
	ok "bad sectors: a read across one gives UNC $opt" unc ata 0x24 0 7 4092
	ok "bad sectors: with the LBA of the first bad one $opt" bad_lba 4096
	ok "bad sectors: a read that ends in one gives its LBA $opt" eval 'unc ata 0x24 0 7 69995 && bad_lba 70000'
	ok "bad sectors: READ VERIFY gives UNC with its LBA $opt" eval 'unc ata 0x42 0 200 69900 && bad_lba 70000'
	ok "bad sectors: their neighbours are read $opt" eval 'reads 4000 96 "$TMP/under.part" 0 && reads 4104 396 "$TMP/under.part" 104'
	case $opt in
	-d) ok "bad sectors: a write to one is a fault $opt" fault ata 0x34 0 1 4100 "$TMP/1" ;;
	esac
	ok "bad sectors: random reads around them fail only where they are bad $opt" eval '! result bad && [ "$(figure bad unc)" -ge 10 ] && [ "$(figure bad other)" = 0 ] && [ "$(figure bad unc)" -lt $(($(figure bad reads) / 8)) ]'
	ok "bad sectors: others read and write meanwhile $opt" result verify
	how
	ok "bad sectors: a disk that has recovered is read $opt" reads 4000 500 "$TMP/under.part" 0
	ok "bad sectors: TERM ends it with 0 $opt" stop_target
done

# What must be on stable storage waits for the disk's sync, other writes
# don't.
part /dev/urandom 0 16 >"$TMP/16"
quick() {
	begin quick "$@"
	sleep 0.5
	ended quick && result quick
}
ended() { ! running "$1"; }
synced() { # synced COMMAND...: it succeeds, but not before the sync has
	begin synced "$@"
	sleep 0.5
	running synced && result synced
}
write() { io -t 20000 write 40000 <"$TMP/16"; }
ok "sync: (a target)" serve 9 0 t0 $DISK
ok "sync: (a sync takes 0.8 s)" how 'sync 800'
ok "sync: a write doesn't wait for one" quick write
ok "sync: FLUSH CACHE EXT does" synced io flush
ok "sync: FLUSH CACHE does" eval 'write && synced io ata 0xe7 0 0 0'
ok "sync: WRITE DMA FUA EXT does" synced io ata 0x3d 0 1 40100 "$TMP/1"
how 'sync 800' 'syncerror 5'
ok "sync: one that fails is a flush that fails" eval 'write && fault flush'
how
ok "sync: after it, flushes fail: what was written before may be lost" fault flush
ok "sync: so do writes" fault ata 0x34 0 1 40100 "$TMP/1"
ok "sync: but reads don't" reads 40000 16 "$TMP/16" 0
stop_target
ok "sync: (a target with -s)" serve -s 9 0 t0 $DISK
how 'sync 800'
ok "sync: with -s each write waits for one" synced write
together() { # 64 writes at once, and as many that are sent again: a few syncs
	begin many eval 'part /dev/urandom 0 1088 | io -t 20000 write 30000'
	until_true 8 ended many && result many
}
ok "sync: with -s the writes of a batch share one" together
then_stop
how

# The same of a file, whose file system has locks of its own.  It comes last,
# as the namespaces of other tests may hold the mounted disk for a while.
ok "(an ext4 on the disk)" eval 'mkfs.ext4 -q $DISK && mkdir "$TMP/fs" && mount $DISK "$TMP/fs" && undo "umount \"$TMP/fs\""'
image=$TMP/fs/img
random "$image" 210000
on_disk "file"

# The image and its shadow are on disks of their own.  FreeBSD has few processes
# that do aio on files, and these do it for both.
img=$TMP/frozen.img shadow=$TMP/fs/shadow
truncate -s 64M "$img"
frozen_writes() {
	begin writer load -t 60000 verify 2 1 0 2000
	sleep 0.5
	begin probe probe 2 100000 16384
}
case $AOEDE in
*/freebsd*) ;;
*)
	ok "frozen: (a target with -d)" serve -d -f "$shadow" 9 0 t0 "$img"
	ok "frozen: (it freezes)" eval 'signals USR1 USR2 && until_true 5 frozen'
	how 'read 200' 'write 200' 'sync 200'
	ok "frozen: reads of the image are answered at once while the disk of the shadow is slow" beside frozen_writes writer
	figures
	ok "frozen: the writes succeed" results writer
	how
	ok "frozen: TERM ends it with 0" stop_target
	;;
esac

# An image that gets shorter under load, and longer again.
img=$TMP/cut.img
random "$img" 65536
cp "$img" "$TMP/cut.old"
cut_and_grow() {
	begin verify io verify 2 4 0 20000
	for n in 1 2 3 4; do begin hot$n io probe 2 0 65536; done
	begin all io probe 2 0 20000
	sleep 0.5
	truncate -s $((20000 * 512)) "$img"
	sleep 0.7
	truncate -s $((65536 * 512)) "$img"
	for n in 1 2 3 4
	do
		! result hot$n && [ "$(figure hot$n unc)" -ge 10 ] && [ "$(figure hot$n other)" = 0 ] || return 1
		[ "$(figure hot$n reads)" -gt "$(figure hot$n unc)" ] || return 1
	done
	alive
}
ok "cut short: (a target)" eval 'serve 9 0 t0 "$img" && io read 0 65536 >/dev/null'
ok "cut short under load: reads behind the end give UNC, and it lives" cut_and_grow
ok "cut short under load: reads before the end go on" result all
ok "cut short under load: so do writes, with the right data" result verify
ok "grown again: all of it is served" reads 20000 45536 /dev/zero 0
ok "grown again: all of it is written" eval 'part "$TMP/cut.old" 0 65536 | io write 0; reads 0 65536 "$TMP/cut.old" 0'
drop() { for _ in 1 2 3 4 5 6 7 8; do dd if="$img" iflag=nocache count=0 status=none; sleep 0.3; sync "$img"; done; }
cold_pages() {
	begin cold1 load verify 3 5 0 32768
	begin probe probe 3 32768 32768
	drop
}
ok "cold: others go on while the pages of reads and writes are dropped again and again" beside cold_pages cold1
figures
ok "cold: these are right" result cold1
ok "cold: TERM ends it with 0" stop_target

# Little memory: the target alone in a memory cgroup of 32 MiB.  The controller
# is mounted here, as a bare root has it nowhere: that of version 1 where the
# machine uses it (its hierarchy is not 0), else that of version 2.
group() { # group BYTES
	mkdir "$TMP/groups"
	GROUP=$TMP/groups/aoede-test-$$
	if [ "$(awk '$1 == "memory" { print $2 }' /proc/cgroups)" -gt 0 ]
	then
		limit=memory.limit_in_bytes
		mount -t cgroup -o memory cgroup "$TMP/groups" || return 1
	else
		limit=memory.max
		mount -t cgroup2 cgroup2 "$TMP/groups" || return 1
	fi
	undo "umount '$TMP/groups'"
	[ $limit != memory.max ] || echo +memory >"$TMP/groups/cgroup.subtree_control"
	mkdir "$GROUP" && undo "rmdir '$GROUP'" && echo "$1" >"$GROUP/$limit"
}
squeezed() { # squeezed ARGUMENTS...: the target, started in the group
	: >"$TMP/out"
	: >"$TMP/err"
	sh -c 'echo $$ >"$1"/cgroup.procs && shift && exec "$@"' sh "$GROUP" ip netns exec "$TNS" "$AOEDE" "$@" >"$TMP/out" 2>"$TMP/err" &
	TPID=$!
	PIDS="$PIDS $TPID"
	until_true 10 started && grep -q '^pid ' "$TMP/out"
}
limited() { # the group's pages were taken away to make room
	cat "$GROUP/memory.max_usage_in_bytes" "$GROUP/memory.peak" 2>/dev/null
	[ "$(cat "$GROUP/memory.failcnt" 2>/dev/null || sed -n 's/^max //p' "$GROUP/memory.events")" -gt 0 ]
}
truncate -s 512M "$TMP/large.img"
ok "little memory: (a cgroup)" group 32M
ok "little memory: (a target on 512 MiB)" squeezed 9 0 t0 "$TMP/large.img"
begin verify io verify 4 6 400001 524288
begin probe probe 5 0 1048576
ok "little memory: random reads and writes of 512 MiB are right" result verify
ok "little memory: others are served" result probe
note "$(cat "$TMP/probe")"
ok "little memory: it was too little" limited
ok "little memory: it lives, and TERM ends it with 0" stop_target

# A sparse image on a file system that is full, under load.
full() { # full OPTION: a write with no room is a device fault
	serve $1 9 0 t0 "$TMP/small/img" && part /dev/urandom 0 4096 | io write 0 || return 1
	begin verify io verify 2 11 0 4096
	begin lost eval 'io write 8192 <"$TMP/4m"'
	! result lost && grep -q 'ata status 0x\(21\|61\|71\|31\)' "$TMP/lost" && result verify && alive
}
room() { rm "$TMP/small/filler"; sync -f "$TMP/small"; io write 8192 <"$TMP/4m" && reads 8192 8192 "$TMP/4m" 0; }
random "$TMP/4m" 8192
truncate -s 32M "$TMP/small.img"
ok "no room: (an ext4 of 32 MiB)" eval 'mkfs.ext4 -q -m 0 "$TMP/small.img" && mkdir "$TMP/small" && mount -o loop "$TMP/small.img" "$TMP/small" && undo "umount \"$TMP/small\""'
for opt in '' -d -s
do
	rm -f "$TMP/small/img"
	truncate -s 16M "$TMP/small/img"
	left=$(($(stat -f -c '%a * %S' "$TMP/small") - 3 * 1048576))
	head -c $left /dev/zero >"$TMP/small/filler"
	ok "no room: a write is answered with a device fault, and others go on $opt" full "$opt"
	ok "no room: with room again it works $opt" room
	ok "no room: TERM ends it with 0 $opt" stop_target
done

# Several initiators, on two networks, and a target killed under their load.
ip -n "$TNS" link add t1 mtu 9000 type veth peer name i1 mtu 9000 netns "$INS"
ip -n "$TNS" link set t1 up
ip -n "$INS" link set i1 up
until_true 5 carrier "$TNS" t1
img=$TMP/many.img
truncate -s 64M "$img"
many() { # many SECONDS
	begin one io verify "$1" 7 0 30000
	begin two io -i i1 verify "$1" 8 30000 30000
	begin three io verify "$1" 9 60000 30000
	begin four io -i i1 verify "$1" 10 90000 41072
}
killed() { # killed OPTION...: verify goes on with the next target
	serve "$@" 9 0 t0 t1 "$img" || return 1
	many 2
	sleep 1
	stop_target KILL
	[ $? = 137 ] && serve "$@" 9 0 t0 t1 "$img" && results one two three four
}
for opt in '' -d -s
do
	ok "kill -9 under the load of four initiators loses no answered write $opt" killed $opt
	then_stop
done

# Statistics.
hits() {
	lines=$(grep -c 'from memory' "$TMP/out")
	kill -HUP $TPID
	until_true 5 more && sed -n 's/.*[ (]\([0-9][0-9]*\) from memory.*/\1/p' "$TMP/out" | tail -n 1
}
more() { [ "$(grep -c 'from memory' "$TMP/out")" -gt $lines ]; }
grow() {
	before=$(hits)
	io read 0 1700 >/dev/null
	after=$(hits)
	echo "$before, then $after"
	[ "$after" -ge $((before + 90)) ]
}
ok "statistics: (a target)" eval 'serve 9 0 t0 "$img" && io read 0 1700 >/dev/null'
ok "statistics: HUP prints the reads from memory, and they grow" grow
ok "statistics: TERM ends it with 0" stop_target

done_testing
