#!/bin/sh
# AoEded, under dash and under busybox's shell: against a stand-in for
# aoede that does what a test wants it to, and against aoede itself.
tests/need ip:iproute2 dash:dash busybox:busybox-static logger:bsdutils \
	script:bsdutils setsid:util-linux \
	unshare:util-linux mount:mount || exit 1
. tests/lib.sh

real=$AOEDE
log=$TMP/log
mkdir "$TMP/bin"

# The stand-in.  MODE says what it does; NAME is the target it claims to be.
cat >"$TMP/bin/aoede" <<'END'
#!/bin/sh
for a; do printf '<%s>' "$a"; done >"$TMP/args"
echo $$ >"$TMP/pid"
case $MODE in
fails) echo "aoede: disk one: No such file or directory" >&2; exit 1 ;;
killed) echo "about to go"; kill -9 $$ ;;
prints) echo "aoede 1.0"; exit 0 ;;
waits) until [ -e "$TMP/go" ]; do sleep 0.05; done ;;
esac
[ "$MODE" = hupdies ] || trap 'echo "again"' HUP
echo "t0: 02:00:00:00:00:01, MTU 1500, 2 sectors"
echo "5120 bytes"
echo "pid $$: ${NAME:-e9.0}, 10 sectors O_RDWR"
[ "$MODE" = stubborn ] && trap 'echo "no"' TERM
[ "$MODE" = slowend ] && trap 'sleep 1; echo "flushed"; exit 0' TERM
[ "$MODE" = dies ] && { until [ -e "$TMP/go" ]; do sleep 0.05; done; exit 1; }
usr1=0
trap 'usr1=$((usr1 + 1)); echo "USR1" >>"$TMP/signals"' USR1
trap 'usr2; usr1=0' USR2
usr2() {
	echo "USR2" >>"$TMP/signals"
	case $MODE$usr1 in
	refuses1) echo "aoede: freeze refused: shadow: File exists" >&2 ;;
	refuses2) echo "aoede: unfreeze failed: shadow: Input/output error" >&2 ;;
	deaf*) ;;
	ends*) exit 1 ;;
	stale1) echo "aoede: unfreeze refused: it is not frozen" >&2; MODE='' ;;
	stale2) echo "aoede: USR2 after 3 USR1: expected 1 to freeze, 2 to unfreeze" >&2; MODE='' ;;
	*1) echo "freezing"; sleep 0.3; echo "frozen: shadow has 0 sectors" ;;
	*2) for i in 0 20 40 60 80; do echo "merging: $i per cent"; sleep 0.5; done; echo "unfrozen: all is in the image" ;;
	*) echo "aoede: USR2 after $usr1 USR1: expected 1 to freeze, 2 to unfreeze" >&2 ;;
	esac
}
while :
do
	sleep 0.05
	[ -e "$TMP/speak" ] && { rm -f "$TMP/speak"; echo "a later line"; echo "an error" >&2; }
done
END

# A logger that writes to a file.
cat >"$TMP/bin/testlogger" <<'END'
#!/bin/sh
while [ $# -gt 1 ]
do
	[ "$1" = -t ] && tag=$2
	shift
done
while IFS= read -r line; do echo "$tag: $line" >>"$TMP/log"; done
echo "$tag: <end>" >>"$TMP/log"
END
chmod +x "$TMP/bin/aoede" "$TMP/bin/testlogger"

export TMP
export AOEDE="$TMP/bin/aoede" AOEDE_LOGGER="$TMP/bin/testlogger" AOEDE_RUN="$TMP/run" AOEDE_WAIT=10

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
args_are() { [ "$(cat "$TMP/args")" = "$1" ]; }
left_nothing() { [ -z "$(ls -A "$TMP/run")" ]; }
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
	ok "status says that it runs$with" lines_are status "e9.0: running, pid $pid"
	ok "the lines of the start are logged with the pid$with" logged "5120 bytes"
	: >"$TMP/speak"
	ok "stdout goes to the logger later on$with" logged "a later line"
	ok "stderr goes to the logger later on$with" logged "an error"
	kill -HUP "$pid"
	ok "HUP reaches aoede and isn't ignored$with" logged "again"
	ok "nothing is left in the terminal's session$with" [ "$(session "$pid")" = "$pid" ]
	first=$pid
	nok "a second start of the same target is refused$with" run 9 0 t0 other
	ok "it says why$with" said "AoEded: e9.0 is running already, pid $first"
	ok "the first goes on$with" lines_are status "e9.0: running, pid $first"
	NAME=e9.1 run 9 1 t0 disk
	second=$pid
	ok "another slot is another target$with" [ "$(aoeded status 9 1)" = "e9.1: running, pid $second" ]
	ok "stop succeeds$with" aoeded stop 9 0
	ok "the target is gone when stop returns$with" gone "$first"
	ok "the logger ends with it$with" until_true 10 grep -qxF "aoede[$first]: <end>" "$log"
	ok "status says that it is not running$with" lines_are status "e9.0: not running"
	nok "that status is a failure$with" aoeded status 9 0
	nok "stopping what doesn't run fails$with" run stop 9 0
	ok "stop says why$with" said "AoEded: e9.0 is not running"
	ok "the other target was left alone$with" [ "$(aoeded status 9 1)" = "e9.1: running, pid $second" ]
	end 9 1
	ok "no file is left behind$with" left_nothing
	ok "a stopped target can be started again$with" run 9 0 t0 disk
	end
}
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
		said "AoEded: thaw: unknown command (status, stop, freeze and unfreeze are known)"
	ok "and is a failure$with" status_is 1
	run stop nine 0
	ok "stop wants numbers$with" said "AoEded: stop nine 0: expected the numbers of a shelf and a slot"
	nok "no arguments: the usage$with" run
	nok "stop without a target: the usage$with" run stop
	AOEDE_LOGGER=false run 9 0 t0 disk
	ok "a logger that dies at once doesn't matter$with" pid_printed
	: >"$TMP/speak"
	until_true 10 [ ! -e "$TMP/speak" ]
	sleep 0.2
	ok "aoede lives on when it prints without a logger$with" lines_are status "e9.0: running, pid $pid"
	end
}

arguments() {
	begin
	odd="a 'b' \"c\" \$HOME *
next\\line"
	run 9 0 t0 "$odd"
	ok "arguments arrive as they are, whatever is in them$with" args_are "<9><0><t0><$odd>"
	ok "and status knows the target$with" lines_are status "e9.0: running, pid $pid"
	end
	for args in '-b 64 9 0 t0 d' '-b64 9 0 t0 d' '-wc 8 9 0 t0 d' '9 -rb 64 0 t0 d' '9 0 t0 d -b 64 -r' '-r -- 9 0 t0 d' \
		'-o 1 9 -l2 0 -m 020000000001 t0 -s d'
	do
		# shellcheck disable=SC2086 # a list of words
		run $args
		ok "the target is known in: $args$with" lines_are status "e9.0: running, pid $pid"
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
	ok "what it said while ending is logged$with" logged "flushed"
	MODE=stubborn run 9 0 t0 disk
	first=$pid
	AOEDE_WAIT=1 run stop 9 0
	ok "stop doesn't wait for ever$with" said "AoEded: e9.0: pid $first was told to end but has not in 1 seconds"
	ok "that is a failure$with" status_is 1
	ok "the target was not killed$with" lines_are status "e9.0: running, pid $first"
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
	ok "the log sees it$with" logged "<end>"
}

# freeze and unfreeze.
freezing() {
	begin
	rm -f "$TMP/signals"
	run freeze 9 0
	ok "a target that doesn't run can't be frozen$with" said "AoEded: e9.0 is not running"
	run 9 0 t0 disk
	ok "freeze succeeds, and says nothing$with" quietly freeze
	ok "when the target is frozen$with" logged "frozen: shadow has 0 sectors"
	ok "by USR1 and USR2$with" signals_are "USR1 USR2"
	AOEDE_WAIT=2
	ok "unfreeze succeeds, though it takes longer than the wait$with" quietly unfreeze
	AOEDE_WAIT=10
	ok "when the target is unfrozen$with" logged "unfrozen: all is in the image"
	ok "by USR1, USR1 and USR2$with" signals_are "USR1 USR2 USR1 USR1 USR2"
	ok "what the target says is logged as before$with" logged "merging: 80 per cent"
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
	MODE=stale run 9 0 t0 disk
	ok "so is an unfreeze$with" quietly unfreeze
	end
	MODE=deaf run 9 0 t0 disk
	AOEDE_WAIT=1 run freeze 9 0
	ok "a target that says nothing isn't waited for for ever$with" said "AoEded: e9.0: nothing was heard of the freeze for 1 seconds"
	mkdir "$TMP/run/e9.0.said.busy"
	run unfreeze 9 0
	ok "two of them at once are refused$with" grep -q "if no other AoEded freezes" "$TMP/err"
	rmdir "$TMP/run/e9.0.said.busy"
	end
	MODE=ends run 9 0 t0 disk
	first=$pid
	run freeze 9 0
	ok "the end of the target is noticed$with" said "AoEded: e9.0: pid $first has ended"
	run stop 9 0
	ok "no file is left behind$with" left_nothing
	AOEDE_LOGGER=false run 9 0 t0 disk
	ok "freeze works when the logger has died$with" quietly freeze
	end
}
quietly() {
	target=$pid
	run "$1" 9 0 && [ ! -s "$TMP/out" ] && [ ! -s "$TMP/err" ]
	set -- $?
	pid=$target
	return "$1"
}
signals_are() { [ "$(tr '\n' ' ' <"$TMP/signals")" = "$1 " ]; }

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
	ok "the pid file is the new target's$with" lines_are status "e9.0: running, pid $pid"
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
	ok "and that one is known$with" lines_are status "e9.0: running, pid $pid"
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
	ok "the end of the terminal doesn't end the target$with" lines_are status "e9.0: running, pid $pid"
	: >"$TMP/speak"
	ok "nor its logger$with" logged "a later line"
	end
}

# The few commands that AoEded uses, and no setsid.
without_setsid() {
	begin
	rm -rf "$TMP/few"
	mkdir "$TMP/few"
	for c in cat tr mkdir mkfifo ln mv rm rmdir dirname sleep
	do
		ln -s "$(command -v $c)" "$TMP/few/$c"
	done
	script -qec "PATH=$TMP/few $shpath ./AoEded 9 0 t0 disk >$TMP/tty.out; kill -9 \$\$" /dev/null >/dev/null 2>&1 </dev/null
	pid=$(cat "$TMP/tty.out")
	PIDS="$PIDS $pid"
	sleep 0.2
	ok "without setsid the target outlives the terminal too$with" lines_are status "e9.0: running, pid $pid"
	: >"$TMP/speak"
	ok "and so does its logger$with" logged "a later line"
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
	ok "without /proc: status says that it runs$with" lines_are status "e9.0: running, pid $pid"
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
	ok "aoede: status says that it runs$with" lines_are status "e9.0: running, pid $pid"
	ok "aoede: the size is logged$with" logged "1048576 bytes"
	nok "aoede: a second start is refused$with" run 9 0 t0 "$TMP/a disk"
	pid=$(sed -n 1p "$TMP/run/e9.0.pid")
	lines=$(wc -l <"$log")
	truncate -s 2M "$TMP/a disk"
	kill -HUP "$pid"
	ok "aoede: HUP reaches it, and what it says is logged$with" until_true 10 more_lines "$lines"
	ok "aoede: it lives on after HUP$with" lines_are status "e9.0: running, pid $pid"
	run 9 1 t0 "$TMP/a disk"
	ok "aoede: the reason of a failed start is shown$with" grep -q "a disk" "$TMP/err"
	ok "aoede: with its status$with" status_is 1
	pid=$(sed -n 1p "$TMP/run/e9.0.pid")
	ok "aoede: it stops$with" aoeded stop 9 0
	ok "aoede: it is gone$with" gone "$pid"
	AOEDE_LOGGER=$(command -v logger) run 9 0 t0 "$TMP/a disk"
	ok "aoede: it starts with the system's logger, with or without a syslogd$with" pid_printed
	sleep 0.2
	ok "aoede: and runs on$with" lines_are status "e9.0: running, pid $pid"
	end
	script -qec "$sh ./AoEded 9 0 t0 '$TMP/a disk' >$TMP/tty.out; kill -9 \$\$" /dev/null >/dev/null 2>&1 </dev/null
	pid=$(cat "$TMP/tty.out")
	PIDS="$PIDS $pid"
	sleep 0.2
	ok "aoede: the end of the terminal doesn't end it$with" lines_are status "e9.0: running, pid $pid"
	end
	ok "aoede: no file is left$with" left_nothing
	export AOEDE="$TMP/bin/aoede"
}
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
	reused
	crowd
	terminal
	without_setsid
	against_aoede
done
# Once only, as busybox runs its own ps whatever the PATH.
sh=dash with=" (dash)"
without_proc
done_testing
