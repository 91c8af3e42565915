#!/bin/sh
# The model test: random requests beside an array, over a disk that answers
# late, in any order and with errors.
#
# The seeds are the same each time, so that a change is to blame for what
# fails; SEED=$(date +%s) tries others, and RUNS=n has n of them in each mode.
# What fails says how to repeat it alone.

# shellcheck disable=SC2317 # ok calls the function

tests/need timeout:coreutils || exit 1
. tests/lib.sh

# The tests that the program tells of become tests of this script.
timeout 900 "$B/tests/model" "${SEED:-1}" all "${RUNS:-10}" >"$TMP/model.out" 2>"$TMP/model.err"
status=$?
plan=
while IFS= read -r line
do
	case $line in
	"ok "*) tests=$((tests + 1)); echo "ok $tests - ${line#*- }" ;;
	"not ok "*) tests=$((tests + 1)) failed=$((failed + 1)); echo "not ok $tests - ${line#*- }" ;;
	1..*) plan=$line ;;
	*) echo "$line" ;;
	esac
done <"$TMP/model.out"
sed 's/^/# /' "$TMP/model.err" | head -n 200
whole() { echo "exit status $status"; [ -n "$plan" ] && [ "$status" -le 1 ]; }
ok "the model test ran to its end" whole
done_testing
