#!/bin/sh
# Static analysis: nothing to say about the daemon, nor about the scripts.
#
# A finding that is wrong is silenced where it is found, with the reason
# beside it.  Whole checks are left out here:
#
#	bugprone-easily-swappable-parameters	of integers, which all AoE is made of
#	bugprone-narrowing-conversions	gcc and clang have -Wconversion
#	bugprone-implicit-widening-of-multiplication-result
#		all these products are of what one request or the pool holds, in
#		sectors or bytes: at most 2^31
#	bugprone-branch-clone		conditions stand in the order that ACS-3
#		gives them, and two in turn may end alike
#	bugprone-sizeof-expression	sizeof *p is meant, also of a pointer to pointers
#	clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling
#		wants memcpy_s, which no libc here has

# shellcheck disable=SC2317 # ok calls the functions

tests/need clang-tidy:clang-tidy cppcheck:cppcheck shellcheck:shellcheck gcc:gcc || exit 1
. tests/lib.sh

flags='-std=c11 -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I.'
checks='-*,clang-analyzer-*,bugprone-*'
for c in easily-swappable-parameters narrowing-conversions implicit-widening-of-multiplication-result branch-clone sizeof-expression
do
	checks=$checks,-bugprone-$c
done
checks=$checks,-clang-analyzer-security.insecureAPI.DeprecatedOrUnsafeBufferHandling

# each COMMAND: run it for each file of the daemon, $1 its name and $2 what
# finds its headers, two at a time.
each() {
	for f in *.c
	do
		case $f in freebsd.c) echo "$f -Itests/freebsd/include" ;; *) echo "$f -I." ;; esac
	done | xargs -P 2 -L 1 sh -c "$1" sh
}

# One file at a time, as clang-tidy 14 mixes up the va_lists of several; and
# a quarter as deep into each function as it would go, which takes a quarter
# of the time (all of it, once, found nothing more).
depth='--extra-arg=-Xclang --extra-arg=-analyzer-config --extra-arg=-Xclang --extra-arg=max-nodes=50000'
tidy() {
	each "clang-tidy --quiet $depth --warnings-as-errors='*' --checks='$checks' \$1 -- $flags \$2 2>/dev/null"
}
# Optimized, it follows more calls and is wrong less often.
analyzer() {
	each "gcc $flags \$2 -O2 -fanalyzer -Werror -c -o '$TMP/'\$1.o \$1"
}
# It doesn't know that err doesn't return, which that one check needs; gcc and
# clang look for the same.
check() {
	cppcheck --quiet --enable=warning,performance,portability --inline-suppr --suppress=nullPointerRedundantCheck --error-exitcode=1 \
		--std=c11 -D_GNU_SOURCE -j2 -I. -Itests/freebsd/include ./*.c tests/*.c
}
# SC2317: the functions that ok calls.
scripts() {
	grep -lE '^#!/bin/sh' AoEded .ci/* tests/* 2>/dev/null | xargs -P 2 -n 10 shellcheck -x -e SC2317
}

ok "clang-tidy finds nothing in the daemon" tidy
ok "gcc -fanalyzer finds nothing in it" analyzer
ok "cppcheck finds nothing in it, nor in the tests' programs" check
ok "shellcheck finds nothing in the scripts" scripts
done_testing
