#!/bin/sh
# What the host does around a target: what it inherits, logs that nobody
# reads, the service manager, limits, and a device that goes away.

# shellcheck disable=SC2016,SC2034,SC2086,SC2119,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 /usr/share/doc/libio-pty-perl:libio-pty-perl perl:perl strace:strace setpriv:util-linux losetup:mount ss:iproute2 || exit 1
. tests/lib.sh

mknet 9000
img=$TMP/disk.img shadow=$TMP/shadow
truncate -s 80M "$img"
head -c 20480 /dev/urandom >"$TMP/40"
io() { on_initiator "$B/tests/aoeio" "$@"; }
serves() { [ "$(io -t 500 size)" = 163840 ]; }
soon() { until_true 5 "$@"; }
then_stop() { r=$?; stop_target && [ $r = 0 ]; }

# Logs that nobody reads.  by HOW: a program that runs its arguments with
# standard output and error in that state; it prints nothing itself.
cat >"$TMP/by" <<'END'
use Socket; use Fcntl; use IO::Pty ();
my ($how, $pidfile, @cmd) = @ARGV;
my ($theirs, $mine);
if($how eq "stream" || $how eq "read"){ socketpair($mine, $theirs, AF_UNIX, SOCK_STREAM, 0) or die }
elsif($how eq "dgram"){ socketpair($mine, $theirs, AF_UNIX, SOCK_DGRAM, 0) or die }
elsif($how eq "pipe"){ pipe($mine, $theirs) or die }
elsif($how eq "terminal"){ $mine = IO::Pty->new; $theirs = $mine->slave }
elsif($how eq "full"){ open($theirs, ">", "/dev/full") or die }
elsif($how eq "file"){ open($theirs, ">>", $ENV{LOGFILE}) or die }
my $pid = fork;
if($pid == 0){
	open(STDOUT, ">&", $theirs); open(STDERR, ">&", $theirs);
	exec @cmd or die;
}
open(P, ">", $pidfile); print P "$pid\n"; close P;
close $theirs;
$SIG{TERM} = sub { kill TERM => $pid };
if($how eq "read"){
	open(L, ">", $ENV{LOGFILE}) or die;
	while(sysread($mine, my $b, 4096)){ syswrite(L, $b) }
}
waitpid $pid, 0;
exit($? & 127 ? 128 + ($? & 127) : $? >> 8);
END
deaf() { # deaf HOW: 300 HUPs, and then it serves and ends as ever
	rm -f "$TMP/pid"
	on_target perl "$TMP/by" "$1" "$TMP/pid" "$AOEDE" 9 0 t0 "$img" &
	wrapper=$!
	PIDS="$PIDS $wrapper"
	soon test -s "$TMP/pid" && soon serves || return 1
	target=$(cat "$TMP/pid")
	n=0
	while [ $n -lt 300 ]; do kill -HUP "$target"; n=$((n + 1)); sleep 0.01; done
	serves || { echo "it serves no more"; kill -9 "$target"; return 1; }
	kill -TERM "$target"
	reap $wrapper
	r=$?
	echo "exit status $r"
	kill -9 "$target" 2>/dev/null
	[ $r = 0 ]
}
for how in stream dgram pipe terminal full
do
	ok "its messages go to a $how that nobody reads: 300 HUPs, it serves, and TERM ends it" deaf $how
done
mkdir "$TMP/small"
undo "umount '$TMP/small' 2>/dev/null"
mount -t tmpfs -o size=4k none "$TMP/small"
LOGFILE=$TMP/small/log
export LOGFILE
ok "and to a file on a full disk" deaf file
read_() {
	rm -f "$TMP/pid"
	LOGFILE=$TMP/said
	on_target perl "$TMP/by" read "$TMP/pid" "$AOEDE" 9 0 t0 "$img" &
	wrapper=$!
	PIDS="$PIDS $wrapper"
	soon grep -q '^pid ' "$TMP/said" && kill -HUP "$(cat "$TMP/pid")" && soon grep -q '^t0: up' "$TMP/said"
	r=$?
	cat "$TMP/said"
	kill -TERM "$(cat "$TMP/pid")"
	reap $wrapper && [ $r = 0 ] && ! grep -qvE '^(t0|[0-9]+ bytes|engine|pid|frames|reads|disk|duplicates|writes)' "$TMP/said"
}
ok "a socket that is read gets every line" read_

# The journal.
journal() { # journal VALUE: with this JOURNAL_STREAM for the pipe, the first lines
	mkfifo "$TMP/j.$$" 2>/dev/null
	cat "$TMP/j.$$" >"$TMP/j" &
	cpid=$!
	exec 8>"$TMP/j.$$"
	case $1 in
	it) stream=$(stat -L -c %d:%i /proc/self/fd/8) ;;
	*) stream=1:2 ;;
	esac
	ip netns exec "$TNS" env JOURNAL_STREAM="$stream" "$AOEDE" -f "$TMP/none/x" 9 0 t0 "$img" >&8 2>&8
	ip netns exec "$TNS" env JOURNAL_STREAM="$stream" "$AOEDE" 4095 0 t0 "$img" >&8 2>&8 &
	TPID=$!
	PIDS="$PIDS $TPID"
	soon grep -q 'pid ' "$TMP/j"
	stop_target
	exec 8>&-
	wait $cpid
	cat "$TMP/j"
}
prioritised() { journal it; grep -q '^<3>aoede: -f' "$TMP/j" && grep -q '^<4>aoede: shelf 4095' "$TMP/j" && grep -q '^<6>pid ' "$TMP/j" && ! grep -qv '^<[346]>' "$TMP/j"; }
ok "messages have priorities when the journal reads them" prioritised
ok "and none when it doesn't" eval 'journal not; grep -q "^aoede: shelf" "$TMP/j" && ! grep -q "^<" "$TMP/j"'

# The service manager.
told() { grep -qx "$1" "$TMP/notes"; }
recv='my $s; socket($s, AF_UNIX, SOCK_DGRAM, 0); my $n = $ARGV[0]; $n =~ s/^@/\0/; bind($s, pack("S a*", AF_UNIX, $n)) or die $!; $| = 1; while(defined recv($s, my $b, 4096, 0)){ print "$b\n" }'
manager() { # manager NAME
	ip netns exec "$TNS" perl -MSocket -e "$recv" "$1" >"$TMP/notes" &
	spid=$!
	PIDS="$PIDS $spid"
	sleep 0.5
	export NOTIFY_SOCKET="$1"
	start_target -f "$shadow" 9 0 t0 "$img"
	r=$?
	unset NOTIFY_SOCKET
	return $r
}
for name in "$TMP/notify" "@aoede-test-$$"
do
	ok "(a service manager that listens at $name)" manager "$name"
	ok "it is told READY=1" soon told READY=1
	ok "and the state" soon told 'STATUS=e9.0: serving'
	ok "it is told of a freeze" eval 'signals USR1 USR2; soon told "STATUS=e9.0: frozen"'
	ok "and of its end" eval ': >"$TMP/notes"; signals USR1 USR1 USR2; soon told "STATUS=e9.0: serving"'
	ok "and that the target ends" eval 'stop_target; soon told STOPPING=1'
	kill $spid; wait $spid 2>/dev/null
done
nobody() { NOTIFY_SOCKET=$TMP/nowhere; export NOTIFY_SOCKET; start_target 9 0 t0 "$img"; r=$?; unset NOTIFY_SOCKET; cat "$TMP/err"; [ $r = 0 ] && serves && grep -q "service manager" "$TMP/err"; }
ok "a service manager that isn't there is said, and no more" eval 'nobody; then_stop'

# What is inherited.
blocked() {
	: >"$TMP/out"	# what the last one said
	ip netns exec "$TNS" perl -MPOSIX -e 'sigprocmask(SIG_BLOCK, POSIX::SigSet->new(1 .. 31)); $SIG{$_} = "IGNORE" for qw(TERM HUP USR1 USR2 INT QUIT); exec @ARGV' \
		"$AOEDE" -f "$shadow" 9 0 t0 "$img" >"$TMP/out" 2>"$TMP/err" &
	TPID=$!
	PIDS="$PIDS $TPID"
	soon grep -q '^pid ' "$TMP/out" && kill -HUP $TPID && soon grep -q ^frames "$TMP/out" && signals USR1 USR2 && soon frozen && signals USR1 USR1 USR2 && soon thawed
}
ok "signals that were blocked and ignored work" eval 'blocked; then_stop'
descriptors() {
	: >"$TMP/out"	# what the last one said
	ip netns exec "$TNS" perl -MPOSIX -e '$^F = 5000; my $p = shift; open(F, "<", $p) or die; POSIX::dup2(fileno F, 7); POSIX::dup2(fileno F, 900); exec @ARGV' \
		"$TMP/40" "$AOEDE" 9 0 t0 "$img" >"$TMP/out" 2>"$TMP/err" &
	TPID=$!
	PIDS="$PIDS $TPID"
	soon grep -q '^pid ' "$TMP/out" || return 1
	ls -l "/proc/$TPID/fd" >"$TMP/fds"
	cat "$TMP/fds"
	! grep -q "$TMP/40" "$TMP/fds" && [ "$(grep -c "$TMP/out" "$TMP/fds")" = 1 ]
}
ok "descriptors above 2 are closed" eval 'descriptors; then_stop'
sized() { # a write above the limit of the size of files is an error of that write
	: >"$TMP/out"	# what the last one said
	ip netns exec "$TNS" sh -c 'ulimit -f 8192; exec "$@"' - "$AOEDE" -s 9 0 t0 "$img" >"$TMP/out" 2>"$TMP/err" &
	TPID=$!
	PIDS="$PIDS $TPID"
	soon grep -q '^pid ' "$TMP/out" || return 1
	io write 100000 <"$TMP/40"
	[ $? = 1 ] || return 1
	cat "$TMP/err"
	io write 100 <"$TMP/40" && io read 100 40 | cmp - "$TMP/40" && alive
}
ok "a write above the limit of the size of files fails, and the target goes on" eval 'sized; then_stop'
unprivileged() { # without CAP_NET_ADMIN
	: >"$TMP/out"	# what the last one said
	ip netns exec "$TNS" setpriv --inh-caps=-net_admin --bounding-set=-net_admin "$AOEDE" 9 0 t0 "$img" >"$TMP/out" 2>"$TMP/err" &
	TPID=$!
	PIDS="$PIDS $TPID"
	soon grep -q '^pid ' "$TMP/out" || return 1
	on_target ss -0 -m -p >"$TMP/ss"
	cat "$TMP/ss"
	limit=$(($(cat /proc/sys/net/core/wmem_max) * 2))
	[ $limit -lt 2000000 ] || limit=2000000	# more than is asked for at this size of frames
	have=$(sed -n 's/.*skmem:.*,tb\([0-9]*\),.*/\1/p' "$TMP/ss" | sort -n | tail -n 1)
	[ "$have" -ge $limit ] && io verify 2
}
ok "without CAP_NET_ADMIN it sends as much at once as the system allows anyone" eval 'unprivileged; then_stop'

# The engine is opened while the rights for it are there.
opened() {
	on_target strace -f -o "$TMP/trace" -e trace=io_uring_setup,capset,execve timeout 3 "$AOEDE" 9 0 t0 "$img" >"$TMP/out" 2>"$TMP/err"
	cat "$TMP/trace"
	[ "$(grep -o 'io_uring_setup\|capset' "$TMP/trace" | head -n 1)" = io_uring_setup ] && grep -q capset "$TMP/trace"
}
if grep -q 'engine io_uring.*capabilities' "$TMP/out"
then
	ok "io_uring is opened before capabilities are given up" opened
fi

# Less of it: each time it starts, says so in its one line, and serves.
limited() { # limited ENGINES COMMAND [ARGUMENT...]: the command runs the target
	engines=$1
	shift
	: >"$TMP/out"	# what the last one said
	ip netns exec "$TNS" "$@" >"$TMP/out" 2>"$TMP/err" &
	TPID=$!
	PIDS="$PIDS $TPID"
	soon grep -q '^pid ' "$TMP/out" && io verify 1 2>&1
	r=$?
	cat "$TMP/out" "$TMP/err"
	[ $r = 0 ] && [ "$(grep -cE "^engine ($engines), rings packet, sandbox capabilities " "$TMP/out")" = 1 ] && fails grep -v initiator "$TMP/err"
}
locked='ulimit -l 0 && exec "$@"'
unlocked="setpriv --inh-caps=-ipc_lock --bounding-set=-ipc_lock"
if grep -q '^engine io_uring, rings packet' "$TMP/out"
then
	ok "where io_uring is forbidden it does without" eval 'limited threads "$B/tests/withoutcalls" uring_allowed "$AOEDE" 9 0 t0 "$img"; then_stop'
	ok "with -d, too" eval 'limited aio "$B/tests/withoutcalls" uring_allowed "$AOEDE" -d 9 0 t0 "$img"; then_stop'
	ok "no memory that may be locked is no obstacle" eval 'limited "io_uring|threads" $unlocked sh -c "$locked" - "$AOEDE" 9 0 t0 "$img"; then_stop'
	ok "with -d, too" eval 'limited "io_uring|aio" $unlocked sh -c "$locked" - "$AOEDE" -d 9 0 t0 "$img"; then_stop'
	ok "it is none for root, who has io_uring" eval 'limited io_uring sh -c "$locked" - "$AOEDE" 9 0 t0 "$img"; then_stop'
fi

# What is said to whoever has the disk begin with stable writes is said once:
# the sync itself succeeds.
pushed() {
	exe=$AOEDE
	AOEDE=$B/tests/withoutcalls start_target pushes "$exe" -s 9 0 t0 "$img" || return 1
	on_initiator "$B/tests/load" -i i0 -s 9 -n 0 -w -q rand -b 4096 -d 32 -c 4000 >"$TMP/load" 2>&1
	cat "$TMP/load" "$TMP/err"
	grep -q "can't sync the disk" "$TMP/err" && fails grep -q ' errors=0' "$TMP/load"
}
ok "data that was lost when the disk was to begin with it makes the sync fail" \
	eval 'pushed; r=$?; stop_target; [ $r = 0 ]'

# A device that is gone: errors of ENODEV, 19, which a loop device passes on.
mkdir "$TMP/slow"
truncate -s 64M "$TMP/under"
device() { slow_loop && dev=$LOOP && undo "how; losetup -d $dev"; }
how
ok "(a disk that can fail)" slow_disk
gone() { io -t 20000 read 5000 8 >/dev/null; r=$?; echo "status $r"; [ $r = 1 ]; }
ended() { wait $rpid; r=$?; cat "$TMP/slow.err"; [ $r = 1 ]; }
one_line() { cat "$TMP/err"; [ "$(grep -v initiator "$TMP/err")" = "aoede: $dev: the device is gone$1" ]; }
# With -w an answered write, whose time to be written comes before anybody asks
# for anything.
left() {
	case $1 in
	*-w) head -c 512 "$TMP/40" | io write 1000 && how 'fail 19' ;;
	*)
		how 'read 20000'
		io -t 60000 read 1000 8 >/dev/null 2>"$TMP/slow.err" &
		rpid=$!
		sleep 0.5
		how 'fail 19'
		gone
		;;
	esac
}
for mode in -d "-d -s" "-d -w"
do
	how
	ok "$mode: (a device)" device
	ok "$mode: (a target on it)" start_target $mode -i "$TMP/info" 9 0 t0 "$dev"
	ok "$mode: the device goes, and a request fails" left $mode
	before=$(date +%s)
	[ "$mode" = "-d -w" ] || ok "$mode: so does one that was under way" ended
	ok "$mode: and does not take its time" [ $(($(date +%s) - before)) -le 10 ]
	reap "$TPID"
	ok "$mode: the target ends with status 1" [ $? = 1 ]
	case $mode in *-s) loss= ;; *) loss=": answered writes may be lost" ;; esac
	ok "$mode: and says so in one line" one_line "$loss"
	ok "$mode: its info file is gone" [ ! -e "$TMP/info" ]
done

# A regular file is not a device, whatever error its file system has for it: a
# request fails, and no more.
lives() { io read 5000 8 >"$TMP/8" && alive; }
for error in 19 6
do
	how
	ok "(a target on a file)" start_target -d 9 0 t0 "$TMP/slow/disk"
	how "fail $error"
	ok "error $error of a file: a request fails" gone
	how
	ok "error $error of a file: the next one succeeds" lives
	ok "error $error of a file: the target ends with status 0" stop_target
done

# What a sync that fails puts at stake.
words() { cat "$TMP/err"; [ "$(grep -v initiator "$TMP/err" | tr '\n' /)" = "$1" ]; }
unsynced="aoede: can't sync the disk: Input/output error: no write or flush succeeds from here on, as writes since the last sync may be lost/aoede: the last flush failed"
for mode in -s -d
do
	how
	ok "$mode: (a target)" start_target $mode 9 0 t0 "$TMP/slow/disk"
	ok "$mode: a write succeeds" eval 'io write 1000 <"$TMP/40"'
	how 'syncerror 5'
	nok "$mode: a flush fails with the sync" io flush
	nok "$mode: and the next, though the disk would sync" eval 'how; io flush'
	nok "$mode: the target ends with status 1" stop_target
	case $mode in -s) loss= ;; *) loss=": answered writes may be lost" ;; esac
	ok "$mode: and says that answered writes may be lost only if it is so" words "$unsynced$loss/"
done

done_testing
