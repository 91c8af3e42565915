#!/bin/sh
# fuzz.sh SECONDS FUZZER...: run each of the fuzzers for so long, two at a
# time, and print a line of figures for each.  What an input brought that is
# new goes to a corpus beside the objects, and the input that fails to
# $B/crash-*.  FUZZFLAGS are libFuzzer's.
B=${B:-obj/fuzz}
seconds=$1
shift

run() {
	mkdir -p "$B/found/$1"
	# shellcheck disable=SC2086 # they are words
	"$B/tests/fuzz_$1" -max_total_time="$seconds" -max_len=8192 -timeout=20 -print_final_stats=1 \
		-artifact_prefix="$B/crash-$1-" $FUZZFLAGS "$B/found/$1" "tests/fuzz/corpus/$1" >"$B/$1.log" 2>&1
}
tell() {
	if [ "$2" = 0 ]
	then
		sed -n 's/^stat::number_of_executed_units: *//p' "$B/$1.log" | sed "s/.*/fuzz_$1: & inputs in $seconds s, no crash/"
	else
		tail -n 60 "$B/$1.log"
		echo "fuzz_$1: exit status $2; see $B/$1.log"
		status=1
	fi
}

status=0
while [ $# -gt 0 ]
do
	run "$1" & pid=$!
	other=
	[ $# -eq 1 ] || { run "$2" & other=$!; }
	wait $pid
	tell "$1" $?
	[ -z "$other" ] || { wait $other; tell "$2" $?; shift; }
	shift
done
exit $status
