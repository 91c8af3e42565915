#!/bin/sh
# The unit tests, and the fuzzer's inputs without the fuzzer: the seed
# corpus, and random ones.
#
# SEED=n repeats a run.

# shellcheck disable=SC2016,SC2317 # eval expands what is quoted, and ok calls the function

tests/need timeout:coreutils || exit 1
. tests/lib.sh

seed=${SEED:-$(date +%s)}

timeout 300 "$B/tests/unit" "$seed" >"$TMP/unit.out" 2>"$TMP/unit.err"
status=$?
relay "$TMP/unit.out"
# Without a plan at its end the program died.
whole() { echo "exit status $status"; tail -n 40 "$TMP/unit.err"; [ -n "$plan" ] && [ "$status" -le 1 ]; }
ok "the unit tests ran to their end" whole

mkdir "$TMP/corpus"
ok "the seed corpus is what its generator makes" eval '
	"$B/tests/corpus" -g "$TMP/corpus" && diff -r tests/corpus/frame "$TMP/corpus"'
ok "the target survives the seed corpus, and answers as the oracle expects" \
	timeout 60 "$B/tests/corpus" tests/corpus/frame/*
ok "and 3000 random inputs (from seed $seed)" timeout 300 "$B/tests/corpus" -r 3000 "$seed"
done_testing
