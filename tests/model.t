#!/bin/sh
# The model test: random requests beside an array, over a disk that answers
# late, in any order and with errors.
#
# The seeds are the same each time, so that a change is to blame for what
# fails; SEED=$(date +%s) tries others, and RUNS=n has n of them in each mode.
# What fails says how to repeat it alone.

tests/needpackages timeout:coreutils || exit 1
. tests/lib.sh

modelled "$B/tests/model" "${SEED:-1}" all "${RUNS:-10}"
done_testing
