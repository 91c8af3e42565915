#!/bin/sh
# bench.sh: aoede beside vblade and beside the most that is possible: a
# responder that has no disk (tests/bench/nodisk.c) where the data is in memory,
# and fio's io_uring on the backing file where it is on a disk.  What another
# user might pick, nbdkit over TCP, is in two of the cases.  "make bench"
# runs it; exit 1 when a pass mark is missed (1.3 times vblade in all cases
# of 8 KiB at 32 outstanding in memory), or when an answer was wrong.  The
# other figures wanted are printed beside those reached, at the end.
#
# Taken from the environment:
#   CASES    patterns of the cases to run: "read-*-8k-32 *-1k-* direct-*"
#            (default: *)
#   QUICK    when not empty: only the cases of the table at the end, and few
#            rounds; about four minutes
#   STRICT   when not empty: any figure missed makes the exit status 1
#   ROUNDS   measurements of each case and target (default 8): on a busy machine
#            more and shorter ones do better than few long ones
#   TIME     seconds of each, after WARMUP seconds (default 0.25 and 0.05)
#   FIOTIME  seconds of those on a disk and of those by fio (default 0.5)
#   TARGETS  which to measure (default "aoede vblade ceiling nbdkit fio frozen
#            macvlan info one")
#   SIZE     MiB of the image in memory (default 1024)
#   DIR      where it is put (default /dev/shm: a tmpfs)
#   DISKSIZE MiB of the image on a disk (default 2048)
#   DISKDIR  where it is put (default TMPDIR, or else /var/tmp)
#   BUFOPT   aoede's option for a block buffer in which HOT MiB (default 16)
#            fit (default "-c 32"); when empty, hits there are not measured
#   TCPU LCPU  processors of the targets and of the load generator
#   NICE     their priority (default -15, so that whatever else runs on the
#            machine, and will hardly run meanwhile, disturbs little)
# Every measurement goes to $B/bench.tsv, a chart of the table to $B/bench.svg.
#
# What is compared is fair because of this:
# - All targets of a run are up at the same time and measured in turn, round
#   by round, so that what disturbs the machine disturbs all of them.  The
#   figures are medians over the rounds, the ratios medians of the ratios
#   of neighbouring measurements.
# - Each target has a veth pair of its own.  On a shared one every frame
#   would pass the filters of all sockets there, at the cost of the one
#   that is measured; so the idle targets sleep and cost nothing.
# - aoede, vblade and nbdkit serve the same file, written in full before, so
#   what any of them reads is in the same pages, or in the same places of the
#   disk.
# - All targets run on one processor, and the load generator on the other.
# - On a disk every measurement has other random places, and sequential ones
#   begin at a random place, so that no cache (of the target, of the disk, or
#   of a hypervisor) holds what an earlier measurement has read.
# - On a disk the load generator sleeps when it has nothing to do, as fio
#   does: the disk's interrupts may go to its processor, and the kernel
#   threads that finish direct writes there would have to wait for a tick of
#   the scheduler as long as it spins.
# - What is not to be in memory (cold-*) is taken out of the page cache before
#   each measurement, while no target has it mapped; passed-* is then read by
#   the target that is measured.
# - frozen is another aoede, with an image of its own in memory and the shadow
#   beside it; what it is held against is aoede as it is, with the same
#   options.  Where nothing is to be in the shadow yet ("fresh"), it is
#   frozen anew before each measurement.
# - info is another aoede, which has an info file (-i) on a disk; what it is held
#   against is aoede without one.  Both are read-only, as they share an image.
# - one is the same aoede again, with one initiator that has 32 requests
#   outstanding, or without the other's writes.
# - Where many targets share an interface (many-*) one of them is measured and
#   the others are idle; all are read-only, as they share an image.  macvlan
#   is aoede with an interface of its own for each, all on the same cable.
# nbdkit alone has another load generator, fio, which does more for each
# request than tests/load.

. tests/lib.sh

CASES=${CASES:-*}
if [ -n "$QUICK" ]; then ROUNDS=${ROUNDS:-3}; else ROUNDS=${ROUNDS:-8}; fi
TIME=${TIME:-0.25}
WARMUP=${WARMUP:-0.05}
FIOTIME=${FIOTIME:-0.5}
TARGETS=${TARGETS:-aoede vblade ceiling nbdkit fio frozen macvlan info one}
SIZE=${SIZE:-1024}
DIR=${DIR:-/dev/shm}
DISKSIZE=${DISKSIZE:-2048}
DISKDIR=${DISKDIR:-${TMPDIR:-/var/tmp}}
HOT=${HOT:-16}
PASSED=1024	# MiB that are read first in passed-*
BUFOPT=${BUFOPT--c 32}
NICE=${NICE:--15}
LOAD=$B/tests/load
TSV=$B/bench.tsv
image=
memory=
disk=
cold=
trap 's=$?; rm -f "$memory" "$disk" "$cold" "$cold.shadow"; autogroup 0; (exit $s); cleanup' EXIT
tests/needpackages ip:iproute2 taskset:util-linux lscpu:util-linux fincore:util-linux-extra vblade:vblade \
	gnuplot:gnuplot-nox || exit 1
case $TARGETS in *nbdkit*) tests/needpackages nbdkit:nbdkit || exit 1 ;; esac
case $TARGETS in *nbdkit* | *fio*) tests/needpackages fio:fio || exit 1 ;; esac

# The figures wanted: case, times vblade, share of the ceiling, the latency and
# the processor time in times of whom it is held against, vblade unless the case
# says otherwise; then the case's name in the chart.
wanted() {
	sed 's/ *| */|/g' <<-END
	read-seq-8k-32          | 2.0 | 0.90 | -    | -   | 8 KiB sequential read
	read-rand-8k-32         | 2.0 | 0.85 | -    | -   | 8 KiB random read
	read-rand-512-32        | 2.3 | 0.97 | -    | -   | 512 B random read
	write-seq-8k-32         | 1.8 | 0.85 | -    | -   | 8 KiB sequential write
	write-rand-8k-32        | 1.5 | 0.75 | -    | -   | 8 KiB random write
	read-seq-1k-32          | 2.2 | 0.97 | -    | -   | 1 KiB sequential read, MTU 1500
	write-seq-1k-32         | 2.2 | 0.97 | -    | -   | 1 KiB sequential write, MTU 1500
	read-rand-8k-1          | -   | -    | 0.35 | -   | 8 KiB random read, 1 at a time
	delay-read-rand-4k-1    | -   | -    | 1.10 | -   | 4 KiB random read, 1 at a time, 30 us away
	paced-read-rand-4k-1000 | -   | -    | -    | 1.2 | 4 KiB random read, 1,000 a second
	paced-read-rand-4k-5000 | -   | -    | -    | 1.2 | 4 KiB random read, 5,000 a second
	paced-read-rand-4k-20000 | -  | -    | -    | 1.5 | 4 KiB random read, 20,000 a second
	crowd-read-rand-8k-64   | 0.95 | -   | -    | 1.5 | 8 KiB random read, 8 initiators
	direct-read-rand-8k-32  | 3.5 | 0.85 | -    | -   | 8 KiB random read, -d
	direct-write-rand-8k-32 | 3.5 | 0.85 | -    | -   | 8 KiB random write, -d
	direct-read-seq-8k-32   | 8.0 | 1.0  | -    | -   | 8 KiB sequential read, -d
	deep-read-rand-8k-128   | -   | 1.0  | -    | -   | 8 KiB random read, -d, 128 at a time
	deep-write-rand-8k-128  | -   | 0.85 | -    | -   | 8 KiB random write, -d, 128 at a time
	hit-read-rand-8k-32     | -   | 0.90 | -    | -   | 8 KiB random read, -d, in the buffer
	sync-write-rand-8k-32   | 5.0 | 0.90 | -    | -   | 8 KiB random write, -s
	beside-read-rand-8k-1   | -   | -    | 5.0  | -   | 8 KiB random read, beside writes with -s
	cold-read-seq-8k-32     | 1.0 | -    | -    | -   | 8 KiB sequential read, not in memory
	passed-write-rand-8k-32 | 1.5 | -    | -    | -   | 8 KiB random write, after a pass of reads
	slow-write-seq-8k-64    | -   | 0.90 | -    | -   | 8 KiB sequential write, -d -w, a disk of 20 ms
	slow-write-rand-8k-64   | -   | 0.90 | -    | -   | 8 KiB random write, -d -w, a disk of 20 ms
	fresh-read-rand-8k-32   | -   | 1.0  | -    | -   | 8 KiB random read, frozen, in the image
	fresh-write-rand-8k-32  | -   | 0.75 | -    | -   | 8 KiB random write, frozen, the first
	fresh-write-rand-4k-32  | -   | 0.75 | -    | -   | 4 KiB random write, frozen, the first
	frozen-read-rand-8k-32  | -   | 1.0  | -    | -   | 8 KiB random read, frozen, in the shadow
	frozen-write-rand-8k-32 | -   | 0.70 | -    | -   | 8 KiB random write, frozen, again
	info-read-rand-8k-32    | -   | 0.97 | -    | -   | 8 KiB random read, -i
	info-read-rand-512-32   | -   | 0.97 | -    | -   | 512 B random read, -i
	merge-merge-rand-4k-32  | -   | 1.0  | -    | -   | 4 KiB extents, merged beside 1,000 reads/s
	freshdirect-write-rand-8k-32 | - | 0.60 | - | -   | 8 KiB random write, frozen, the first, -d
	END
}

# Where the kernel groups processes by session for scheduling, nice values
# mean something within the session only, and the session has one of its own.
autogroup() {
	[ ! -w /proc/$$/autogroup ] || echo "$1" >/proc/$$/autogroup
}

die() {
	echo "bench: $*" >&2
	exit 1
}

# Two processors that are not threads of one core, of those we may use.
processors() {
	mine=$(taskset -cp $$ | sed 's/.*: //')
	lscpu -p=CPU,CORE | awk -F, -v mine="$mine" '
	BEGIN {
		n = split(mine, part, ",")
		for (i = 1; i <= n; i++) {
			split(part[i], r, "-")
			for (c = r[1]; c <= (r[2] == "" ? r[1] : r[2]); c++) ok[c] = 1
		}
	}
	/^#/ || !($1 in ok) || seen[$2]++ { next }
	{ print $1 }' | head -n 2
}
# shellcheck disable=SC2046 # two numbers
set -- $(processors)
TCPU=${TCPU:-$1}
LCPU=${LCPU:-$2}
[ -n "$LCPU" ] || die "needs two processor cores"

# pair NAME MTU: a cable of the target's own, from tNAME to iNAME.
pair() {
	ip -n "$TNS" link del "t$1" 2>/dev/null
	ip -n "$TNS" link add "t$1" mtu "$2" type veth peer name "i$1" mtu "$2" netns "$INS" &&
	ip -n "$TNS" link set "t$1" up &&
	ip -n "$INS" link set "i$1" up &&
	until_true 5 carrier "$TNS" "t$1" && until_true 5 carrier "$INS" "i$1"
}

# Each target is e9.0, on its own cable; its pid is left in PID_name.
# start TARGET MTU OPTIONS...
start() {
	pair "$1" "$2" || die "no veth pair"
	on=$1
	shift 2
	case $on in
	aoede | frozen | info)
		start_target -b "$buffers" "$@" 9 0 "t$on" "$image" || die "aoede did not start"
		taskset -acp "$TCPU" "$TPID" >/dev/null
		renice -n "$NICE" -p "$TPID" >/dev/null ;;
	vblade)
		background vblade -b 64 "$@" 9 0 tvblade "$image" ;;
	ceiling)
		background "$B/tests/nodisk" 9 0 tceiling $((size * 2048)) ;;
	nbdkit)
		ip -n "$TNS" addr add 192.0.2.1/30 dev tnbdkit || die "no address"
		ip -n "$INS" addr add 192.0.2.2/30 dev inbdkit || die "no address"
		rm -f "$TMP/nbdkit"
		background nbdkit -f -P "$TMP/nbdkit" -i 192.0.2.1 file "$image"
		until_true 5 [ -s "$TMP/nbdkit" ] || die "nbdkit did not start" ;;
	esac
	eval "PID_$on=\$TPID"
}

# crowd TARGET COUNT: as many targets on one cable, e9.0 to be measured.
crowd() {
	on=$1 count=$2
	pair "$on" 9000 || die "no veth pair"
	for n in $(seq $((count - 1)) -1 0)
	do
		nic=t$on
		if [ "$on" = macvlan ]
		then
			nic=m$n
			ip -n "$TNS" link add link tmacvlan name "$nic" type macvlan mode private || die "no macvlan"
			ip -n "$TNS" link set "$nic" addrgenmode none up || die "no macvlan"
		fi
		program=$AOEDE
		[ "$on" != vblade ] || program=vblade
		background "$program" -b 64 -r 9 "$n" "$nic" "$image"
		idle="$idle $TPID"
	done
	eval "PID_$on=\$TPID"
	all=$((all + count))
	until_true 20 listening "$all" || die "$count of $on did not start"
}
listening() { [ "$(on_target grep -c '88a2' /proc/net/packet)" -ge "$1" ]; }

background() {
	ip netns exec "$TNS" nice -n "$NICE" taskset -c "$TCPU" "$@" >/dev/null 2>&1 &
	TPID=$!
	PIDS="$PIDS $TPID"
}

# load TARGET OPTIONS...: one run of the load generator.
load() {
	on=$1
	shift
	eval "p=\$PID_$on"
	# shellcheck disable=SC2154 # p is set by eval
	on_initiator nice -n "$NICE" taskset -c "$LCPU" "$LOAD" -i "i$on" -s 9 -n 0 -p "$p" "$@"
}

# run_fio COMMAND...: the current case by fio; its result in the format of
# tests/load, with fio's own processor time.
run_fio() {
	mode=$1
	shift
	offset=0
	[ "$kind/$q" = direct/seq ] && offset=$((seed * 31 % 80 * size / 100))
	"$@" --rw="$mode" --bs="$bytes" --iodepth="$d" --time_based --runtime="${FIOMS}ms" \
		--offset="${offset}M" --size="$((size - offset))M" --norandommap --randseed="$seed" >"$TMP/fio" 2>"$TMP/fio.err" || {
		cat "$TMP/fio" "$TMP/fio.err" >&2
		return 1
	}
	awk -F ';' -v o="$([ $rw = r ] || echo 41)" -v bytes="$bytes" '
	function value(s) { sub(/.*=/, "", s); return s + 0 }
	$1 == 3 {
		rps = $(o + 8)
		printf "rps=%d mbs=%.1f mean=%d p50=%.1f p99=%.1f cpu=%.2f errors=%d\n", rps, rps * bytes / 1e6, rps,
			value($(o + 24)), value($(o + 30)), (rps > 0 ? ($88 + $89) / 100 / rps * 1e6 : 0), $5
		ok = rps > 0
	}
	END { exit !ok }' "$TMP/fio"
}

# fio on the backing file, where otherwise the target is.
fio_disk() {
	how=$1
	shift
	run_fio "$how" nice -n "$NICE" taskset -c "$TCPU" \
		fio --minimal --name=disk --ioengine=io_uring --direct=1 --filename="$image" "$@"
}

# fio as the load generator of nbdkit, whose processor time counts then.
fio_nbd() {
	before=$(ticks)
	line=$(run_fio "$1" on_initiator nice -n "$NICE" taskset -c "$LCPU" \
		fio --minimal --name=nbd --ioengine=nbd --uri=nbd://192.0.2.1/) || return 1
	echo "$line" | awk -v t=$(($(ticks) - before)) -v hz="$(getconf CLK_TCK)" -v s="$FIOTIME" '
	{
		split($1, kv, "=")
		sub(/cpu=[^ ]*/, sprintf("cpu=%.2f", t / hz / (kv[2] * s) * 1e6))
		print
	}'
}
ticks() {
	# shellcheck disable=SC2154 # it is set by eval
	sed 's/.*) //' "/proc/$PID_nbdkit/stat" | awk '{ print $12 + $13 }'
}

# among NAME...: those of them that TARGETS has.
among() {
	for t
	do
		case " $TARGETS " in *" $t "*) printf '%s ' "$t" ;; esac
	done
}

stop_all() {
	for t in aoede vblade ceiling nbdkit frozen macvlan info
	do
		eval "TPID=\$PID_$t PID_$t="
		[ -z "$TPID" ] || stop_target TERM
	done
	for p in $idle; do ! mine "$p" || kill "$p"; done
	for p in $idle; do reap "$p"; done
	idle='' all=0
}

# stamp BYTES MIB: each target has to return what it has written before
# anything is measured.
stamp() {
	for t in $(among aoede vblade)
	do
		eval "p=\$PID_$t"
		[ -n "$p" ] || continue
		[ -n "$filled" ] || load "$t" -w -q seq -b "$1" -c $((SIZE * 1048576 / $1)) >/dev/null || die "could not fill the image"
		filled=1
		load "$t" -w -v -q seq -b "$1" -S $(($2 * 1048576)) -c $(($2 * 1048576 / $1)) -e 2 >/dev/null || die "$t: wrong answers"
		load "$t" -r -v -q rand -b "$1" -S $(($2 * 1048576)) -c $(($2 * 300)) -e 2 >/dev/null || die "$t does not return what was written"
	done
}

# set_up KIND MTU: the targets that cases of this kind need.
set_up() {
	[ "$kind $mtu" = "$1 $2" ] && return
	stop_all
	kind=$1 mtu=$2 buffers=64
	case $kind in
	memory | paced | delay | crowd | fresh | frozen | info | many-* | merge) in_memory ;;
	slow) on_a_slow_disk ;;
	*) on_a_disk ;;
	esac
	block=$((mtu > 8228 ? 8192 : 1024))
	case $kind in
	paced | delay | crowd)
		for t in $(among aoede vblade); do start "$t" "$mtu"; done
		stamp $block 16 ;;
	beside)
		for t in $(among aoede); do start "$t" "$mtu" -s; done
		for t in $(among ceiling); do start "$t" "$mtu"; done
		stamp $block "$HOT" ;;
	memory)
		for t in $(among aoede vblade ceiling); do start "$t" "$mtu"; done
		[ "$mtu" = 1500 ] || for t in $(among nbdkit); do start "$t" "$mtu"; done
		stamp $block 16 ;;
	direct)
		for t in $(among aoede vblade); do start "$t" "$mtu" -d; done
		stamp $block 4 ;;
	hit)
		# shellcheck disable=SC2086 # words
		for t in $(among aoede); do start "$t" "$mtu" -d $BUFOPT; done
		for t in $(among ceiling); do start "$t" "$mtu"; done
		stamp $block "$HOT"
		# What a single pass leaves behind need not be kept.
		load aoede -r -q seq -b $block -S $((HOT << 20)) -c $((HOT << 9)) >/dev/null || die "aoede: wrong answers" ;;
	many-*)
		fill
		for t in $(among aoede macvlan vblade); do crowd "$t" "${kind#many-}"; done ;;
	info)
		fill
		for t in $(among aoede); do start "$t" "$mtu" -r; done
		for t in $(among info); do start "$t" "$mtu" -r -i "$TMP/info"; done ;;
	cold | passed)
		for t in $(among aoede vblade); do start "$t" "$mtu"; done
		stamp $block 4 ;;
	deep)
		buffers=256
		for t in $(among aoede); do start "$t" "$mtu" -d; done
		stamp $block 4 ;;
	sync)
		for t in $(among aoede vblade); do start "$t" "$mtu" -s; done
		stamp $block 1 ;;
	slow)
		for t in $(among aoede); do start "$t" "$mtu" -d -w -c 16; done ;;
	fresh | frozen | merge)
		for t in $(among aoede); do start "$t" "$mtu"; done
		stamp $block 16
		for t in $(among frozen); do start_frozen; done ;;
	freshdirect)
		for t in $(among aoede); do start "$t" "$mtu" -d; done
		for t in $(among frozen); do start_frozen -d; done ;;
	esac
}

# fill: write the image in full, where the targets only read.
fill() {
	[ -n "$filled" ] || dd if=/dev/zero of="$image" bs=1M count="$SIZE" conv=notrunc 2>"$TMP/dd" || die "$(cat "$TMP/dd")"
	filled=1
}

# start_frozen OPTION...: the frozen target, all of its image in the shadow
# unless it is to be fresh; the image lies beside the other target's.
start_frozen() {
	warm=$image
	rm -f "$cold" "$cold.shadow"
	cold=$(mktemp "$(dirname "$warm")/aoede-bench.XXXXXX") || exit 1
	cp "$warm" "$cold" || die "no room for another image"
	# The copy is not to reach the disk while something is measured.
	sync "$cold" || die "can't sync the image"
	image=$cold
	start frozen "$mtu" -f "$cold.shadow" "$@"
	image=$warm
	# Also where it is to be fresh: memory that the host of a virtual machine
	# has to find first is ten times as slow.
	freeze
	load frozen -w -q seq -b $block -c $((size * 1048576 / block)) -e 2 >/dev/null || die "frozen: wrong answers"
	[ "$kind" = frozen ] || freeze
	load frozen -w -v -q seq -b $block -S 16777216 -c $((16777216 / block)) -e 2 >/dev/null || die "frozen: wrong answers"
	load frozen -r -v -q rand -b $block -S 16777216 -c 4800 -e 2 >/dev/null || die "frozen does not return what was written"
}

# freeze: after an unfreeze, if need be.
freeze() {
	# shellcheck disable=SC2154 # PID_frozen is set by eval
	TPID=$PID_frozen shadow=$cold.shadow
	if frozen
	then
		signals USR1 USR1 USR2
		until_true 60 thawed || die "no end of the merge"
	fi
	# It may be about to end the merge still.
	for _ in 1 2 3 4 5
	do
		signals USR1 USR2
		! until_true 2 frozen || return 0
	done
	die "not frozen"
}

# merge: how fast 16,384 extents at random places leave the shadow while
# somebody reads 1,000 times a second; its p50 and p99.
merge() {
	freeze
	load frozen -w -q rand -b "$bytes" -d 32 -c 16384 -x "$seed" >/dev/null || return 1
	began=$(date +%s%N)
	signals USR1 USR1 USR2
	load frozen -r -q rand -b "$bytes" -d 1 -R 1000 -t 1 >"$TMP/reader" || return 1
	until_true 60 thawed || return 1
	awk -v us=$((($(date +%s%N) - began) / 1000)) '{ rate = sprintf("%.0f", 16384e6 / us); sub(/^rps=[0-9]* mbs=[^ ]* mean=[0-9]*/, "rps=" rate " mean=" rate); print }' "$TMP/reader"
}

in_memory() {
	[ -n "$memory" ] || memory=$(mktemp "$DIR/aoede-bench.XXXXXX") || exit 1
	image=$memory size=$SIZE
	truncate -s "${size}M" "$image" || die "no room for the image"
}

# A disk that takes 20 ms for whatever it is asked for, 64 at a time.
on_a_slow_disk() {
	if [ -z "$slowly" ]
	then
		in_memory
		ln -s "$image" "$TMP/under"
		how "read 20" "write 20" "sync 20"
		slow_disk || die "no slow disk"
		slow_loop 64 || die "no loop device with such a queue"
		slowly=$LOOP
		undo "losetup -d $slowly"
	fi
	image=$slowly size=$SIZE
}

on_a_disk() {
	if [ -z "$disk" ]
	then
		[ "$(stat -f -c %T "$DISKDIR")" != tmpfs ] || die "$DISKDIR is in memory; set DISKDIR, or CASES='read-* write-*'"
		disk=$(mktemp "$DISKDIR/aoede-bench.XXXXXX") || exit 1
		fallocate -l "${DISKSIZE}M" "$disk" || die "no room for the image on a disk"
		# Not zeros, which something below us may be clever about.
		dd if=/dev/urandom of="$disk" bs=4M count=$((DISKSIZE / 4)) conv=notrunc,fsync oflag=direct 2>"$TMP/dd" || die "$(cat "$TMP/dd")"
	fi
	image=$disk size=$DISKSIZE
}

# restart_cold TARGET: alone, with nothing of the image in memory.
restart_cold() {
	stop_all
	if ! cold "$image" || [ "$(resident "$image")" != 0 ]; then die "the image stays in memory"; fi
	start "$1" "$mtu"
}

# measure TARGET ROUND: the case that main has set up.
measure() {
	seed=$((seed + 1))
	mode="read"
	[ $rw = w ] && mode="write"
	[ "$q" = rand ] && mode=rand$mode
	use=rps
	case $1-$kind in
	frozen-fresh*)
		freeze ;;
	*-cold)
		restart_cold "$1" ;;
	*-passed)
		restart_cold "$1"
		load "$1" -r -q seq -b "$bytes" -d "$d" -S $((PASSED << 20)) -c $((PASSED << 7)) -e 2 -z >/dev/null ||
			bad="$bad $case/$1" ;;
	esac
	case $1-$kind in
	fio-sync)
		line=$(fio_disk $mode --fdatasync="$d") ;;
	fio-slow)
		FIOMS=3000
		line=$(fio_disk $mode)
		FIOMS=$SHORTMS ;;
	fio-*)
		line=$(fio_disk $mode) ;;
	nbdkit-*)
		line=$(fio_nbd $mode) ;;
	*-memory | *-fresh | *-frozen | *-info | *-many-*)
		line=$(load "$1" -$rw -q "$q" -b "$bytes" -d "$d" -t "$TIME" -u "$WARMUP") ;;
	one-crowd)
		line=$(load aoede -$rw -q "$q" -b "$bytes" -d 32 -t "$TIME" -u "$WARMUP") ;;
	*-crowd)
		line=$(load "$1" -$rw -q "$q" -b "$bytes" -d "$d" -I 8 -t "$TIME" -u "$WARMUP") ;;
	*-paced)
		line=$(load "$1" -$rw -q "$q" -b "$bytes" -d 1 -R "$d" -t "$FIOTIME" -u "$WARMUP") ;;
	*-delay)
		line=$(load "$1" -$rw -q "$q" -b "$bytes" -d "$d" -D 60 -t "$TIME" -u "$WARMUP") ;;
	one-beside)
		line=$(load aoede -$rw -q "$q" -b "$bytes" -d "$d" -S $((HOT << 20)) -t "$FIOTIME" -u "$WARMUP" -e 2) ;;
	*-beside)
		line=$(load "$1" -$rw -q "$q" -b "$bytes" -d "$d" -S $((HOT << 20)) -W 8 -t "$FIOTIME" -u "$WARMUP" -e 2) ;;
	*-passed)
		use=mean
		line=$(load "$1" -$rw -q "$q" -b "$bytes" -d "$d" -t "$FIOTIME" -u "$WARMUP" -x $seed -S $((PASSED << 20)) -e 2 -z) ;;
	*-slow)
		use=mean
		line=$(load "$1" -$rw -q "$q" -b "$bytes" -d "$d" -t 3 -u 1 -x $seed -e 2 -z) ;;
	mark-merge)
		line="rps=9766 mean=9766" ;;
	frozen-merge)
		use=mean
		line=$(merge) ;;
	*-hit)
		line=$(load "$1" -$rw -q "$q" -b "$bytes" -d "$d" -t "$TIME" -u "$WARMUP" -x $seed -S $((HOT << 20))) ;;
	*)
		# Too few requests for a median of slices, and too slow to be sent
		# again soon.
		use=mean
		line=$(load "$1" -$rw -q "$q" -b "$bytes" -d "$d" -t "$FIOTIME" -u "$WARMUP" -x $seed -e 2 -z) ;;
	esac || bad="$bad $case/$1"
	case $line in *fair=0.[0-4]*) bad="$bad $case/unfair" ;; esac
	echo "$line" | awk -v OFS='\t' -v c="$case" -v t="$1" -v r="$2" -v use=$use -v bytes="$bytes" '
	NF > 0 {
		for (i = 1; i <= NF; i++) { split($i, kv, "="); v[kv[1]] = kv[2] }
		print c, t, r, v[use], v[use] * bytes / 1e6, v["p50"], v["p99"], v["cpu"], v["idle"], v["mean"], v["retransmits"], v["errors"]
	}' >>"$TSV"
}

# report WHAT [-v NAME=VALUE]...: the rows of one case; its line in the table at
# the end ("wanted", exit status 1 for a figure missed, 2 for the pass mark), or its bars in
# the chart ("chart").
report() {
	what=$1
	shift
	awk -F '\t' -v c="$case" -v what="$what" -v top="$(top)" "$@" "$STATS"'
	function figure(got, want, low) {
		if (want == "-" || want == "") { printf " %9s %6s", got, ""; return }
		if (got != "-" && (low ? got + 0 > want : got + 0 < want)) missed = 1
		if (got == "-") unknown = 1
		printf " %9s %6.2f", got, want
	}
	function bar(who, x, from, to) {
		printf "%s\t%d\t%s\t%.2f\t%.2f\n", who, panel, x, row + from, row + to
	}
	$1 == c { rounds[$3] = 1; seen[$2] = 1; for (i = 4; i <= NF; i++) v[$2, $3, i] = $i }
	END {
		base = "one" in seen ? "one" : "vblade"
		r = ratio("aoede", base)
		if (what == "wanted") {
			who = "frozen" in seen ? "frozen" : "info" in seen ? "info" : "aoede"
			printf "%-36s", title
			figure(r, times)
			figure(ratio(who, top), share)
			# Who is disturbed is so now and then.
			figure(latency == "-" ? "-" : ratio("aoede", base, base == "one" ? 7 : 6), latency, 1)
			figure(cpu == "-" ? "-" : ratio("aoede", base, 8), cpu, 1)
			print missed ? "  missed" : unknown ? "  not measured" : "  ok"
			exit mark != "" && r != "-" && r + 0 < mark ? 2 : missed
		}
		if (what == "chart") {
			if (r == "-" || times == "-" || base == "one") exit
			n = 2 + ("nbdkit" in seen)
			h = 0.76 / n
			x = ratio(top, "vblade")
			bar("top", x, -0.42, 0.42)
			if (x != "-" && x + 0 >= r) bar("label", x, -0.42, 0.42)
			bar("aoede", r, -0.38, -0.38 + h)
			bar("vblade", 1, -0.38 + h, -0.38 + 2 * h)
			if (n > 2) bar("nbdkit", ratio("nbdkit", "vblade"), -0.38 + 2 * h, 0.38)
			printf "title\t%d\t0\t%d\t%s\n", panel, row, title
			exit
		}
		n = split(targets, t, " ")
		for (i = 1; i <= n; i++)
			printf "%-36s %-8s %9.0f %8.1f %8.1f %8.1f %7.2f %5s %5.2f %9s %10s %5d\n", i == 1 ? title : "",
				t[i], med(t[i], 4), med(t[i], 5), med(t[i], 6), med(t[i], 7), med(t[i], 8),
				t[i] == "fio" || t[i] == "nbdkit" ? "-" : sprintf("%.2f", med(t[i], 9)),
				1 - med(t[i], 10) / (med(t[i], 4) + 1e-9), ratio(t[i], base), ratio(t[i], top), sum(t[i], 11)
	}' "$TSV"
}

# Columns of the measurements are 4 rps, 5 mbs, 6 p50, 7 p99, 8 cpu, 9 idle,
# 10 mean, 11 retransmits, 12 errors.
# shellcheck disable=SC2016 # it is awk
STATS='
function median(a, n,    i, j, t) {
	for (i = 2; i <= n; i++)
		for (j = i; j > 1 && a[j] < a[j-1]; j--) { t = a[j]; a[j] = a[j-1]; a[j-1] = t }
	if (n == 0) return 0
	return n % 2 ? a[(n + 1) / 2] : (a[n/2] + a[n/2 + 1]) / 2
}
function med(t, col,    a, n, r) {
	for (r in rounds) if ((t, r, 4) in v) a[++n] = v[t, r, col] + 0
	return median(a, n)
}
function sum(t, col,    s, r) {
	for (r in rounds) s += v[t, r, col]
	return s
}
function ratio(t, u, col,    a, n, r) {
	if (col == 0) col = 4
	for (r in rounds) if (v[t, r, col] > 0 && v[u, r, col] > 0) a[++n] = v[t, r, col] / v[u, r, col]
	return n ? sprintf("%.2f", median(a, n)) : "-"
}'

# What the share of the ceiling is taken of.
top() {
	case $case in
	direct-* | deep-* | sync-* | slow-*) echo fio ;;
	fresh-* | frozen-* | freshdirect-* | info-*) echo aoede ;;
	merge-*) echo mark ;;
	*) echo ceiling ;;
	esac
}

# run_case READ|WRITE RAND|SEQ BYTES LABEL DEPTH MTU [KIND]
run_case() {
	case=$1-$2-$4-$5
	[ -z "$7" ] || case=$7-$case
	chosen || return 0
	set_up "${7:-memory}" "$6"
	rw=r q=$2 bytes=$3 d=$5
	[ "$1" = write ] && rw=w
	title="$4 $2 $1, $5 outstanding"
	case $kind in
	memory)
		targets=$(among aoede vblade ceiling)
		case $case in read-*-8k-32) targets=$targets$(among nbdkit) ;; esac ;;
	direct) targets=$(among aoede vblade fio) title="$4 $2 $1, $5 outstanding, -d" ;;
	deep) targets=$(among aoede fio) title="$4 $2 $1, $5, -d -b 256" ;;
	paced) targets=$(among aoede vblade) title="$4 $2 $1, $5 a second" ;;
	delay) targets=$(among aoede vblade) title="$4 $2 $1, $5, 30 us each way" ;;
	crowd) targets=$(among aoede one) title="$4 $2 $1, 8 x $5, to 1 x 32" ;;
	beside) targets=$(among aoede one ceiling) title="$4 $2 $1, $5, beside -s, to alone" ;;
	cold) targets=$(among aoede vblade) title="$4 $2 $1, $5, not in memory" ;;
	passed) targets=$(among aoede vblade) title="$4 $2 $1, $5, read before" ;;
	slow) targets=$(among aoede fio) title="$4 $2 $1, $5, -d -w, 20 ms disk" ;;
	merge) targets="$(among frozen) mark" title="$4 merged, beside 1,000 reads/s" ;;
	freshdirect) targets=$(among aoede frozen) title="$4 $2 $1, $5, -d, empty shadow" ;;
	hit) targets=$(among aoede ceiling) title="$4 $2 $1, $5, -d, in buffer" ;;
	sync) targets=$(among aoede vblade fio) title="$4 $2 $1, $5 outstanding, -s" ;;
	info) targets=$(among aoede info) title="$4 $2 $1, $5, info file" ;;
	many-*) targets=$(among aoede macvlan vblade) title="$4 $2 $1, $5, ${kind#many-} on one NIC" ;;
	fresh) targets=$(among aoede frozen) title="$4 $2 $1, $5, empty shadow" ;;
	frozen) targets=$(among aoede frozen) title="$4 $2 $1, $5, full shadow" ;;
	esac
	for round in $(seq "$ROUNDS")
	do
		for t in $targets; do measure "$t" "$round"; done
	done
	report rows -v title="$title" -v targets="$targets"
	ran="$ran $case"
}

chosen() {
	[ -z "$QUICK" ] || wanted | grep -q "^$case|" || return 1
	set -f
	for pat in $CASES
	do
		# shellcheck disable=SC2254 # it is a pattern
		case $case in $pat) set +f; return 0 ;; esac
	done
	set +f
	return 1
}

# The figures wanted beside those reached, and the chart's data; fails when the
# pass mark is missed, or any of them with STRICT.
summary() {
	printf '%-36s %9s %6s %9s %6s %9s %6s %9s %6s\n' '' of-vblade wanted of-top wanted latency wanted cpu wanted
	wanted >"$TMP/wanted"
	failed=0 row=0 wrong=
	: >"$TMP/chart"
	while IFS='|' read -r case times share latency cpu name
	do
		case " $ran " in *" $case "*) ;; *) continue ;; esac
		mark=
		case $case in read-*-8k-32 | write-*-8k-32) mark=1.3 ;; esac
		report wanted -v title="$name" -v times="$times" -v share="$share" -v latency="$latency" -v cpu="$cpu" -v mark=$mark
		s=$?
		[ $s -ne 1 ] || [ -z "$STRICT" ] || failed=1
		[ $s -lt 2 ] || failed=1 wrong="$wrong, $name"
		case $case in read-* | write-*) panel=0 ;; *) panel=1 ;; esac
		report chart -v title="$name" -v panel=$panel -v row=$row -v times="$times" >>"$TMP/chart"
		row=$((row + 1))
	done <"$TMP/wanted"
	echo "of-top: share of what the ceiling or, on a disk, fio on the file reaches, or aoede that isn't frozen"
	echo "or, with -i, has no info file; of extents merged, of 40 MB/s; latency: p50 in vblade's; cpu: processor time a request in vblade's;"
	echo "8 initiators are held against one with 32 outstanding, and p99 beside writes against p99 without"
	case " $ran" in
	*' read-'*-8k-32* | *' write-'*-8k-32*)
		echo "the pass mark, 1.3 times vblade at 8 KiB and 32 outstanding in memory: ${wrong:-ok}" | sed 's/: , /: MISSED in /' ;;
	*)
		echo "the pass mark (8 KiB, 32 outstanding, in memory) was not among the cases" ;;
	esac
	return $failed
}

autogroup "$NICE"
SHORTMS=$(awk "BEGIN { print int($FIOTIME * 1000) }")
FIOMS=$SHORTMS
slowly=
kind=
mtu=
idle=
all=0
filled=
ran=
bad=
seed=$(date +%s)
for ns in "$TNS" "$INS"
do
	ip netns add "$ns" || die "no network namespaces"
done
printf 'case\ttarget\tround\trps\tmbs\tp50\tp99\tcpu\tidle\tmean\tretransmits\terrors\n' >"$TSV" || exit 1

machine="$(uname -sr), $(lscpu | sed -n 's/^Model name: *//p')"
echo "$machine; targets on processor $TCPU, load on $LCPU"
echo "images written in full: $SIZE MiB on $(stat -f -c %T "$DIR"); -d and -s: $DISKSIZE MiB on $(stat -f -c %T "$DISKDIR")"
echo "$ROUNDS rounds of $TIME s, of $FIOTIME s with -d and -s and with fio"
echo "p50, p99: latency; cpu/req: the target's processor time per request; in microseconds"
echo "idle: share of the time in which the load generator only waited; lost: share of the"
echo "requests that pauses (of the machine or of the target) cost, which req/s leaves out;"
echo "of-top: share of the ceiling's requests, with -d of those that fio does on the file, or"
echo "of those of aoede that isn't frozen, or has no info file"
echo
printf '%-36s %-8s %9s %8s %8s %8s %7s %5s %5s %9s %10s %5s\n' case target req/s MB/s p50 p99 cpu/req idle lost of-vblade of-top resent
# All of one MTU first, as the targets are started anew for the other.
for sizes in '8192:8k:9000 4096:4k:9000 512:512:9000' 1024:1k:1500
do
	for depth in 32 1
	do
		for bs in $sizes
		do
			label=${bs#*:}
			for op in read write
			do
				for order in rand seq
				do
					run_case $op $order "${bs%%:*}" "${label%:*}" $depth "${label#*:}"
				done
			done
		done
	done
done
for rate in 1000 5000 20000
do
	run_case read rand 4096 4k $rate 9000 paced
done
run_case read rand 4096 4k 1 9000 delay
run_case read rand 8192 8k 64 9000 crowd
run_case read rand 8192 8k 32 9000 direct
run_case write rand 8192 8k 32 9000 direct
run_case read seq 8192 8k 32 9000 direct
run_case read rand 8192 8k 128 9000 deep
run_case write rand 8192 8k 128 9000 deep
[ -z "$BUFOPT" ] || run_case read rand 8192 8k 32 9000 hit
run_case write rand 8192 8k 32 9000 sync
run_case read rand 8192 8k 1 9000 beside
run_case read seq 8192 8k 32 9000 cold
run_case write rand 8192 8k 32 9000 passed
run_case write seq 8192 8k 64 9000 slow
run_case write rand 8192 8k 64 9000 slow
for many in 1 16 64
do
	run_case read rand 8192 8k 32 9000 many-$many
	run_case read rand 512 512 32 9000 many-$many
done
run_case read rand 8192 8k 32 9000 fresh
run_case write rand 8192 8k 32 9000 fresh
run_case write rand 4096 4k 32 9000 fresh
run_case read rand 8192 8k 32 9000 frozen
run_case write rand 8192 8k 32 9000 frozen
run_case read rand 8192 8k 32 9000 info
run_case read rand 512 512 32 9000 info
run_case merge rand 4096 4k 32 9000 merge
run_case write rand 8192 8k 32 9000 freshdirect

status=0
echo
summary || status=1
if [ -s "$TMP/chart" ]
then
	# For those who have the chart read to them.
	about='Requests per second of aoede, vblade, nbdkit and the ceiling, relative to vblade'
	gnuplot -e "data='$TMP/chart'; machine='$machine'" tests/bench/bench.gp >"$TMP/svg" &&
	sed "s|<title>Gnuplot</title>|<title>$about</title>|; s|<title>gnuplot_.*</title>||; s|<desc>.*</desc>||" "$TMP/svg" >"$B/bench.svg" || status=1
fi
[ -z "$bad" ] || { echo "wrong or missing answers:$bad"; status=1; }
exit $status
