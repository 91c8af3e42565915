#!/bin/sh
# soak.sh: a target under verified load while everything that may happen to
# it happens, for as long as wanted.  "make soak" runs it; exit 1 when
# anything was not as it must be.
#
# Taken from the environment:
#   SOAKTIME  seconds (default 1800)
#   SOAKSEED  what all choices follow from (default: the time)
#   DAEMONS   the daemons to be started in turn (default $AOEDE)
#   SOAKMEM   KiB that memory may grow by in a life (default 10240: the space
#             of requests and of merges is used when it is needed first)
#   KEEP      when not empty: the files are left behind
#
# The network: four interfaces of the target, each with a bridge of its own
# to which initiators are joined; t0 is left in peace, t1 goes up and down, t2
# changes its MTU, t3 is deleted, made again and renamed.
#
# The load: on each of the four a process that verifies a region of its own
# (its content is kept in a file from one epoch to the next, and compared
# before it goes on), and on t0 and t1 three that write to a region they share.
# An initiator repeats what is not answered, so what happens to the target must
# not be seen by any of them.
#
# The events are taken from a pack that is shuffled again when it is empty.
# An epoch ends when the load does; then, with nothing under way, the image
# is compared with what the load knows, or, while it is frozen, with what it
# was.  A life of the target lasts from one start to the next, through epochs;
# each has another mode.
#
# Checks are counted by kind, so that one that is never made is seen.

# shellcheck disable=SC2016,SC2034,SC2317 # check calls the functions and expands what is quoted
# shellcheck disable=SC2086 # numbers and lists of words

. tests/lib.sh

SOAKTIME=${SOAKTIME:-1800}
SOAKSEED=${SOAKSEED:-$(date +%s)}
DAEMONS=${DAEMONS:-$AOEDE}
SOAKMEM=${SOAKMEM:-10240}
IO=$B/tests/aoeio
tests/needpackages ip:iproute2 || exit 1

# Sectors of the export: four regions to verify, one to share, one to trim.
region=32768
shared=131072
nshared=8192
trims=139264
ntrims=8192
size=163840

img=$TMP/disk.img
shadow=$TMP/shadow
log=$TMP/events
mem=$TMP/mem
begin=$(date +%s)
rng=$SOAKSEED
lives=0 epochs=0 nevents=0 bads=0 stop=
frozen=0		# 0 no, 1 yes, 2 being merged
stillsum=		# of the image, when it was frozen
masked='' reserved='' string=''
mode='' limited='' daemon=''
pack='' modes='' daemons=''

now() { date +%s; }
elapsed() { echo $(($(now) - begin)); }
say() { echo "$(elapsed) $*" >>"$log"; }

# rnd N: a number below N, in R.  Not for a subshell, which would forget.
rnd() {
	rng=$(((rng * 1103515245 + 12345) & 0x7fffffff))
	R=$(((rng >> 8) % $1))
}
# pause TENTHS: up to so long.
pause() { rnd "$1"; sleep "$((R / 10)).$((R % 10))"; }

# shuffle WORD...: in another order, in DEALT.
shuffle() {
	DEALT=
	while [ $# -gt 0 ]
	do
		rnd $#
		rest=
		for word
		do
			if [ $R = 0 ]; then DEALT="$DEALT $word"; else rest="$rest $word"; fi
			R=$((R - 1))
		done
		set -- $rest
	done
}

# A check of one of these kinds was made; and it failed.
kinds='data image still state strangers messages memory status'
for kind in $kinds; do eval "made_$kind=0 bad_$kind=0"; done
made() { eval "made_$1=\$((made_$1 + 1))"; }
bad() {
	eval "bad_$1=\$((bad_$1 + 1))"
	bads=$((bads + 1))
	say "BAD $*"
	echo "# $(elapsed) s: $*; before that:"
	tail -n 12 "$log" | sed 's/^/#    /'
	# Later checks would only say it again.
	case $1 in data | image | still | status) stop=1 ;; esac
}
# check KIND WHAT COMMAND...
check() {
	kind=$1 what=$2
	shift 2
	made "$kind"
	"$@" >"$TMP/check.out" 2>&1 && return
	sed 's/^/# /' "$TMP/check.out" | head -n 5
	bad "$kind" "$what"
}

# The network.

# A MAC of its own for each end, so that it is the same when it returns.
cable() {
	ip -n "$TNS" link add "t$1" mtu 9000 address "02:00:00:00:00:0$1" type veth peer name "s$1" mtu 9000 netns "$INS" &&
	ip -n "$INS" link set "s$1" master "b$1" up && ip -n "$TNS" link set "t$1" up
}
# initiator NAME N: joined to bridge N.
initiator() {
	macs="$macs 02:00:00:00:01:$1"
	ip -n "$INS" link add "i$1" mtu 9000 address "02:00:00:00:01:$1" type veth peer name "p$1" mtu 9000 &&
	ip -n "$INS" link set "p$1" master "b$2" up && ip -n "$INS" link set "i$1" up
}
network() {
	ip netns add "$TNS" && ip netns add "$INS" || return 1
	for ns in "$TNS" "$INS"
	do
		ip netns exec "$ns" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6' 2>/dev/null
	done
	macs=
	for n in 0 1 2 3
	do
		ip -n "$INS" link add "b$n" mtu 9000 type bridge mcast_snooping 0 && ip -n "$INS" link set "b$n" up && cable $n && initiator 0$n $n || return 1
	done
	initiator 10 0 && initiator 11 0 && initiator 12 1 && initiator 20 0 || return 1
	# Whoever is on this address is not on any list.
	known=$macs
	initiator 30 0
	until_true 5 carrier "$TNS" t3
}
t() { ip -n "$TNS" link set "$@" || bad status "ip link set $*"; }

# The management's initiator, on the interface that is left in peace, and
# one that nobody knows.
io() { on_initiator "$IO" -i i20 -t 30000 "$@"; }
stranger() { on_initiator "$IO" -i i30 "$@"; }

# Lives.

nextmode() {
	[ -n "$modes" ] || { shuffle default d s w dw ds; modes=$DEALT; }
	[ -n "$daemons" ] || { shuffle $DAEMONS; daemons=$DEALT; }
	set -- $modes
	mode=$1 && shift && modes=$*
	set -- $daemons
	daemon=$1 && shift && daemons=$*
	case $mode in
	default) options= ;;
	d) options='-d -c 4' ;;
	s) options='-s' ;;
	w) options='-w -c 4' ;;
	dw) options='-d -w -c 8' ;;
	ds) options='-d -s -c 4' ;;
	esac
	rnd 3
	case $R in 0) options="$options -b 16" ;; esac
	# With the freeze come the shadow's limit, and to have none.
	rnd 6
	limited=
	if [ $R = 0 ] && [ ! -e "$shadow" ]; then limited=none
	elif [ $R = 1 ]; then limited=8 options="$options -f $shadow,8"
	else options="$options -f $shadow"
	fi
}

# One that was killed may still hold the lock, as long as the kernel has its I/O.
birth() {
	nextmode
	lives=$((lives + 1))
	[ -e "$shadow" ] && was=frozen || was=
	say "life $lives: $daemon $options${was:+ (has a shadow)}"
	tries=0
	while :
	do
		AOEDE=$daemon
		start_target -S "$TMP/state" -o $offset -l $size $options 9 0 t0 t1 t2 t3 "$img" 2>"$TMP/refused" && break
		tries=$((tries + 1))
		if ! grep -q locked "$TMP/refused" || [ $tries -gt 100 ]
		then
			made status
			bad status "no start: $(cat "$TMP/refused")"
			return
		fi
		sleep 0.1
	done
	made status
	born=$(now)
	: >"$mem"
	# Or all had been merged, and just the shadow's end was missing.
	[ -z "$was" ] || check status "a start with a shadow" eval 'thawed || grep "^frozen: \|^merging: " "$TMP/out"'
}

# What a life has said, but for what it had to say.
words() {
	sed -E '/^aoede: t[0-9]: down; waiting for (its return|it to come up)$/d
		/^aoede: (un)?freeze refused: (it is frozen already|it is not frozen|an? (un)?freeze is at work( already)?)$/d
		/^aoede: (t[0-9]: initiator [0-9a-f:]+ refused: |[0-9]+ more (new initiators|initiators refused))/d
		/^aoede: no Landlock \(.*\)$/d' "$TMP/err" >"$TMP/words"
	case $daemon in */norings/*) sed -i '/^aoede: t[0-9]: no packet rings/d' "$TMP/words" ;; esac
	[ "$limited" != 8 ] || sed -i '/: the limit of -f is reached: writes are left unanswered/d' "$TMP/words"
	[ "$limited" != none ] || sed -i '/^aoede: frozen without a shadow (-f): /d' "$TMP/words"
	sed -E '/^t[0-9]: 02:00:00:00:00:0[0-9], MTU [0-9]+, [0-9]+ sectors$/d
		/^[0-9]+ bytes$/d; /^pid [0-9]+: e9\.0, /d
		/^engine [^,]+, rings [^,]+, sandbox /d; /^t[0-9]: initiator [0-9a-f:]+$/d; /^[0-9]+ more new initiators/d
		/^frames refused by the mask list [0-9]+, requests refused by a reservation [0-9]+$/d
		/^(freezing|unfrozen|frozen: writes are left unanswered)$/d
		/^frozen: .* has [0-9]+ sectors$/d
		/^merging: [0-9]+ per cent of [0-9]+ sectors, [0-9]+ MB\/s$/d
		/^unfrozen: all is in the image, and .* is gone$/d
		/^blocks read ahead and used /d; /^frames [0-9]+, at most /d; /^reads [0-9]+ /d
		/^duplicates of requests /d; /^writes with a wrong CRC 0, /d
		/^disk transfers .*, errors 0$/d; /^t[0-9]: (up|down), [0-9]+ frames dropped$/d' "$TMP/out" >>"$TMP/words"
	head -n 5 "$TMP/words"
	[ ! -s "$TMP/words" ]
}

sample() {
	[ -n "$TPID" ] || return 0
	if ! kill -0 "$TPID" 2>/dev/null
	then
		dead=$TPID
		TPID=
		wait "$dead"
		made status
		bad status "it has ended by itself with $?: $(tail -n 3 "$TMP/err")"
		return
	fi
	fds=$(find "/proc/$TPID/fd" -mindepth 1 2>/dev/null | wc -l)
	# Not those of io_uring(7), which the kernel begins and ends as it likes.
	threads=$(grep -sL '^iou-' /proc/"$TPID"/task/*/comm | wc -l)
	awk -v t="$(elapsed)" -v fds="$fds" -v threads="$threads" '
		{ v[$1] = $2 }
		END { if ("VmSize:" in v) print t, v["RssAnon:"], v["VmSize:"], fds, threads, v["VmRSS:"] }' "/proc/$TPID/status" 2>/dev/null >>"$mem"
}

# In a long life, the least of the last third must be no more than the most of
# the first.  The shadow's descriptors and its mapping come and go.
flat() {
	awk -v slack="$SOAKMEM" -v shadow=$((size / 2 + 1024)) '
	{ for (i = 2; i <= 5; i++) v[NR, i] = $i }
	END {
		split(". RssAnon VmSize descriptors threads", name, " ")
		split("0 " slack " " slack + shadow " 3 0", more, " ")
		third = int(NR / 3)
		for (i = 2; i <= 5; i++) {
			most = 0
			for (k = 1; k <= third; k++) if (v[k, i] > most) most = v[k, i]
			least = v[NR, i]
			for (k = NR - third; k <= NR; k++) if (v[k, i] < least) least = v[k, i]
			if (least > most + more[i]) { print name[i], "grew from", most, "to", least; grew = 1 }
		}
		exit grew
	}' "$mem"
}

ended() { ! kill -0 "$TPID"; }
# death SIGNAL: with what it must leave behind.
death() {
	[ -n "$TPID" ] || return
	sample
	say "SIG$1 after $(($(now) - born)) s: $mode"
	# The last flush may take long on a busy disk.
	kill "-$1" "$TPID"
	until_true 60 ended
	stop_target "$1"
	s=$?
	made status
	case $1 in
	9) [ $s = 137 ] || bad status "exit status $s after -9" ;;
	*) [ $s = 0 ] || bad status "exit status $s after $1" ;;
	esac
	check messages "it said in mode $mode$limited what it must not" words
	[ "$(wc -l <"$mem")" -lt 15 ] || check memory "memory grew in mode $mode" flat
	awk -v m="$mode" -v s=$(($(now) - born)) '{ for (i = 2; i <= 6; i++) if ($i > x[i]) x[i] = $i } END { print m, s, x[2], x[3], x[4], x[5], x[6] }' "$mem" >>"$TMP/lives"
	# What it said goes with its life.
	cat "$TMP/out" "$TMP/err" >>"$TMP/all"
}

# What -w has answered survives the end by TERM only.
mortal() {
	case $1$mode in 9w | 9dw) echo TERM ;; *) echo "$1" ;; esac
}
rebirth() {
	death "$(mortal "$1")"
	pause 10
	birth
}

# Freezing.

imagesum() { stat -c %y "$img"; sha1sum <"$img"; }

freeze() {
	[ "$frozen" != 2 ] || frozen || frozen=0
	[ "$frozen" = 0 ] || return 0
	if [ "$limited" = none ]; then hold; return; fi
	signals USR1 USR2
	check status "frozen in a minute" until_true 60 frozen
	[ -z "$stop" ] || return
	stillsum=$(imagesum)
	frozen=1
}

# Without a shadow, writes are held meanwhile.
hold() {
	times=$(grep -c '^unfrozen$' "$TMP/out")
	signals USR1 USR2
	check status "held" until_true 30 held
	[ -z "$stop" ] || return
	check status "a read is answered while writes are held" eval 'io read $trims 8 >/dev/null'
	pause 20
	signals USR1 USR1 USR2
	check status "unfrozen" until_true 30 released
}
held() { [ "$(grep -c '^aoede: frozen without' "$TMP/err")" -gt "$times" ]; }
released() { [ "$(grep -c '^unfrozen$' "$TMP/out")" -gt "$times" ]; }
still() { imagesum >"$TMP/sum"; [ "$(cat "$TMP/sum")" = "$stillsum" ] || { echo "$stillsum" && cat "$TMP/sum"; return 1; }; }

# unfreeze [wait]
unfreeze() {
	[ "$frozen" = 1 ] || return 0
	check still "the image has changed while it was frozen" still
	signals USR1 USR1 USR2
	frozen=2
	[ -z "$1" ] || gone
}
# Signals that were lost with a life that ended are given to the next.
gone() {
	for try in 1 2 3 4 5 6 7 8 9 10
	do
		say "waiting for the merge, $try"
		! until_true 10 thawed || break
		signals USR1 USR1 USR2
	done
	check status "unfrozen in 100 s" thawed
	frozen=0
}

# Events.

sleepy() { kill -STOP "$TPID"; pause 10; kill -CONT "$TPID"; }
updown() { t t1 down; pause 8; t t1 up; }
carriers() { ip -n "$INS" link set s1 down; pause 8; ip -n "$INS" link set s1 up; }
flaps() { n=0; while [ "$n" -lt 10 ]; do t t1 down; t t1 up; n=$((n + 1)); done; }
mtu() { rnd 5; t t2 mtu "$(echo 1500 1600 4200 8000 9000 | cut -d' ' -f$((R + 1)))"; }
deleted() { ip -n "$TNS" link del t3; pause 10; cable 3 || bad status "no new cable"; }
renamed() { t t3 down; t t3 name t9; t t9 up; pause 5; t t9 down; t t9 name t3; t t3 up; }
hup() { kill -HUP "$TPID"; }
flush() { check status "a flush" io flush; }
# Out of the page cache, so that the disk must be asked.
uncached() { dd if=/dev/null of="$img" oflag=nocache conv=notrunc,fdatasync count=0 status=none; dd if="$img" iflag=nocache count=0 status=none; }

config() {
	rnd 100000
	string=text$R
	check state "the config string is set" eval 'io config force $string >/dev/null'
	known_state
}
mask() {
	if [ -z "$masked" ]; then check state "the mask list is set" io mask add $known; masked=1
	else check state "the mask list is taken away" io mask del $known; masked=
	fi
	known_state
	unserved
}
reserve() {
	if [ -z "$reserved" ]; then check state "the reservation is set" io reserve set $known; reserved=1
	else check state "the reservation is taken away" io reserve set; reserved=
	fi
	known_state
	unserved
}
# What a target must know, whatever happened to it.
known_state() {
	check state "the config string" eval '[ "$(io config read)" = "$string" ]'
	check state "the mask list" has "$masked" mask
	check state "the reservation" has "$reserved" reserve
}
# has WANTED COMMAND: the list has everybody, or nobody.
has() {
	io "$2" read >"$TMP/list" || return 1
	cat "$TMP/list"
	[ "$(wc -l <"$TMP/list")" = "$(if [ -n "$1" ]; then echo "$known" | wc -w; else echo 0; fi)" ]
}
unserved() {
	case $masked/$reserved in
	/) want=0 ;;
	/1) want=1 ;;
	*) want=2 ;;
	esac
	stranger -t $((want == 2 ? 300 : 5000)) read 0 1 >"$TMP/stranger" 2>&1
	s=$?
	check strangers "a stranger got $s, not $want" [ "$s" = $want ]
}

# Trimmed and written by the management alone; its model is a file, too.
trim() {
	rnd $ntrims; at=$R
	rnd 1000; n=$((R + 1))
	[ $((at + n)) -le $ntrims ] || n=$((ntrims - at))
	check data "trim" io trim $((trims + at)) $n
	dd if=/dev/zero of="$TMP/trims" bs=512 seek=$at count=$n conv=notrunc status=none
	if [ "$limited" != 8 ] || [ "$frozen" = 0 ]
	then
		rnd $((ntrims - 300)); at=$R
		dd if=/dev/urandom of="$TMP/new" bs=512 count=300 status=none
		check data "write" eval 'io write $((trims + at)) <"$TMP/new"'
		dd if="$TMP/new" of="$TMP/trims" bs=512 seek=$at conv=notrunc status=none
	fi
	check data "what was trimmed and written" eval 'io read $trims $ntrims | cmp - "$TMP/trims"'
}

event() {
	[ -n "$pack" ] || {
		shuffle freeze unfreeze freeze waiting kill term freeze unfreeze kill sleepy updown carriers flaps mtu mtu deleted renamed hup flush uncached config mask reserve trim trim
		pack=$DEALT
	}
	set -- $pack
	ev=$1
	shift
	pack=$*
	[ "$frozen" != 2 ] || frozen || frozen=0
	case $ev in
	kill | term) [ -z "$calm" ] || return 0 ;;
	esac
	nevents=$((nevents + 1))
	say "$ev"
	case $ev in
	waiting) unfreeze wait ;;
	kill) rebirth 9; [ -n "$stop" ] || known_state ;;
	term) rebirth TERM; [ -n "$stop" ] || known_state ;;
	*) $ev ;;
	esac
}

# Epochs.

# worker NAME INTERFACE SECTORS COMMAND...: a process of the load.
worker() {
	name=$1 on=$2 most=$3
	shift 3
	rnd 3
	w=$(echo 4 16 64 | cut -d' ' -f$((R + 1)))
	on_initiator "$IO" -i "$on" -t 180000 -c "$most" -w "$w" "$@" >"$TMP/$name.out" 2>&1 &
	workers="$workers $name:$!"
	PIDS="$PIDS $!"
}
load() {
	workers=
	for v in 0 1 2 3
	do
		worker v$v i0$v "$((v == 2 ? 2 : 255))" verify "$1" $((SOAKSEED + epochs * 10 + v)) $((v * region)) $region "$TMP/model$v"
	done
	worker c1 i10 255 clash "$1" 1 $shared $nshared $((SOAKSEED + epochs))
	worker c2 i11 255 clash "$1" 2 $shared $nshared $((SOAKSEED + epochs))
	worker c3 i12 255 clash "$1" 3 $shared $nshared $((SOAKSEED + epochs))
}
busy() {
	for w in $workers; do kill -0 "${w#*:}" 2>/dev/null && return 0; done
	return 1
}
results() {
	for w in $workers
	do
		p=${w#*:} name=${w%:*}
		wait "$p"
		s=$?
		PIDS=$(echo "$PIDS" | sed "s/ $p\b//")
		made data
		[ $s = 0 ] || bad data "$name ended with $s: $(cat "$TMP/$name.out")"
		cat "$TMP/$name.out" >>"$TMP/loads"
	done
}

# With nothing under way: the image has what the load knows, or what it had.
same() {
	for v in 0 1 2 3
	do
		dd if="$img" bs=512 skip=$((offset + v * region)) count=$region status=none | cmp - "$TMP/model$v" || { echo "region $v"; return 1; }
	done
	dd if="$img" bs=512 skip=$((offset + trims)) count=$ntrims status=none | cmp - "$TMP/trims" || { echo "region of trims"; return 1; }
	io read 0 $size >"$TMP/readback" || { echo "no readback"; return 1; }
	dd if="$img" bs=512 skip=$offset count=$size status=none | cmp - "$TMP/readback"
}
readback() {
	io read 0 $((4 * region)) >"$TMP/readback" && cat "$TMP"/model? | cmp - "$TMP/readback"
}
quiet() {
	[ "$frozen" != 2 ] || gone
	[ -z "$stop" ] || return
	if [ "$frozen" = 1 ]
	then
		check still "the image has changed while it was frozen" still
		check data "the content while frozen" readback
		rnd 3
		[ $R != 0 ] || return
		unfreeze wait
	fi
	[ -z "$stop" ] || return
	flush
	check image "the image isn't what it must be" same
	# An end without warning, with all of it flushed.
	rnd 2
	[ "$R$calm" = 0 ] || return
	say "kill after a flush"
	death 9
	birth
	[ -n "$stop" ] || check image "the image isn't what it must be, after a flush and -9" same
}

long() { [ "$SOAKTIME" -gt 120 ] && [ "$(elapsed)" -gt $((SOAKTIME / 2)) ] && [ "$(elapsed)" -lt $((SOAKTIME * 3 / 4)) ]; }
epoch() {
	epochs=$((epochs + 1))
	# Lives must be long for a leak to show.
	rnd 3
	calm=
	[ $R != 0 ] && [ "$epochs" != 1 ] && ! long || calm=1
	say "epoch $epochs of $1 s${calm:+, calm}"
	load "$1"
	end=$(($(now) + $1))
	while [ -z "$stop" ] && busy
	do
		if [ "$(now)" -lt $end ]; then event; pause 12; else sleep 0.3; fi
		sample
		# It may be waiting for room in the shadow.
		if [ "$(now)" -gt $((end + 5)) ]; then say "drain"; unfreeze; end=$(($(now) + 60)); fi
		minute
	done
	[ -z "$stop" ] || return
	results
	quiet
}

totals() { awk '{ w += $1; r += $3; x += $5 } END { printf "%d writes, %d reads, %d retransmits", w, r, x }' "$TMP/loads"; }
minute() {
	[ "$(elapsed)" -ge $next ] || return 0
	next=$((next + 60))
	# shellcheck disable=SC2046 # words
	set -- $(tail -n 1 "$mem")
	echo "$(elapsed) s: $epochs epochs, $lives lives, $nevents events, $(totals); anonymous ${2:-0} KiB, size ${3:-0} KiB, ${4:-0} descriptors, ${5:-0} threads; $bads bad"
}

report() {
	echo
	echo "mode      lives  seconds   longest | most: RssAnon   VmRSS    VmSize descriptors threads"
	sort "$TMP/lives" | awk '
	$1 != m { row(); m = $1; lives = s = long = a = v = d = t = r = 0 }
	{ lives++; s += $2; if ($2 > long) long = $2; if ($3 > a) a = $3; if ($4 > v) v = $4; if ($5 > d) d = $5; if ($6 > t) t = $6; if ($7 > r) r = $7 }
	function row() { if (lives) printf "%-9s %5d %8d %9d %15d %7d %9d %11d %7d\n", m, lives, s, long, a, r, v, d, t }
	END { row() }'
	echo
	awk '{ c[$2]++ } END { for (e in c) print e, c[e] }' "$log" | grep -E '^(freeze|unfreeze|waiting|kill|term|sleepy|updown|carriers|flaps|mtu|deleted|renamed|hup|flush|uncached|config|mask|reserve|trim) ' | sort | tr '\n' ',' | sed 's/,$//; s/,/, /g'
	echo
	echo "$(totals) in $(elapsed) s; seed $SOAKSEED"
	echo
	for kind in $kinds
	do
		eval "m=\$made_$kind b=\$bad_$kind"
		case $kind in
		data) text="every answered write is read back" ;;
		image) text="the image has all of it when it isn't frozen" ;;
		still) text="a frozen image doesn't change" ;;
		state) text="config string, mask list and reservation are kept" ;;
		strangers) text="strangers get what the lists leave them" ;;
		messages) text="nothing is said that should not be" ;;
		memory) text="memory, descriptors and threads don't grow" ;;
		status) text="it starts, ends, freezes and unfreezes as it should" ;;
		esac
		# shellcheck disable=SC2154 # set by eval
		ok "$text ($m checks, $b failed)" [ "$((m > 0 && b == 0))" = 1 ]
	done
}

rnd 3
offset=$(echo 0 8 7 | cut -d' ' -f$((R + 1)))
echo "# seed $SOAKSEED, $SOAKTIME s, export of $size sectors from $offset"
network || { echo "Bail out! no network"; exit 1; }
truncate -s $(((offset + size) * 512)) "$img"
truncate -s $((ntrims * 512)) "$TMP/trims"
: >"$TMP/loads"
: >"$TMP/lives"
: >"$log"
next=60
birth
# On a machine that is busy with something else it takes longer until all has
# been looked at.
unmade() { for k in $kinds; do eval "[ \$made_$k != 0 ]" || return 0; done; return 1; }
while [ -z "$stop" ] && { [ "$(elapsed)" -lt "$SOAKTIME" ] || { [ "$(elapsed)" -lt $((SOAKTIME * 5)) ] && unmade; }; }
do
	left=$((SOAKTIME - $(elapsed)))
	[ $left -gt 0 ] || left=10
	rnd 30
	e=$((10 + R))
	[ "$SOAKTIME" -gt 120 ] || e=$((8 + R / 5))
	[ $epochs != 0 ] || e=25
	[ $e -lt $left ] || e=$left
	epoch $e
done
death TERM
report
done_testing
