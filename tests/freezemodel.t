#!/bin/sh
# The model test of freezing: random requests, freezes, deaths and power cuts
# beside what each sector may hold.
#
# The seeds are the same each time, so that a change is to blame for what
# fails; SEED=$(date +%s) tries others, RUNS=n has n of them in each mode, and
# STRIDE=1 dies at each single point of a life instead of each third.  What
# fails says how to repeat it alone.

tests/needpackages timeout:coreutils || exit 1
. tests/lib.sh

# The sanitizers are slow, and have seen all kinds of it after one run.
case $B in *asan*) runs=1 stride=20 ;; *) runs=3 stride=3 ;; esac
modelled "$B/tests/freezemodel" "${SEED:-1}" all "${RUNS:-$runs}" "${STRIDE:-$stride}"
done_testing
