#!/bin/sh
# AoEded, under dash and under busybox's shell: against a stand-in for
# aoede that does what a test wants it to, and against aoede itself.

# shellcheck disable=SC2016 # ok and until_true expand what is quoted

tests/needpackages ip:iproute2 pgrep:procps dash:dash busybox:busybox-static logger:bsdutils \
	script:bsdutils setsid:util-linux setpriv:util-linux \
	unshare:util-linux mount:mount /usr/bin/python3:python3 \
	/usr/lib/python3/dist-packages/prometheus_client:python3-prometheus-client \
	localedef:libc-bin /usr/share/i18n/locales/de_DE:locales || exit 1
. tests/lib.sh

real=$AOEDE
log=$TMP/log
mkdir "$TMP/bin"

# The stand-in.  MODE says what it does; NAME is the target it claims to be.
cat >"$TMP/bin/aoede" <<'END'
#!/bin/sh
echo $$ >"$TMP/pid"
for a; do printf '<%s>' "$a"; done >"$TMP/args"
case $MODE in
fails) echo "aoede: disk one: No such file or directory" >&2; exit 1 ;;
killed) echo "about to go"; kill -9 $$ ;;
prints) echo "aoede 1.0"; exit 0 ;;
waits) until [ -e "$TMP/go" ]; do sleep 0.05; done ;;
esac
[ "$MODE" = hupdies ] || trap 'echo "again"' HUP
[ "$1" = -i ] && info=$2
[ -n "$FILE" ] || FILE='/a "b"\c'
state=${STATE:-serving} merged=0 refused='' refusals=0 freezes=0 unfreezes=0
# tell NAME=VALUE...: these are so now, for whoever reads the info file.
tell() {
	for a; do eval "${a%%=*}=\${a#*=}"; done
	[ -z "$info" ] || {
		cat <<-EOF >"$info.new"
		address=${NAME:-e9.0}
		pid=$$
		started=1700000000
		updated=1700000001
		state=$state
		merged=$merged
		refused=$refused
		refusals=$refusals
		freezes=$freezes
		unfreezes=$unfreezes
		file=$FILE
		sectors=10
		bytes=5120
		modes=O_RDWR O_DIRECT
		engine=io_uring
		rings=packet
		sandbox=Landlock, seccomp
		interfaces=t0 t1
		interface.t0=02:00:00:00:00:01 mtu 1500 sectors 2 up
		interface.t1=02:00:00:00:00:02 mtu 9000 sectors 17 down
		requests=123456789012
		most_requests=7
		latency.16=5000000005
		latency.64=3
		latency.inf=1
		latency_sum=5000000123456
		initiator.02:00:00:00:00:09=1700000000 1700000005 42
		EOF
		mv "$info.new" "$info"
	}
}
trap 'rm -f "$info"; exit 0' TERM
[ "$MODE" = stubborn ] && trap 'echo "no"' TERM
[ "$MODE" = slowend ] && trap 'sleep 1; echo "flushed"; exit 0' TERM
usr1=0
trap 'usr1=$((usr1 + 1)); echo "USR1" >>"$TMP/signals"' USR1
# The count is none again before anybody can know of what came of it.
trap 'n=$usr1 usr1=0; usr2 $n' USR2
refuse() {
	echo "aoede: $1" >&2
	tell "refused=$1" refusals=$((refusals + 1))
}
usr2() {
	echo "USR2" >>"$TMP/signals"
	case $MODE$1 in
	refuses1) refuse "freeze refused: shadow: File exists" ;;
	refuses2) refuse "unfreeze failed: shadow: Input/output error" ;;
	deaf*) ;;
	ends*) exit 1 ;;
	stale*) MODE=''; refuse "USR2 after 3 USR1: expected 1 to freeze, 2 to unfreeze" ;;
	held1) tell state=held freezes=$((freezes + 1)) ;;
	*1)
		# As two USR1 may be that merged.
		[ $state = serving ] || { refuse "freeze refused: it is frozen"; return; }
		echo "freezing"; tell state=freezing; sleep 0.3
		echo "frozen: shadow has 0 sectors"; tell state=frozen freezes=$((freezes + 1)) ;;
	*2)
		tell unfreezes=$((unfreezes + 1))
		for i in 0 20 40 60 80; do echo "merging: $i per cent"; tell state=merging merged=$i; sleep 0.5; done
		echo "unfrozen: all is in the image"; tell state=serving ;;
	*) refuse "USR2 after $1 USR1: expected 1 to freeze, 2 to unfreeze" ;;
	esac
}
cd /
echo "t0: 02:00:00:00:00:01, MTU 1500, 2 sectors"
echo "5120 bytes"
tell
echo "pid $$: ${NAME:-e9.0}, 10 sectors O_RDWR"
[ "$MODE" = dies ] && { until [ -e "$TMP/go" ]; do sleep 0.05; done; exit 3; }
while :
do
	sleep 0.05
	[ -e "$TMP/speak" ] && { rm -f "$TMP/speak"; echo "a later line"; echo "aoede: an error" >&2; echo "<3>a grave one"; }
done
END

# A logger that writes to a file; it fails or hangs when told to.
cat >"$TMP/bin/testlogger" <<'END'
#!/bin/sh
[ ! -e "$TMP/nolog" ] || { echo >>"$TMP/nolog"; exit 1; }
[ ! -e "$TMP/hanglog" ] || exec sleep 1000
while [ $# -gt 1 ]
do
	case $1 in
	-t) tag=$2 ;;
	-p) level=${2#daemon.} ;;
	esac
	shift
done
while IFS= read -r line; do echo "$tag: $level: $line" >>"$TMP/log"; done
END
chmod +x "$TMP/bin/aoede" "$TMP/bin/testlogger"

export TMP
export AOEDE="$TMP/bin/aoede" AOEDE_LOGGER="$TMP/bin/testlogger" AOEDE_RUN="$TMP/run" AOEDE_CONF="$TMP/etc" AOEDE_WAIT=10

# shellcheck disable=SC2086 # $sh may be two words
aoeded() { timeout 60 $sh ./AoEded "$@"; }
# Keep what it prints, its messages and its status; the pid is ended at
# the end of the test whatever happens.
run() {
	aoeded "$@" >"$TMP/out" 2>"$TMP/err"
	status=$?
	case $(cat "$TMP/out") in
	'' | *[!0-9]*) pid='' ;;
	*) pid=$(cat "$TMP/out") PIDS="$PIDS $pid" ;;
	esac
	return $status
}
begin() { rm -rf "$TMP/run" "$TMP/args" "$TMP/go" "$TMP/speak"; : >"$log"; }
gone() { [ -z "$(tr -d '\0' 2>/dev/null <"/proc/$1/cmdline")" ]; }
pid_printed() { [ -n "$pid" ] && ! gone "$pid"; }
said() { [ "$(cat "$TMP/err")" = "$1" ] && [ ! -s "$TMP/out" ]; }
status_is() { [ "$status" -eq "$1" ]; }
logged() { until_true 10 grep -qxF "aoede[$pid]: $1" "$log"; }
args_are() { cat "$TMP/args"; [ "$(cat "$TMP/args")" = "<-i><$TMP/run/e9.0.info>$1" ]; }
left_nothing() { until_true 10 nothing; }
nothing() { [ -z "$(ls -A "$TMP/run")" ]; }
lines_are() { [ "$(aoeded "$1" 9 0)" = "$2" ]; }
end() { aoeded stop "${1:-9}" "${2:-0}" 2>/dev/null || kill "$pid" 2>/dev/null; }

starting() {
	begin
	ok "a start succeeds$with" run 9 0 t0 disk
	ok "it prints the pid of aoede itself and nothing else$with" pid_printed
	ok "the pid is that of the program, not of a wrapper$with" \
		grep -qz "^$AOEDE\$" "/proc/$pid/cmdline"
	ok "the first line of the pid file is the pid$with" \
		[ "$(sed -n 1p "$TMP/run/e9.0.pid")" = "$pid" ]
	ok "status says that it runs$with" lines_are status "e9.0: serving, pid $pid"
	ok "the lines of the start are logged with the pid$with" logged "info: 5120 bytes"
	: >"$TMP/speak"
	ok "stdout goes to the logger later on$with" logged "info: a later line"
	ok "stderr goes to the logger later on, with its priority$with" logged "warning: an error"
	ok "a priority that aoede gives is passed on$with" logged "err: a grave one"
	# While a line is passed on there are more.
	ok "one process is beside it, its parent$with" until_true 5 eval '[ "$(beside)" = "$(parent "$pid")" ]'
	ok "which keeps no directory busy$with" [ "$(readlink "/proc/$(parent "$pid")/cwd")" = / ]
	kill -HUP "$pid"
	ok "HUP reaches aoede and isn't ignored$with" logged "info: again"
	ok "nothing is left in the terminal's session$with" [ "$(session "$pid")" = "$pid" ]
	first=$pid
	nok "a second start of the same target is refused$with" run 9 0 t0 other
	ok "it says why$with" said "AoEded: e9.0 is running already, pid $first"
	ok "the first goes on$with" lines_are status "e9.0: serving, pid $first"
	NAME=e9.1 run 9 1 t0 disk
	second=$pid
	ok "another slot is another target$with" [ "$(aoeded status 9 1)" = "e9.1: serving, pid $second" ]
	ok "stop succeeds$with" aoeded stop 9 0
	ok "the target is gone when stop returns$with" gone "$first"
	ok "its end is logged$with" until_true 10 grep -qxF "aoede[$first]: info: e9.0: ended" "$log"
	ok "status says that it is not running$with" lines_are status "e9.0: not running"
	run status 9 0
	ok "with LSB's status$with" status_is 3
	nok "stopping what doesn't run fails$with" run stop 9 0
	ok "stop says why$with" said "AoEded: e9.0 is not running"
	ok "the other target was left alone$with" [ "$(aoeded status 9 1)" = "e9.1: serving, pid $second" ]
	end 9 1
	ok "no file is left behind$with" left_nothing
	ok "a stopped target can be started again$with" run 9 0 t0 disk
	end
}
# Of this script's own targets, as others may be at work on this machine.
beside() {
	for p in $(pgrep -f "AoEded 9 0 t0 disk")
	do
		! grep -qz "^AOEDE_RUN=$TMP/" "/proc/$p/environ" || echo "$p"
	done
}
parent() { sed 's/.*) . //; s/ .*//' "/proc/$1/stat"; }
session() { sed 's/.*) //' "/proc/$1/stat" | cut -d ' ' -f 4; }

failing() {
	begin
	MODE=fails run 9 0 t0 "disk one"
	ok "a start that fails has aoede's status$with" status_is 1
	ok "and aoede's message, alone$with" said "aoede: disk one: No such file or directory"
	ok "and leaves no file$with" left_nothing
	MODE=killed run 9 0 t0 disk
	ok "a start that ends by a signal is a failure$with" status_is 137
	ok "what it said is shown$with" said "about to go"
	MODE=prints run -V
	ok "an aoede that only prints succeeds$with" status_is 0
	ok "and its output is passed on$with" [ "$(cat "$TMP/out")" = "aoede 1.0" ]
	NAME=e8.0 run 9 0 t0 disk
	ok "an aoede that serves another target is ended$with" \
		said "AoEded: aoede serves e8.0, but was asked for e9.0"
	AOEDE_LOGGER=no-such-logger run 9 0 t0 disk
	ok "a missing logger is named$with" \
		said "AoEded: no-such-logger: not found; aoede's output goes to it"
	AOEDE=/nonexistent/aoede run 9 0 t0 disk
	ok "a missing aoede is named$with" said "AoEded: /nonexistent/aoede (from AOEDE): not found"
	run thaw 9 0
	ok "an unknown command is named$with" \
		said "AoEded: thaw: unknown command; AoEded -h lists those that are known"
	ok "and is a failure$with" status_is 1
	run status nine 0
	ok "status wants numbers$with" said "AoEded: nine 0: expected the numbers of a shelf and a slot"
	nok "no arguments: the usage$with" run
	nok "stop without a target: the usage$with" run stop
	run -h
	ok "-h lists the commands$with" eval 'status_is 0 && grep -q "AoEded unfreeze" "$TMP/out"'
	AOEDE_LOGGER=false run 9 0 t0 disk
	ok "a logger that dies at once doesn't matter$with" pid_printed
	: >"$TMP/speak"
	until_true 10 [ ! -e "$TMP/speak" ]
	sleep 0.2
	ok "aoede lives on when it prints without a logger$with" lines_are status "e9.0: serving, pid $pid"
	end
	: >"$TMP/nolog"
	run 9 0 t0 disk
	# From the second on there are two attempts for each.
	until_true 10 eval '[ "$(wc -l <"$TMP/nolog")" -eq 5 ]'
	rm "$TMP/nolog"
	: >"$TMP/speak"
	ok "lines that no logger took are counted, and said$with" logged "warning: 3 messages before this one were lost, as nobody took them"
	ok "what follows is logged$with" logged "info: a later line"
	end
	ln -sf testlogger "$TMP/bin/logger"
	AOEDE_LOGGER="$TMP/bin/logger" run 9 0 t0 disk
	if [ -S /dev/log ]; then words=''; else words="AoEded: e9.0: nobody takes the log: what aoede says from now on is lost"; fi
	ok "where nobody takes the log AoEded says so$with" [ "$(cat "$TMP/err")" = "$words" ]
	ok "and starts$with" pid_printed
	end
	cp "$TMP/bin/aoede" "$TMP/bin/disk server"
	AOEDE="$TMP/bin/disk server" run 9 0 t0 disk
	: >"$TMP/speak"
	ok "aoede may have another name$with" logged "warning: an error"
	end
	(umask 0077; run 9 0 t0 disk)
	ok "the run directory is open to readers, whatever the umask$with" [ "$(stat -c %a "$TMP/run" "$TMP/run/e9.0.pid" | tr '\n' ' ')" = "755 644 " ]
	end
	mkdir -p "$TMP/run"
	ln -s 99999999 "$TMP/run/e9.0.pid.held"
	ok "a lock whose AoEded was killed is no obstacle$with" eval 'run 9 0 t0 disk; cat "$TMP/err"; pid_printed'
	end
	ok "nor is it left$with" left_nothing
	ln -s $$ "$TMP/run/e9.0.pid.held"
	mkdir "$TMP/run/e9.0.pid.freeing"
	ok "nor is one whose pid another program has by now, of which one killed later was getting rid$with" eval 'run 9 0 t0 disk; cat "$TMP/err"; pid_printed'
	end
	ok "nor is that left$with" left_nothing
	sh -c 'sleep 60; :' AoEded &
	other=$!
	PIDS="$PIDS $other"
	ln -s $other "$TMP/run/e9.0.pid.held"
	run 9 0 t0 disk
	ok "one that another has is not taken away$with" eval 'cat "$TMP/err"; status_is 1 && grep -q "^AoEded: e9.0: can.t lock its pid file, which pid $other has: " "$TMP/err"'
	kill $other
	reap $other
	rm "$TMP/run/e9.0.pid.held"
	mkdir "$TMP/full"
	mount -t tmpfs -o size=4k none "$TMP/full"
	dd if=/dev/zero of="$TMP/full/fill" bs=4k count=1 2>/dev/null
	AOEDE_RUN=$TMP/full run 9 0 t0 disk
	ok "a run directory without room is said$with" said "AoEded: e9.0: can't write to $TMP/full"
	ok "and nothing is left in it$with" [ "$(ls "$TMP/full")" = fill ]
	umount "$TMP/full"
	rmdir "$TMP/full"
}

arguments() {
	begin
	run 09 000 t0 disk
	ok "numbers may begin with zeros, as they may for aoede$with" args_are "<09><000><t0><disk>"
	ok "for status too$with" [ "$(aoeded status 0009 00)" = "e9.0: serving, pid $pid" ]
	end
	run -i other 9 0 t0 disk
	ok "an info file of one's own is refused$with" said "AoEded: -i: AoEded has aoede keep an info file in $TMP/run itself"
	run -f i -dSi 9 0 t0 disk
	ok "an i in a value is no option$with" pid_printed
	end
	odd="a 'b' \"c\" \$HOME *
next\\line"
	run 9 0 t0 "$odd"
	ok "arguments arrive as they are, whatever is in them$with" args_are "<9><0><t0><$odd>"
	ok "and status knows the target$with" lines_are status "e9.0: serving, pid $pid"
	end
	for args in '-b 64 9 0 t0 d' '-b64 9 0 t0 d' '-wc 8 9 0 t0 d' '9 -rb 64 0 t0 d' '9 0 t0 d -b 64 -r' '-r -- 9 0 t0 d' \
		'-o 1 9 -l2 0 -m 020000000001 t0 -s d'
	do
		# shellcheck disable=SC2086 # a list of words
		run $args
		ok "the target is known in: $args$with" lines_are status "e9.0: serving, pid $pid"
		# shellcheck disable=SC2086
		ok "they reach aoede in: $args$with" args_are "$(for a in $args; do printf '<%s>' "$a"; done)"
		end
	done
}

slow() {
	begin
	MODE=waits aoeded 9 0 t0 disk >"$TMP/slow.out" 2>"$TMP/slow.err" &
	starter=$!
	PIDS="$PIDS $starter"
	until_true 10 [ -e "$TMP/args" ]
	nok "a start beside one under way is refused$with" run 9 0 t0 disk
	ok "the one under way prints nothing before aoede serves$with" [ ! -s "$TMP/slow.out" ]
	: >"$TMP/go"
	ok "a slow start succeeds in the end$with" wait $starter
	pid=$(cat "$TMP/slow.out")
	PIDS="$PIDS $pid"
	ok "and prints the pid$with" pid_printed
	end

	begin
	MODE=waits aoeded 9 0 t0 disk >"$TMP/slow.out" 2>"$TMP/slow.err" &
	starter=$!
	PIDS="$PIDS $starter"
	until_true 10 [ -e "$TMP/args" ]
	ok "stop ends a start under way$with" aoeded stop 9 0
	wait $starter
	ok "which has a status for it$with" [ $? -eq 143 ]
	ok "its aoede is gone$with" gone "$(cat "$TMP/pid")"
	ok "and its files are$with" left_nothing
}
ending() {
	begin
	MODE=slowend run 9 0 t0 disk
	ok "stop waits for a slow end$with" aoeded stop 9 0
	ok "the target is gone after it$with" gone "$pid"
	ok "what it said while ending is logged$with" logged "info: flushed"
	MODE=stubborn run 9 0 t0 disk
	first=$pid
	AOEDE_WAIT=1 run stop 9 0
	ok "stop doesn't wait for ever$with" said "AoEded: e9.0: pid $first was told to end but has not in 1 seconds"
	ok "that is a failure$with" status_is 1
	ok "the target was not killed$with" lines_are status "e9.0: serving, pid $first"
	kill -9 "$first"
	until_true 10 gone "$first"
	ok "killed, it is not running$with" lines_are status "e9.0: not running"
	ok "its stale pid file is no obstacle$with" run 9 0 t0 disk
	end
	MODE=dies run 9 0 t0 disk
	ok "a target that will die starts$with" pid_printed
	: >"$TMP/go"
	until_true 10 gone "$pid"
	ok "status sees that it died$with" lines_are status "e9.0: not running"
	ok "it is logged with its status$with" logged "err: e9.0: ended with status 3"
	ok "and leaves no file$with" left_nothing
	run 9 0 t0 disk
	kill -9 "$pid"
	ok "so is one that is killed$with" logged "err: e9.0: ended by signal 9"
	ok "and leaves no file either$with" left_nothing
}

# freeze and unfreeze.
freezing() {
	begin
	rm -f "$TMP/signals"
	run freeze 9 0
	ok "a target that doesn't run can't be frozen$with" said "AoEded: e9.0 is not running"
	run 9 0 t0 disk
	ok "freeze succeeds, and says nothing$with" quietly freeze
	ok "when the target is frozen$with" logged "info: frozen: shadow has 0 sectors"
	ok "by USR1 and USR2$with" signals_are "USR1 USR2"
	AOEDE_WAIT=2
	ok "unfreeze succeeds, though it takes longer than the wait$with" quietly unfreeze
	AOEDE_WAIT=10
	ok "when the target is unfrozen$with" logged "info: unfrozen: all is in the image"
	# They are sent again when the machine is so busy that some merge.
	ok "by USR1, USR1 and USR2$with" signals_are "USR1 USR2 .*USR1 USR1 USR2"
	ok "what the target says is logged as before$with" logged "info: merging: 80 per cent"
	end
	ok "no file is left$with" left_nothing

	MODE=refuses run 9 0 t0 disk
	first=$pid
	run freeze 9 0
	ok "a freeze that is refused says why$with" said "AoEded: e9.0: freeze refused: shadow: File exists"
	ok "and fails$with" status_is 1
	run unfreeze 9 0
	ok "so does an unfreeze$with" said "AoEded: e9.0: unfreeze failed: shadow: Input/output error"
	pid=$first
	end
	MODE=stale run 9 0 t0 disk
	ok "a freeze that was taken for something else is asked for again$with" quietly freeze
	end
	MODE=stale STATE=frozen run 9 0 t0 disk
	ok "so is an unfreeze$with" quietly unfreeze
	end
	MODE=deaf run 9 0 t0 disk
	AOEDE_WAIT=1 run freeze 9 0
	ok "a target that says nothing isn't waited for for ever$with" said "AoEded: e9.0: nothing was heard of the freeze for 1 seconds"
	AOEDE_WAIT=60 aoeded freeze 9 0 2>/dev/null &
	PIDS="$PIDS $!"
	until_true 10 test -e "$TMP/run/e9.0.pid.busy"
	holder=$(sed -n 1p "$TMP/run/e9.0.pid.busy")
	run unfreeze 9 0
	ok "two of them at once are refused$with" said "AoEded: e9.0: another AoEded, pid $holder, is at work on it"
	pid=$(sed -n 1p "$TMP/run/e9.0.pid")
	end
	run 9 0 t0 disk
	AOEDE_WAIT=60 aoeded freeze 9 0 2>/dev/null &
	until_true 10 test -e "$TMP/run/e9.0.pid.busy"
	kill -9 "$(sed -n 1p "$TMP/run/e9.0.pid.busy")"
	wait $!
	until_true 10 grep -q '^state=frozen' "$TMP/run/e9.0.info"
	ok "one that was killed is no obstacle$with" eval '[ -e "$TMP/run/e9.0.pid.busy" ] && quietly unfreeze'
	ok "another user may not, and is told so$with" forbidden
	end
	ok "nothing is left of all that$with" left_nothing
	ok "(a target that ends when it is to be frozen)$with" eval 'MODE=ends run 9 0 t0 disk; status_is 0 || cat "$TMP/err"; status_is 0'
	first=$pid
	run freeze 9 0
	ok "the end of the target is noticed$with" said "AoEded: e9.0: pid $first has ended"
	run stop 9 0
	ok "no file is left behind$with" left_nothing
	: >"$TMP/hanglog"
	run 9 0 t0 disk
	behind=$(parent "$pid")
	ok "freeze works when the logger hangs$with" quietly freeze
	ok "status shows it$with" lines_are status "e9.0: frozen, pid $pid"
	end
	rm "$TMP/hanglog"
	first=$pid
	run 9 0 t0 disk
	second=$pid pid=$first
	pkill -P "$behind"
	ok "what follows the hang is logged$with" logged "info: e9.0: ended"
	until_true 10 gone "$behind"
	pid=$second
	ok "a target that was started meanwhile is left alone$with" lines_are status "e9.0: serving, pid $pid"
	end
	MODE=held run 9 0 t0 disk
	ok "without a shadow it is held$with" quietly freeze
	ok "which status shows$with" lines_are status "e9.0: held, pid $pid"
	rm "$TMP/run/e9.0.info"
	run freeze 9 0
	ok "without an info file it can't be frozen$with" said "AoEded: $TMP/run/e9.0.info: can't be read; e9.0 was started by an older AoEded"
	end
}
forbidden() {
	target=$pid
	chmod 755 "$TMP"
	as_user=$sh
	sh="setpriv --reuid 1000 --regid 1000 --clear-groups $sh"
	run freeze 9 0
	sh=$as_user pid=$target
	cat "$TMP/err"
	said "AoEded: e9.0: not allowed to freeze it: pid $pid is another user's"
}
quietly() {
	target=$pid
	run "$1" 9 0 && [ ! -s "$TMP/out" ] && [ ! -s "$TMP/err" ]
	set -- $?
	cat "$TMP/out" "$TMP/err"
	pid=$target
	return "$1"
}
signals_are() { cat "$TMP/signals"; tr "\n" " " <"$TMP/signals" | grep -qx "$1 "; }

conf() { mkdir -p "$TMP/etc" && printf '%s\n' "$2" >"$TMP/etc/$1.conf"; }
# reads ARGS WORDS: the line gives aoede these words behind 9 0.
reads() {
	conf a "ARGS=9 0 $1"
	run start a
	ok "read as a shell reads it: $1$with" args_are "<9><0>$2"
	end
}
wrong() {
	conf a "$1"
	run start a
	ok "refused: $2$with" said "AoEded: $TMP/etc/a.conf:$2"
	ok "with LSB's status$with" status_is 6
}
configured() {
	begin
	rm -rf "${TMP:?}/etc"
	reads "t0 disk" "<t0><disk>"
	reads "  t0	disk  # the first" "<t0><disk>"
	reads "-S '/var/my state' t0 \"a \\\"b\\\" \\\$c d\\e\"" '<-S></var/my state><t0><a "b" $c d\e>'
	reads "t0 my\\ disk''s" "<t0><my disks>"
	reads "t0 it\\'s '' d#" "<t0><it's><><d#>"
	conf a "ARGS=\"9 0 t0 'my disk'\""
	run start a
	ok "all of it may be quoted once more$with" args_are "<9><0><t0><my disk>"
	end
	printf '# a disk\r\n\r\n  ARGS=9 0 t0 disk\r' >"$TMP/etc/a.conf"
	run start a
	ok "lines may end as Windows has them, and the last not at all$with" args_are "<9><0><t0><disk>"
	first=$pid
	run start a
	ok "to start it once more is no error$with" status_is 0
	ok "and says that it runs$with" said "AoEded: e9.0 is running already, pid $first"
	conf b "ARGS=9 0 t0 other"
	run start b
	ok "to start another of its address is$with" said "AoEded: e9.0 is running already, pid $first, but not with the arguments in $TMP/etc/b.conf"
	ok "with a status for it$with" status_is 1
	rm "$TMP/etc/b.conf"
	ok "status knows the name$with" [ "$(aoeded status a)" = "e9.0: serving, pid $first" ]
	ok "so do freeze$with" aoeded freeze a
	ok "and unfreeze$with" aoeded unfreeze a
	ok "its directory is the root$with" [ "$(readlink "/proc/$first/cwd")" = / ]
	ok "stop does too$with" aoeded stop a
	ok "it is gone$with" gone "$first"
	ok "to stop it once more is no error$with" aoeded stop a

	wrong "ARGS=9 0 t0 'disk" "1: a ' has no counterpart"
	wrong "
ARGS=9 0 t0 \$disk" "2: \$ means itself only in '...' or behind a \\"
	wrong "ARGS=9 0 t0 a*" "1: * means itself only in '...' or behind a \\"
	wrong "ARGS=9 0 t0 disk\\" "1: nothing follows the last \\"
	wrong "ARG=9 0 t0 disk" "1: expected ARGS=... or MACVLAN=..., not ARG=9 0 t0 disk"
	wrong "
ARGS=-i x 9 0 t0 disk" "2: ARGS: -i: AoEded has aoede keep an info file in $TMP/run itself"
	wrong "ARGS=nine 0 t0 disk" "1: ARGS: expected the numbers of a shelf and a slot"
	wrong "ARGS=9 0 t0 disk
ARGS=9 1 t0 disk" "2: a second ARGS"
	wrong "# nothing" "1: expected a line ARGS=... above"
	wrong "MACVLAN=eth0
ARGS=9 0 eth1 disk" "2: MACVLAN=eth0: ARGS doesn't name it as an interface"
	wrong "ARGS=9 0 eth0 disk
MACVLAN=a;b" "2: ; means itself only in '...' or behind a \\"
	conf a "
ARGS=9 0 t0 disk"
	MODE=fails run start a
	ok "where aoede refuses the arguments, file and line are named$with" said "$TMP/etc/a.conf:2: aoede: disk one: No such file or directory"
	ok "with its status$with" status_is 1
	run start nobody
	ok "a name without a file is named$with" said "AoEded: $TMP/etc/nobody.conf: expected a file with a line ARGS=... for nobody"
	run start ../a
	ok "a name is no path$with" said "AoEded: ../a: a name has letters, digits and _.:@- only"

	ln -s nowhere "$TMP/etc/0.conf"
	conf a "ARGS=9 0 t0 disk"
	conf b "ARGS=9 x t0 disk"
	conf c "ARGS=10 2 t0 disk"
	NAME=e10.2 FILE=/c aoeded start c >"$TMP/out" 2>&1
	pid2=$(cat "$TMP/out")
	PIDS="$PIDS $pid2"
	aoeded start all >"$TMP/out" 2>"$TMP/err"
	ok "start all has the status of one that failed$with" [ $? -eq 6 ]
	pid=$(cat "$TMP/out")
	PIDS="$PIDS $pid"
	ok "and starts the others$with" lines_are status "e9.0: serving, pid $pid"
	printf '%s\n' "e9.0 $pid serving 5120 t0,t1 /a \"b\"\\c" "e10.2 $pid2 serving 5120 t0,t1 /c" >"$TMP/listed"
	ok "list shows them all, in order$with" eval 'aoeded list | tr -s " " | diff "$TMP/listed" -'
	ok "stats is the info file$with" eval 'aoeded stats 9 0 | cmp - "$TMP/run/e9.0.info"'
	ok "stats -p is what Prometheus reads$with" prometheus
	aoeded stop all >"$TMP/out" 2>"$TMP/err"
	ok "stop all ends them$with" eval 'gone "$pid" && gone "$pid2"'
	ok "and names those that it can't read$with" said "AoEded: $TMP/etc/0.conf: expected a file with a line ARGS=... for 0
AoEded: $TMP/etc/b.conf:1: ARGS: expected the numbers of a shelf and a slot"
	run stats 9 0
	ok "stats of one that doesn't run fails$with" status_is 3
	ok "nothing is listed then$with" [ -z "$(aoeded list)" ]
}
# By the parser of Prometheus' own client, where numbers have a comma.
prometheus() {
	[ -d "$TMP/de_DE.UTF-8" ] || localedef -i de_DE -f UTF-8 "$TMP/de_DE.UTF-8" || return 1
	LOCPATH=$TMP LC_ALL=de_DE.UTF-8 aoeded stats -p >"$TMP/metrics" || return 1
	/usr/bin/python3 - "$TMP/metrics" <<-'END'
	import sys
	from prometheus_client.parser import text_string_to_metric_families as parse
	text = open(sys.argv[1]).read()
	families = {f.name: f for f in parse(text)}
	assert len(families) == text.count("# TYPE"), "a metric stands in two places"
	def samples(name):
	    return {(s.name, frozenset(s.labels.items())): s.value for s in families[name].samples}
	def value(name, suffix="", **labels):
	    return samples(name)[name + suffix, frozenset(labels.items())]
	for t in "e9.0", "e10.2":
	    assert value("aoede_requests", "_total", target=t) == 123456789012
	    assert value("aoede_state", target=t, state="serving") == 1
	    assert value("aoede_disk_seconds", "_bucket", target=t, le="0.000064") == 5000000008
	    assert value("aoede_disk_seconds", "_bucket", target=t, le="+Inf") == 5000000009
	    assert value("aoede_disk_seconds", "_count", target=t) == 5000000009
	    assert value("aoede_disk_seconds", "_sum", target=t) == 5000000.123456
	    assert value("aoede_interface_up", target=t, interface="t1") == 0
	    assert value("aoede_interface_mtu_bytes", target=t, interface="t1") == 9000
	    assert value("aoede_initiator_requests", "_total", target=t, mac="02:00:00:00:00:09") == 42
	assert value("aoede_info", target="e9.0", file='/a "b"\\c', modes="O_RDWR O_DIRECT", engine="io_uring",
	    rings="packet", sandbox="Landlock, seccomp") == 1
	END
}

reused() {
	begin
	run 9 0 t0 disk
	cp "$TMP/run/e9.0.pid" "$TMP/old"
	end
	sleep 60 &
	other=$!
	PIDS="$PIDS $other"
	{ echo $other; sed 1d "$TMP/old"; } >"$TMP/run/e9.0.pid"
	ok "a pid that belongs to another program is not ours$with" lines_are status "e9.0: not running"
	run stop 9 0
	ok "stop doesn't end the other program$with" kill -0 $other
	{ echo $other; sed 1d "$TMP/old"; } >"$TMP/run/e9.0.pid"
	ok "a start is not hindered by it$with" run 9 0 t0 disk
	ok "the pid file is the new target's$with" lines_are status "e9.0: serving, pid $pid"
	end
	for text in '' 'junk' '0' '-1' '99999999' "$other"
	do
		echo "$text" >"$TMP/run/e9.0.pid"
		ok "a pid file that holds '$text' means not running$with" lines_are status "e9.0: not running"
		ok "and a start replaces it$with" run 9 0 t0 disk
		end
	done
	kill $other
}

# Sixteen at once: one may start.
crowd() {
	begin
	echo 99999999 >"$TMP/run-seed"
	mkdir "$TMP/run"
	cp "$TMP/run-seed" "$TMP/run/e9.0.pid"
	rm -f "$TMP"/crowd.*
	starters=
	for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16
	do
		aoeded 9 0 t0 disk >"$TMP/crowd.$i" 2>"$TMP/crowded.$i" &
		starters="$starters $!"
	done
	# shellcheck disable=SC2086 # a list of pids
	wait $starters
	pid=$(cat "$TMP"/crowd.*)
	PIDS="$PIDS $pid"
	[ "$(cat "$TMP"/crowd.* | wc -l)" -eq 1 ] || head "$TMP"/crowd.* "$TMP"/crowded.*
	ok "of many starts at once one succeeds$with" [ "$(cat "$TMP"/crowd.* | wc -l)" -eq 1 ]
	ok "and that one is known$with" lines_are status "e9.0: serving, pid $pid"
	end
	ok "they leave no file$with" left_nothing
}

# A pseudo-terminal whose session leader ends right after the start: the
# kernel sends HUP to the leader's process group.
terminal() {
	begin
	MODE=hupdies script -qec "$sh ./AoEded 9 0 t0 disk >$TMP/tty.out; kill -9 \$\$" /dev/null >/dev/null 2>&1 </dev/null
	pid=$(cat "$TMP/tty.out")
	PIDS="$PIDS $pid"
	sleep 0.2
	ok "the end of the terminal doesn't end the target$with" lines_are status "e9.0: serving, pid $pid"
	: >"$TMP/speak"
	ok "nor its logger$with" logged "info: a later line"
	end
}

# The few commands that AoEded uses, and no setsid.
without_setsid() {
	begin
	rm -rf "$TMP/few"
	mkdir "$TMP/few"
	for c in cat ln readlink tr mkdir mkfifo mv rm sleep uname
	do
		ln -s "$(command -v $c)" "$TMP/few/$c"
	done
	script -qec "PATH=$TMP/few $shpath ./AoEded 9 0 t0 disk >$TMP/tty.out; kill -9 \$\$" /dev/null >/dev/null 2>&1 </dev/null
	pid=$(cat "$TMP/tty.out")
	PIDS="$PIDS $pid"
	sleep 0.2
	ok "without setsid the target outlives the terminal too$with" lines_are status "e9.0: serving, pid $pid"
	: >"$TMP/speak"
	ok "and so does its logger$with" logged "info: a later line"
	end
}

# Where there is no /proc, as on FreeBSD, ps tells what a process is.  Here a
# stand-in for ps does, as the system's own needs /proc.
mkdir "$TMP/ps" "$TMP/proc"
cat >"$TMP/ps/ps" <<'END'
#!/bin/sh
[ "$*" = "-ww -o args= -p $5" ] && tr '\0' ' ' <"$TMP/proc/$5/cmdline"
END
cat >"$TMP/ps/noproc" <<'END'
#!/bin/sh
mount --bind /proc "$TMP/proc" && mount -t tmpfs none /proc && PATH=$TMP/ps:$PATH exec "$@"
END
chmod +x "$TMP/ps/ps" "$TMP/ps/noproc"
without_proc() {
	begin
	with_proc=$sh
	sh="unshare -m $TMP/ps/noproc $sh"
	ok "without /proc: a start succeeds$with" run 9 0 t0 "a disk"
	ok "without /proc: status says that it runs$with" lines_are status "e9.0: serving, pid $pid"
	first=$pid
	nok "without /proc: a second start is refused$with" run 9 0 t0 disk
	cp "$TMP/run/e9.0.pid" "$TMP/old"
	ok "without /proc: stop succeeds$with" aoeded stop 9 0
	ok "without /proc: the target is gone$with" gone "$first"
	{ echo $$; sed 1d "$TMP/old"; } >"$TMP/run/e9.0.pid"
	ok "without /proc: a pid that belongs to another program is not ours$with" \
		lines_are status "e9.0: not running"
	sh=$with_proc
}

# aoede itself, on its own host.
against_aoede() {
	begin
	export AOEDE="$real"
	truncate -s 1M "$TMP/a disk"
	sh="ip netns exec $TNS $sh"
	ok "aoede: it starts$with" run -b 16 9 0 t0 "$TMP/a disk"
	ok "aoede: it prints its pid$with" pid_printed
	ok "aoede: status says that it runs$with" lines_are status "e9.0: serving, pid $pid"
	ok "aoede: it keeps no directory busy$with" [ "$(readlink "/proc/$pid/cwd")" = / ]
	ok "aoede: the size is logged$with" logged "info: 1048576 bytes"
	nok "aoede: a second start is refused$with" run 9 0 t0 "$TMP/a disk"
	pid=$(sed -n 1p "$TMP/run/e9.0.pid")
	lines=$(wc -l <"$log")
	truncate -s 2M "$TMP/a disk"
	kill -HUP "$pid"
	ok "aoede: HUP reaches it, and what it says is logged$with" until_true 10 more_lines "$lines"
	ok "aoede: it lives on after HUP$with" lines_are status "e9.0: serving, pid $pid"
	run 9 1 t0 "$TMP/a disk"
	ok "aoede: the reason of a failed start is shown$with" grep -q "a disk" "$TMP/err"
	ok "aoede: with its status$with" status_is 1
	pid=$(sed -n 1p "$TMP/run/e9.0.pid")
	ok "aoede: it stops$with" aoeded stop 9 0
	ok "aoede: it is gone$with" gone "$pid"
	AOEDE_LOGGER=$(command -v logger) run 9 0 t0 "$TMP/a disk"
	ok "aoede: it starts with the system's logger, with or without a syslogd$with" pid_printed
	sleep 0.2
	ok "aoede: and runs on$with" lines_are status "e9.0: serving, pid $pid"
	end
	script -qec "$sh ./AoEded 9 0 t0 '$TMP/a disk' >$TMP/tty.out; kill -9 \$\$" /dev/null >/dev/null 2>&1 </dev/null
	pid=$(cat "$TMP/tty.out")
	PIDS="$PIDS $pid"
	sleep 0.2
	ok "aoede: the end of the terminal doesn't end it$with" lines_are status "e9.0: serving, pid $pid"
	end
	ok "aoede: no file is left$with" left_nothing
	export AOEDE="$TMP/bin/aoede"
}

# Interfaces of the target's own.
plugged() { ip -n "$TNS" link show aoe9.0; }
on() { ip -n "$TNS" link show "$1" | grep -F "$1@$2:"; }
plugging() {
	begin
	export AOEDE="$real"
	sh="ip netns exec $TNS $sh"
	printf '%s\n' MACVLAN=t0 "ARGS=9 0 t0 '$TMP/a disk'" >"$TMP/etc/own.conf"
	: >"$TMP/hanglog"
	run start own
	behind=$(parent "$pid")
	aoeded stop own
	nok "MACVLAN: stop removes the interface, whatever the logger does$with" plugged
	rm "$TMP/hanglog"
	ok "MACVLAN: (a start)$with" run start own
	pkill -P "$behind"
	until_true 10 gone "$behind"
	ok "MACVLAN: the end of the last one leaves the interface of this one alone$with" plugged
	run exec own
	ok "MACVLAN: the service doesn't start beside it$with" said "AoEded: e9.0 is running already, pid $(sed -n 1p "$TMP/run/e9.0.pid")"
	ok "MACVLAN: nor does it take the interface away as it ends$with" eval 'aoeded clean own && plugged'
	aoeded stop own
	nok "MACVLAN: stop removes it$with" plugged
	ip -n "$TNS" link add t1 type veth peer name i1 netns "$INS"
	ip -n "$TNS" link set t1 up
	printf '%s\n' "MACVLAN=t0 t1" "ARGS=9 0 t0 t1 '$TMP/a disk'" >"$TMP/etc/own.conf"
	ok "MACVLAN: (two interfaces)$with" run start own
	ok "MACVLAN: there is one on each$with" eval 'on aoe9.0 t0 && on aoe9.0.1 t1'
	aoeded stop own
	ok "MACVLAN: stop removes both$with" eval '! plugged && ! ip -n "$TNS" link show aoe9.0.1'
	mkdir "$TMP/busy"
	printf '#!/bin/sh\nexec busybox ip "$@"\n' >"$TMP/busy/ip"
	chmod +x "$TMP/busy/ip"
	sh="ip netns exec $TNS env PATH=$TMP/busy:$PATH dash"
	ok "MACVLAN: busybox' ip will do$with" eval 'run start own; cat "$TMP/err"; on aoe9.0 t0 && on aoe9.0.1 t1 && [ ! -s "$TMP/err" ]'
	ok "MACVLAN: without an IPv6 address$with" eval 'ip -n "$TNS" -d link show aoe9.0 | grep "addrgenmode none"'
	aoeded stop own
	ok "MACVLAN: and removes them$with" eval '! plugged && ! ip -n "$TNS" link show aoe9.0.1'
	export AOEDE="$TMP/bin/aoede"
}

# FreeBSD has the configuration below the programs' prefix.
elsewhere() {
	mkdir -p "$TMP/local/sbin" "$TMP/local/etc/aoede" "$TMP/uname"
	cp AoEded "$TMP/local/sbin"
	echo "ARGS=9 0 t0 disk" >"$TMP/local/etc/aoede/there.conf"
	printf '#!/bin/sh\necho FreeBSD\n' >"$TMP/uname/uname"
	chmod +x "$TMP/uname/uname"
	ok "FreeBSD has the configuration below the programs' prefix$with" eval 'found_there; [ "$(cat "$TMP/out")" = "e9.0: not running" ]'
}
found_there() { PATH=$TMP/uname:$PATH AOEDE_CONF='' dash "$TMP/local/sbin/AoEded" status there >"$TMP/out" 2>&1; cat "$TMP/out"; }
more_lines() { [ "$(wc -l <"$log")" -gt "$1" ]; }

mknet 1500
for sh in dash 'busybox sh'
do
	with=" ($sh)"
	shpath="$(command -v "${sh%% *}")${sh#"${sh%% *}"}"
	starting
	failing
	arguments
	slow
	ending
	freezing
	configured
	reused
	crowd
	terminal
	without_setsid
	against_aoede
done
# Once only, as busybox runs its own ps, ip and uname whatever the PATH.
sh=dash with=" (dash)"
without_proc
plugging
elsewhere
done_testing
