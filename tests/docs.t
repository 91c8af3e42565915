#!/bin/sh
# The texts: the manual page and the README are sound and agree with the
# program.  The shell scripts are for lint.t.
tests/needpackages ip:iproute2 mandoc:mandoc || exit 1
. tests/lib.sh

# What mandoc says of the page, but for what depends on the manual pages
# that this machine happens to have.
lint() {
	mandoc -T lint -W style aoede.8 2>&1 | grep -v -e 'mandoc.db' -e 'STYLE: referenced manual not found' >"$TMP/lint"
	cat "$TMP/lint"
	[ ! -s "$TMP/lint" ]
}
ok "mandoc has nothing to say about aoede.8" lint

# One letter a line.
"$AOEDE" -h >"$TMP/usage"
grep -o '\[-[A-Za-z]' "$TMP/usage" | sed 's/\[-//' | sort >"$TMP/letters"
sed -n '/^\.Ss Options/,/^\.El/s/^\.It Fl //p' aoede.8 >"$TMP/items"
cut -c 1 "$TMP/items" | sort >"$TMP/described"
sed -n '/^\.Sh SYNOPSIS/,/^\.Nm AoEded/s/^\.Op Fl \([A-Za-z]*\).*/\1/p' aoede.8 |
	fold -w 1 | sort >"$TMP/listed"
ok "aoede -h lists options" [ -s "$TMP/letters" ]
ok "aoede.8 describes each option of aoede -h and no other" diff "$TMP/letters" "$TMP/described"
ok "so does its synopsis" diff "$TMP/letters" "$TMP/listed"

# -h and -V leave nothing for the fuzzer to compare.
fuzzed() {
	grep -v '[hV]' "$TMP/letters" | while read -r o
	do
		grep -qE "\"-${o}[\"%]" tests/fuzz/fuzz_args.c || echo "-$o"
	done >"$TMP/unfuzzed"
	cat "$TMP/unfuzzed"
	[ ! -s "$TMP/unfuzzed" ]
}
ok "the fuzzer of the command line knows each but -h and -V" fuzzed

# The same option takes an argument here and there.
sed 's/\] /]\n/g' "$TMP/usage" | sed -n 's/.*\[-\([A-Za-z]\) .*/\1/p' | sort >"$TMP/valued"
sed -n 's/ Ar .*//p' "$TMP/items" | sort >"$TMP/described"
ok "and they take an argument in both" diff "$TMP/valued" "$TMP/described"

named() {
	grep -oE '(\./)?[A-Za-z0-9_/-]+\.(c|h|8|t|sh|svg)\b|\b(LICENSE|Makefile|AoEded|tests/[a-z]+)\b' README | sort -u >"$TMP/names"
	[ -s "$TMP/names" ] || return 1
	absent=
	while read -r f
	do
		[ -e "$f" ] || absent="$absent $f"
	done <"$TMP/names"
	echo "absent:$absent"
	[ -z "$absent" ]
}
ok "every file that README names is there" named

# Whoever reads a comment can look up what it cites: no document is cited that
# isn't in the tree, and no source of the daemon's or the tests'.
cited() {
	{
		grep -rIohE '[A-Za-z0-9_-]+\.(md|txt|html|pdf)\b' ./*.[ch8] README Makefile AoEded tests
		grep -hE '^ \*|/\*' ./*.[ch] | cat - README aoede.8 Makefile AoEded | grep -v '^#include' |
			grep -oE '(^|[^A-Za-z0-9_./$*}-])[A-Za-z0-9_/-]+\.(c|h|t|pml|sh)\b' | sed 's/^[^A-Za-z0-9_]//'
	} | sort -u >"$TMP/cited"
	grep -qx 'tests/freeze.pml' "$TMP/cited" || return 1
	absent=
	while read -r f
	do
		[ -e "$f" ] || [ -n "$(find tests -path "*/$f")" ] || absent="$absent $f"
	done <"$TMP/cited"
	echo "absent:$absent"
	[ -z "$absent" ]
}
ok "every file that the sources cite is there" cited

# AoEded must know which options take a value, to tell operands from them.
# shellcheck disable=SC2016 # it is a pattern
valued() {
	sed -n 's/.*options\[\] = "+:\(.*\)";/\1/p' aoe.c | grep -o '[a-zA-Z]:' | tr -d ':\n' >"$TMP/valued"
	sed -n 's/^\t*\([a-zA-Z]\)) unusable .*/\1/p; s/^\t*\[\([a-zA-Z]*\)\]) \[ -z "$group" \].*/\1/p' AoEded | tr -d '\n' >"$TMP/known"
	[ -s "$TMP/valued" ] && [ "$(grep -o . "$TMP/valued" | sort)" = "$(grep -o . "$TMP/known" | sort)" ]
}
ok "AoEded knows which options take a value" valued

# What README says and the manual too would have to be kept true twice.
# Sentences of eight words and more are told from headings and examples.
sentences() { tr '\n' ' ' | tr -s ' ' | sed 's/[.:;] /\n/g' | awk 'NF >= 8' | sort -u; }
twice() {
	grep -v '^[ >]' README | sentences >"$TMP/readme"
	mandoc -T ascii aoede.8 2>/dev/null | sed 's/.\x08//g' | sentences >"$TMP/manual"
	[ -s "$TMP/readme" ] && [ -s "$TMP/manual" ] && comm -12 "$TMP/readme" "$TMP/manual" >"$TMP/both"
	cat "$TMP/both"
	[ ! -s "$TMP/both" ]
}
ok "nothing stands in README and in the manual" twice

# A chapter with commands is run by a script, which asks for it by its title.
run_somewhere() {
	unrun=
	grep -B 1 '^---' README | grep -v '^--' >"$TMP/titles"
	while IFS= read -r title
	do
		[ -z "$(section "$title")" ] || grep -qE "(section|as_written) '?$title'?" tests/*.t || unrun="$unrun, $title"
	done <"$TMP/titles"
	# What makes these tests, and what is for other systems.
	[ "$unrun" = ", Building, Performance, On FreeBSD, Beyond one machine, Trying it without hardware, Reading the source, The tests, Build options" ] || { echo "nobody runs$unrun"; return 1; }
}
ok "the commands of every chapter are run by a test" run_somewhere

# README says which numbers can be changed.
numbers() {
	for n in $(sed -n '/^Build options/,/^Licence/s/-D//; /^Build options/,/^Licence/p' README | grep -oE '\b[A-Z]+_[A-Z]+\b' | sort -u) BUFCNT
	do
		grep -qE "^#define $n\b" tuneup.h config.h || { echo "$n"; return 1; }
	done
}
ok "every number of tuneup.h and config.h that README names is there" numbers

# make's targets that README names.
targets() {
	grep -oE '\bmake [a-z]+\b' README | sort -u >"$TMP/made"
	[ -s "$TMP/made" ] || return 1
	while read -r _ t
	do
		grep -qE "^$t:" Makefile || { echo "$t"; return 1; }
	done <"$TMP/made"
}
ok "every target of make that README names is there" targets

# The first export of README, on a host whose interface is eth0, in a
# directory with the programs.  aoede keeps the foreground, so it is put
# behind and ended before AoEded has its turn.
export AOEDE_RUN="$TMP/run" AOEDE_LOGGER=cat
mkdir "$TMP/tree" && cp "$AOEDE" "$TMP/tree/aoede" && cp AoEded "$TMP/tree"
section 'A first export' >"$TMP/commands"
there() { (cd "$TMP/tree" && on_target env -u AOEDE sh -ec "$1"); }
first() {
	grep -q '^\./aoede ' "$TMP/commands" || return 1
	there "$(sed -n '1,/^\.\/aoede /s/^\.\/aoede .*/& >out 2>err \& echo $! >pid/; 1,/^\.\/aoede /p' "$TMP/commands")" || return 1
	pid=$(cat "$TMP/tree/pid")
	PIDS="$PIDS $pid"
	until_true 10 grep -q "^pid $pid: e9.0" "$TMP/tree/out" || { cat "$TMP/tree/err"; return 1; }
	plain <"$TMP/tree/out" >"$TMP/is"
	chapter 'A first export' | sed -n 's/^> //p' | plain | diff - "$TMP/is"
}
plain() { sed 's/^engine .*, rings .*, sandbox .*/engine, rings, sandbox/; s/pid [0-9]*/pid N/; s/..:..:..:..:..:../MAC/'; }
background() {
	kill "$pid" && until_true 10 gone "$pid" || return 1
	sed '1,/^\.\/aoede /d' "$TMP/commands" >"$TMP/rest"
	[ "$(grep -c AoEded "$TMP/rest")" -eq 3 ] && there "$(cat "$TMP/rest")"
}
gone() { ! kill -0 "$1" 2>/dev/null; }

mknet 1500
ip -n "$TNS" link set t0 down
ip -n "$TNS" link set t0 name eth0
ip -n "$TNS" link set eth0 up
until_true 5 carrier "$TNS" eth0
ok "README's first export works as written, and prints what it says" first
ok "so do its commands for the background" background

# make install and uninstall.
installed() {
	(cd "$TMP/root" && find . ! -type d | sort) >"$TMP/files"
	printf './opt/%s\n' lib/systemd/system/aoede@.service sbin/AoEded sbin/aoede share/man/man8/AoEded.8 share/man/man8/aoede.8 |
		diff - "$TMP/files"
}
# A make under make check must not share its job server.
mk() { MAKEFLAGS='' make -s B="$B" DESTDIR="$TMP/root" prefix=/opt "$@"; }
ok "make install works below DESTDIR and prefix" mk install
ok "it installs the two programs, the unit and the manual page, no more" installed
ok "the installed AoEded finds the installed aoede" \
	[ "$(env -u AOEDE "$TMP/root/opt/sbin/AoEded" -V)" = "$("$AOEDE" -V)" ]
ok "make uninstall removes them" mk uninstall
ok "all of them" [ -z "$(find "$TMP/root" ! -type d)" ]
done_testing
