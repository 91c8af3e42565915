# Sourced by every test script: TAP output, two hosts made of network
# namespaces, a target that is started and stopped, and one cleanup that
# undoes all of it however the script ends.
#
# Set by this file:
#   TMP    a directory of the script's own, removed at the end
#   TNS    the target's namespace; its interface is t0
#   INS    the initiator's namespace; its interface is i0
#   TPID   pid of the target that start_target started last
# Taken from the environment:
#   AOEDE  the daemon under test      (default obj/aoede)
#   B      the build directory        (default obj)

# Set by the sourcing script:
#   shadow the shadow file, if it freezes

# shellcheck shell=sh disable=SC2034,SC2154 # variables are for the sourcing script, and from it
B=${B:-obj}
AOEDE=${AOEDE:-$B/aoede}
TNS=aoede-t-$$
INS=aoede-i-$$
TMP=$(mktemp -d /var/tmp/aoede-test.XXXXXX) || exit 1
TPID=
PIDS=
UNDO=
LOST=
tests=0
failed=0

cleanup() {
	status=$?
	trap - EXIT INT TERM HUP
	for p in $PIDS; do if mine "$p"; then kill "$p" 2>/dev/null; fi; done
	for p in $PIDS
	do
		# A process that ignores TERM gets two seconds.
		n=0
		while mine "$p" && [ $n -lt 20 ]; do sleep 0.1; n=$((n + 1)); done
		if mine "$p"; then kill -9 "$p" 2>/dev/null; fi
		wait "$p" 2>/dev/null
	done
	for p in $({ inhabitants "$TNS"; inhabitants "$INS"; } 2>/dev/null); do kill -9 "$p" 2>/dev/null; done
	eval "$UNDO"
	ip netns del "$TNS" 2>/dev/null
	ip netns del "$INS" 2>/dev/null
	if [ -n "$KEEP" ]; then echo "# kept: $TMP"; else rm -rf "$TMP"; fi
	exit $status
}
# The pid of one that has ended may by now be that of somebody else's process.
mine() { [ "$(sed 's/.*) . //; s/ .*//' "/proc/$1/stat" 2>/dev/null)" = $$ ] && kill -0 "$1" 2>/dev/null; }
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# undo COMMAND: have the cleanup run this, after the processes have ended and
# before what was registered earlier (a mount before its loop device, say).
undo() {
	UNDO="$*
$UNDO"
}

# ok NAME COMMAND...: one test; it passes when the command succeeds.  One that
# takes long says how long, and when in the script that was.
ok() {
	name=$1
	shift
	tests=$((tests + 1))
	uptime
	ok_began=$clock
	if "$@" >"$TMP/ok.out" 2>&1
	then
		echo "ok $tests - $name"
	else
		failed=$((failed + 1))
		echo "not ok $tests - $name"
		sed 's/^/#   /' "$TMP/ok.out" | head -n 40 >&2
		[ -z "$LOST" ] || lost
	fi
	timeline
}
uptime() { read -r clock _ </proc/uptime; clock=${clock%.*}; }
timeline() {
	uptime
	[ $((clock - ok_began)) -lt 5 ] || note "${0##*/}, $((ok_began - script_began)) to $((clock - script_began)) s: $name"
}
uptime
script_began=$clock
# lost: a program that the rest of the script can't do without is gone; $LOST
# has its last words.
lost() {
	tail -n 25 "$LOST" | sed 's/^/# console: /' >&2
	done_testing
}

# nok NAME COMMAND...: one test; it passes when the command fails (by an
# exit status, not by a signal).
fails() { "$@"; s=$?; [ $s -gt 0 ] && [ $s -lt 128 ]; }
nok() { name=$1; shift; ok "$name" fails "$@"; }

# relay FILE: the tests that a program told of in FILE become tests of this
# script.  Sets plan to the program's own; without one it did not get to its
# end.
relay() {
	plan=
	while IFS= read -r line
	do
		case $line in
		"ok "*) tests=$((tests + 1)); echo "ok $tests - ${line#*- }" ;;
		"not ok "*) tests=$((tests + 1)) failed=$((failed + 1)); echo "not ok $tests - ${line#*- }" ;;
		1..*) plan=$line ;;
		*) echo "$line" ;;
		esac
	done <"$1"
}

# modelled PROGRAM ARGUMENT...: the tests of a model test, and that it ran to
# its end.
modelled() {
	timeout 900 "$@" >"$TMP/model.out" 2>"$TMP/model.err"
	status=$?
	relay "$TMP/model.out"
	sed 's/^/# /' "$TMP/model.err" | head -n 200
	ok "the model test ran to its end" model_ended
}
model_ended() { echo "exit status $status"; [ -n "$plan" ] && [ "$status" -le 1 ]; }

# The last line of a script.
done_testing() {
	echo "1..$tests"
	[ $failed -eq 0 ]
	exit
}

note() { echo "# $*"; }
# ticks: processor time of the target, in hundredths of a second.
ticks() { echo $(($(cut -d' ' -f14,15 "/proc/$TPID/stat" | tr ' ' +))); }
milliseconds() { echo $(($(date +%s%N) / 1000000)); }

# within SECONDS COMMAND...: try the command each 50 ms, and no more once the
# guest is lost.
within() {
	n=$(($1 * 20))
	shift
	while ! "$@" >/dev/null 2>&1
	do
		n=$((n - 1))
		[ $n -gt 0 ] && [ -z "$LOST" ] || return 1
		sleep 0.05
	done
}
# until_true SECONDS COMMAND...: the same, with the seconds of a machine that does
# nothing else.  Others may keep processors and disks busy, so four times as many
# go by before it fails.
until_true() {
	n=$(($1 * 4))
	shift
	within $n "$@"
}

# beating FILE: a guest counts in it, each second, for as long as it lives.  Asked
# by within, and fails when the count has stood still for so many of its turns as
# take thirty seconds, and longer on a machine that is busy: a guest that only
# gets no processor is not given up.
beating() {
	read -r beat <"$1"
	if [ "$beat" = "$lastbeat" ]; then still=$((still + 1)); else lastbeat=$beat still=0; fi
	[ $still -lt 600 ]
}

# mknet [MTU]: two hosts joined by a cable, t0 at the target's end and i0
# at the initiator's.  With LATE=RATE there is a switch between them, whose
# line to i0 is of so many bits a second and takes 4000 bytes' time besides for
# each frame: t0 gives a transmit slot back when its frame has left the switch,
# as a real interface does when it has sent it, and not at once.
mknet() {
	if ! ip netns add "$TNS" || ! ip netns add "$INS"; then echo "Bail out! no network namespaces"; exit 1; fi
	for ns in "$TNS" "$INS"
	do
		ip netns exec "$ns" sh -c 'echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6; echo 1 >/proc/sys/net/ipv6/conf/default/disable_ipv6' 2>/dev/null
		ip -n "$ns" link set lo up
	done
	if [ -n "$LATE" ]
	then
		lateline "${1:-9000}"
	else
		ip -n "$TNS" link add t0 mtu "${1:-9000}" type veth peer name i0 mtu "${1:-9000}" netns "$INS"
	fi
	ip -n "$TNS" link set t0 up
	ip -n "$INS" link set i0 up
	until_true 5 carrier "$TNS" t0 && until_true 5 carrier "$INS" i0
}
# The switch is on the initiator's host; its own lines carry frames of any size.
lateline() {
	ip -n "$INS" link add br0 type bridge
	ip -n "$TNS" link add t0 mtu "$1" type veth peer name p0 mtu 65535 netns "$INS"
	ip -n "$INS" link add i0 mtu "$1" type veth peer name p1 mtu 65535
	ip netns exec "$INS" tc qdisc add dev p1 root tbf rate "$LATE" overhead 4000 burst 64kb limit 32mb
	for port in p0 p1
	do
		ip -n "$INS" link set $port master br0
		ip -n "$INS" link set $port up
	done
	ip -n "$INS" link set br0 up
}
carrier() { ip -n "$1" link show "$2" | grep -q 'state UP'; }

# Run a command on one of the two hosts.
on_target() { ip netns exec "$TNS" "$@"; }
on_initiator() { ip netns exec "$INS" "$@"; }

# listen ARGUMENTS...: what aoeio then hears goes to $TMP/heard.  It is $lpid, in
# the background, and listens when this returns.
listen() {
	on_initiator timeout 20 "$B/tests/aoeio" "$@" >"$TMP/heard" &
	lpid=$!
	PIDS="$PIDS $lpid"
	until_true 5 listens
}
listens() { on_initiator grep -q 88a2 /proc/net/packet; }

# cold FILE: nothing of it is in the page cache any more, unless a process has it
# mapped.  resident FILE: so many bytes of it are.
cold() { sync "$1" && dd if="$1" iflag=nocache count=0 status=none; }
resident() { fincore -b -n -o RES "$1" | tr -d ' '; }

# evict HOST: end all that runs there.  A function in the background is a shell,
# and $! that shell's pid: who kills only that leaves the function's command
# running, and an initiator would go on with the next target.
inhabitants() { ip netns pids "$1"; }
deserted() { there=$(inhabitants "$1") && [ -z "$there" ]; }
evict() {
	for p in $(inhabitants "$1"); do kill "$p" 2>/dev/null; done
	until_true 5 deserted "$1" || {
		for p in $(inhabitants "$1"); do echo "$p $(cat "/proc/$p/comm")"; done
		return 1
	}
}

# start_target ARGUMENTS...: start aoede on the target's host and wait until
# it serves.  Its output is in $TMP/out and $TMP/err; fails, with the
# messages on stderr, when it ends instead.
start_target() {
	# Not left to the background process, lest the last target's words be
	# taken for this one's.
	: >"$TMP/out"
	: >"$TMP/err"
	ip netns exec "$TNS" "$AOEDE" "$@" >"$TMP/out" 2>"$TMP/err" &
	TPID=$!
	PIDS="$PIDS $TPID"
	until_true 10 started || return 1
	grep -q '^pid ' "$TMP/out" && return 0
	cat "$TMP/err" >&2
	return 1
}
started() { grep -q '^pid ' "$TMP/out" 2>/dev/null || ! kill -0 "$TPID"; }

# left_alone OPTION FILE COMMAND...: the command makes FILE.new, beside the file
# of that option.  It is refused in one line, and stays as it is.
left_alone() {
	option=$1 kept=$2
	shift 2
	rm -rf "$kept.new"
	"$@" || return 1
	stat -c '%i %F %s %Y' "$kept.new" >"$TMP/beside"
	on_target timeout 10 "$AOEDE" "-$option" "$kept" 9 0 t0 "$img" >"$TMP/run.out" 2>"$TMP/run.err"
	r=$?
	cat "$TMP/run.err"
	[ $r = 1 ] && [ "$(wc -l <"$TMP/run.err")" = 1 ] &&
		grep -qF -e "-$option $kept: $kept.new is something else" "$TMP/run.err" &&
		stat -c '%i %F %s %Y' "$kept.new" | diff "$TMP/beside" -
}

# longest MS: until the shadow is gone, and a little longer, no stable write takes
# so long.  The script has write and the file piece.
longest() {
	worst=0 left=5
	while [ $left -gt 0 ]
	do
		begun=$(milliseconds)
		write 100 "$TMP/piece" || return 1
		took=$(($(milliseconds) - begun))
		[ $took -le $worst ] || worst=$took
		frozen || left=$((left - 1))
	done
	echo "$worst ms"
	[ $worst -lt "$1" ]
}

# reap PID: wait for a process that was told to end, ten seconds at most, and
# return its exit status; 127 when there is none.
reap() {
	[ -n "$1" ] || return 127
	tries=0
	while case $(cut -d' ' -f3 "/proc/$1/stat" 2>/dev/null) in Z | '') false ;; esac
	do
		tries=$((tries + 1))
		[ $tries -lt 500 ] || kill -9 "$1"
		sleep 0.02
	done
	wait "$1" 2>/dev/null
}

# stop_target [SIGNAL]: end the target and return its exit status.
stop_target() {
	kill "-${1:-TERM}" "$TPID" 2>/dev/null
	# One that hangs is ended after ten seconds, lest the suite hang too.
	turns=200
	while kill -0 "$TPID" 2>/dev/null && [ $turns -gt 0 ]; do sleep 0.05; turns=$((turns - 1)); done
	[ $turns -gt 0 ] || kill -9 "$TPID" 2>/dev/null
	reap "$TPID"
	s=$?
	PIDS=$(echo "$PIDS" | sed "s/ $TPID\b//")
	TPID=
	return $s
}
alive() { kill -0 "$TPID"; }

# signals SIGNAL...: one after the other, as the manual has those that freeze
# the image, into $shadow, and unfreeze it.
signals() {
	for signal in "$@"
	do
		kill "-$signal" "$TPID" || return 1
		sleep 0.1
	done
}
frozen() { [ -e "$shadow" ]; }
thawed() { ! [ -e "$shadow" ]; }

# slow_disk: what $TMP/under holds as $TMP/slow/disk, a file on a disk that
# behaves as $TMP/control says (tests/faults/slowdisk.c); how LINE... rewrites that.
how() {
	printf '%s\n' "$@" >"$TMP/control.new"
	mv "$TMP/control.new" "$TMP/control"
}
slow_disk() {
	mkdir -p "$TMP/slow"
	"$B/tests/slowdisk" "$TMP/slow" "$TMP/under" "$TMP/control" &
	SLOWPID=$!
	undo "umount -l '$TMP/slow' 2>/dev/null; ! mine $SLOWPID || kill $SLOWPID; wait $SLOWPID"
	until_true 5 test -e "$TMP/slow/disk"
}
# slow_loop [N]: $LOOP becomes a loop device on it, with N requests under way at
# most.  Such a device keeps what its last user has set; all others rely on 128.
slow_loop() {
	LOOP=$(losetup --show -f --direct-io=on "$TMP/slow/disk") || return 1
	loopqueue=/sys/block/${LOOP#/dev/}/queue/nr_requests
	undo "echo 128 >$loopqueue"
	echo "${1:-128}" >"$loopqueue"
}

# chapter TITLE: the lines of a chapter of README; section TITLE: its commands.
chapter() {
	awk -v title="$1" '
	/^---/ { inside = line == title; known = 0; next }
	known && inside { print line }
	{ line = $0; known = 1 }' README
}
section() { chapter "$1" | sed -n 's/^    //p'; }
