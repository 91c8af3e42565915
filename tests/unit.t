#!/bin/sh
# The unit tests, and the fuzzers' inputs without the fuzzers: the seed
# corpora, and random ones.
#
# The seed is the same each time, so that a change is to blame for what fails;
# SEED=$(date +%s) tries others.

# shellcheck disable=SC2016,SC2317 # eval expands what is quoted, and ok calls the function

tests/needpackages timeout:coreutils || exit 1
. tests/lib.sh

seed=${SEED:-1}

timeout 300 "$B/tests/unit" "$seed" >"$TMP/unit.out" 2>"$TMP/unit.err"
status=$?
relay "$TMP/unit.out"
# Without a plan at its end the program died.
whole() { echo "exit status $status"; tail -n 40 "$TMP/unit.err"; [ -n "$plan" ] && [ "$status" -le 1 ]; }
ok "the unit tests ran to their end" whole

mkdir "$TMP/corpus"
ok "the seed corpus is what its generator makes" eval '
	"$B/tests/replay_frame" -g "$TMP/corpus" && diff -r tests/fuzz/corpus/frame "$TMP/corpus"'
ok "the target survives the seed corpus, and answers as the oracle expects" \
	timeout 60 "$B/tests/replay_frame" tests/fuzz/corpus/frame/*
ok "and 3000 random inputs (from seed $seed)" timeout 300 "$B/tests/replay_frame" -r 3000 "$seed"

# random inputs of each, in a few seconds
for f in shadow:1000 state:3000 args:30000
do
	n=${f#*:} f=${f%:*}
	mkdir "$TMP/$f"
	ok "the seed corpus of fuzz_$f is what its generator makes" eval '
		"$B/tests/replay_$f" -g "$TMP/$f" && diff -r "tests/fuzz/corpus/$f" "$TMP/$f"'
	ok "the target survives it" timeout 60 "$B/tests/replay_$f" "tests/fuzz/corpus/$f"/*
	ok "and $n random inputs (from seed $seed)" timeout 300 "$B/tests/replay_$f" -r "$n" "$seed"
done
done_testing
