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

timeout 900 "$B/tests/model" "${SEED:-1}" all "${RUNS:-10}" >"$TMP/model.out" 2>"$TMP/model.err"
status=$?
relay "$TMP/model.out"
sed 's/^/# /' "$TMP/model.err" | head -n 200
whole() { echo "exit status $status"; [ -n "$plan" ] && [ "$status" -le 1 ]; }
ok "the model test ran to its end" whole
done_testing
