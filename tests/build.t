#!/bin/sh
# The build: compilers, warnings, installation, and what the tree may hold.
# All of it happens in a copy.

# shellcheck disable=SC2012,SC2119,SC2016,SC2086,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 gcc:gcc clang:clang make:make musl-gcc:musl-tools readelf:binutils || exit 1
. tests/lib.sh

# What the make that runs this was told is not for the ones here.
unset MAKEFLAGS MFLAGS MAKELEVEL

top=$(pwd)
src=$TMP/src
mkdir "$src"
cp -R Makefile ./*.c ./*.h tests AoEded aoede.8 "$src" || exit 1
cd "$src" || exit 1

# What gcc 12 and clang 14 both warn of: by name, so that a newer compiler
# brings no new failure by itself.
WARN="-Wno-unknown-warning-option -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
	-Wabsolute-value -Waddress -Warray-bounds -Wbool-operation -Wcast-function-type -Wchar-subscripts -Wcomment \
	-Wdangling-else -Wduplicate-decl-specifier -Wempty-body -Wenum-compare -Wenum-conversion -Wexpansion-to-defined \
	-Wformat -Wformat-extra-args -Wformat-zero-length -Wframe-address -Wignored-qualifiers -Wimplicit-function-declaration \
	-Wimplicit-int -Winfinite-recursion -Wint-in-bool-context -Wlogical-not-parentheses -Wmain -Wmemset-transposed-args \
	-Wmisleading-indentation -Wmissing-braces -Wmissing-field-initializers -Wnonnull -Woverride-init -Wparentheses \
	-Wpointer-sign -Wreturn-type -Wsequence-point -Wsign-compare -Wsizeof-array-div -Wsizeof-pointer-div \
	-Wsizeof-pointer-memaccess -Wstring-compare -Wswitch -Wtautological-compare -Wtype-limits -Wuninitialized \
	-Wunknown-pragmas -Wunused-but-set-parameter -Wunused-but-set-variable -Wunused-function -Wunused-label \
	-Wunused-local-typedefs -Wunused-parameter -Wunused-value -Wunused-variable -Wvolatile-register-var"

# builds NAME COMPILER [VARIABLE...]: it compiles, and there is nothing to
# say about it; the same again, with nothing left to do.
builds() {
	dir=obj/$1 cc=$2
	shift 2
	make -s B="$dir" CC="$cc" CFLAGS='-O2 -g -Werror' WARN="$WARN" "$@" "$dir/aoede" >"$TMP/make.out" 2>&1
	r=$?
	cat "$TMP/make.out"
	[ $r = 0 ] && [ ! -s "$TMP/make.out" ] && [ -x "$dir/aoede" ] && make -q B="$dir" CC="$cc" CFLAGS='-O2 -g -Werror' WARN="$WARN" "$@" "$dir/aoede"
}
test_programs() { # the tests' C files, but for their linking
	for f in tests/*/*.c
	do
		case $f in tests/freebsd/*) continue ;; esac
		f=${f##*/}
		make -s B="obj/$1" CC="$1" CFLAGS='-O2 -g -Werror' WARN="$WARN" "obj/$1/tests/${f%.c}.o" || return 1
	done >"$TMP/make.out" 2>&1
	r=$?
	cat "$TMP/make.out"
	[ $r = 0 ] && [ ! -s "$TMP/make.out" ]
}
needed() { readelf -d "$1" | sed -n 's/.*NEEDED.*\[\(.*\)\]/\1/p' | tr '\n' ' '; }

for cc in gcc clang musl-gcc
do
	ok "$cc builds it without a warning" builds $cc $cc
done
for cc in gcc clang
do
	ok "$cc compiles the tests without a warning" test_programs $cc
done
ok "gcc builds it without a warning at -O0" builds gcc0 gcc CFLAGS='-O0 -Werror'
ok "gcc builds it without a warning at -O3" builds gcc3 gcc CFLAGS='-O3 -Werror'
ok "it builds without the packet rings" builds norings gcc DEFS=-DPACKET_RINGS=0
ok "with gcc it needs libc only" [ "$(needed obj/gcc/aoede)" = 'libc.so.6 ' ]
ok "with musl it needs libc only" [ "$(needed obj/musl-gcc/aoede)" = 'libc.so ' ]
unlimited() {
	sed -i '/define[[:space:]]*MAX_NICS/d' "$src/tuneup.h" && builds unlimited gcc
	r=$?
	cp "$top/tuneup.h" "$src/tuneup.h"
	return $r
}
ok "MAX_NICS may be left undefined" unlimited
# What is not linux.c or freebsd.c needs POSIX and err.h, which the C
# libraries of both, and musl, have; posix.c also needs what these systems have
# beyond it alike (madvise, mincore, a thread's getrusage).
posix() {
	for f in ./*.c
	do
		case $f in ./linux.c | ./freebsd.c | ./posix.c) continue ;; esac
		"$1" -std=c11 -D_POSIX_C_SOURCE=200809L $WARN -Werror -I. -fsyntax-only "$f" || return 1
	done
}
ok "with glibc's headers, the rest of it needs POSIX only" posix gcc
ok "with musl's too" posix musl-gcc
# downward FILE...: none calls a function of one that stands before it.
downward() {
	[ $# -gt 0 ] || return 1
	: >"$TMP/above"
	for f in "$@"
	do
		nm -u "obj/gcc/$f.o" | awk '{ print $2 }' | sort | comm -12 - "$TMP/above" | sed "s/^/$f.c calls /" >&2
		nm -g --defined-only "obj/gcc/$f.o" | awk '$2 == "T" { print $3 }' | sort - "$TMP/above" -o "$TMP/above"
	done 2>"$TMP/upward"
	cat "$TMP/upward"
	[ ! -s "$TMP/upward" ]
}
# shellcheck disable=SC2046 # names
ok "calls go down README's table of files" downward $(sed -n '/^Reading the source/,/^Calls go down/s/^    \([a-z]*\)\.c .*/\1/p' "$top/README" | grep -vx freebsd)
header() { touch dat.h && fails make -q B=obj/gcc CC=gcc CFLAGS='-O2 -g -Werror' WARN="$WARN" obj/gcc/aoede; }
ok "a changed header means a build" header
plain() { env -i PATH="$PATH" make >"$TMP/make.out" 2>&1 && [ -x ./aoede ]; }
ok "make alone makes ./aoede" plain

ok "without time to look on there is nothing to say either" builds nospin gcc DEFS=-DSPIN_US=0
mknet 1500
truncate -s 1M "$TMP/img"
# boxed SANDBOX: what a build with this line in config.h says of its sandbox
boxed() {
	sed -i "s/define SANDBOX .*/define SANDBOX $1/" config.h
	make -s obj/aoede && AOEDE=obj/aoede start_target 9 0 t0 "$TMP/img" && sed -n 's/.* sandbox //p' "$TMP/out" && stop_target
}
ok "config.h decides whether there is a sandbox" eval '[ "$(boxed 0)" = none ] && [ "$(boxed 1)" != none ]'
running() {
	make -s
	AOEDE=./aoede start_target 9 0 t0 "$TMP/img" || return 1
	touch aoe.c
	make && [ -x ./aoede ] && alive
}
ok "make works while ./aoede runs" running

# installed PREFIX ARGUMENTS...: the four files and no other.
installed() {
	prefix=$1
	shift
	rm -rf "$TMP/a dest"
	make -s install DESTDIR="$TMP/a dest" "$@" || return 1
	(cd "$TMP/a dest" && find . -type f -printf '%m %p\n' | sort) >"$TMP/list"
	cat "$TMP/list"
	printf '%s\n' "644 .$prefix/lib/systemd/system/aoede@.service" "644 .$prefix/share/man/man8/aoede.8" "755 .$prefix/sbin/AoEded" "755 .$prefix/sbin/aoede" | cmp - "$TMP/list"
}
ok "make install honours DESTDIR and prefix" installed /usr prefix=/usr
ok "without a prefix it is /usr/local" installed /usr/local
uninstalled() { make -s uninstall DESTDIR="$TMP/a dest" && [ -z "$(find "$TMP/a dest" ! -type d)" ]; }
ok "make uninstall undoes it" uninstalled

# outside PLATFORM WAY CC: what packages set reaches the compiler and the
# linker, from the command line or the environment, and takes nothing away.
outside() {
	platform=$1 way=$2 cc=$3
	echo 'static const char from_outside[] __attribute__((used)) = "by CPPFLAGS";' >"$TMP/outside.h"
	set -- CC="$cc" CFLAGS=-O1 CPPFLAGS="-include $TMP/outside.h" LDFLAGS=-Wl,-rpath,/by/ldflags
	if [ "$way" = env ]; then set -- env "$@" make; else set -- make "$@"; fi
	rm -rf obj/outside
	"$@" B=obj/outside PLATFORM="$platform" obj/outside/aoede >"$TMP/make.out" 2>&1 || { cat "$TMP/make.out"; return 1; }
	grep -e ' -c ' -e ' -o ' "$TMP/make.out" >"$TMP/compiled"
	[ -s "$TMP/compiled" ] && fails grep -v "^$cc .* -pthread .* -O1 " "$TMP/compiled" &&
		readelf -d obj/outside/aoede | grep /by/ldflags && grep -q 'by CPPFLAGS' obj/outside/aoede
}
for platform in linux freebsd
do
	ok "$platform: compiler and flags come from outside" outside $platform make clang
	ok "$platform: or from the environment" outside $platform env gcc
done

# The tree.  Another build's output may be anywhere under obj.
cd "$top" || exit 1
belongs=' Makefile README LICENSE config.h tuneup.h aoe.c ata.c buf.c cache.c posix.c linux.c freebsd.c freeze.c crc.c tags.c dat.h fns.h aoede.8 AoEded tests .ci .git .gitignore .clang-format .editorconfig obj aoede '
strangers() { ls -A | while read -r f; do case $belongs in *" $f "*) ;; *) echo "$f" ;; esac; done; }
ok "the top level holds nothing that doesn't belong there" eval 'x=$(strangers); echo "$x"; [ -z "$x" ]'
missing() { for f in Makefile README LICENSE config.h tuneup.h aoe.c ata.c buf.c cache.c linux.c dat.h fns.h aoede.8 AoEded .ci .gitignore; do [ -e $f ] || echo $f; done; }
ok "and everything that does" eval 'x=$(missing); echo "$x"; [ -z "$x" ]'
neutral() { for f in ./*.c ./*.h; do case $f in ./linux.c | ./freebsd.c | ./config.h) ;; *) echo "$f" ;; esac; done; }
ok "platforms are told apart in linux.c, freebsd.c and config.h only" \
	eval 'fails grep -nE "^[[:space:]]*#[[:space:]]*(el)?if.*(linux|BSD|GLIBC|APPLE|sun|unix)" $(neutral)'
ok "so are their headers" \
	eval 'fails grep -nE "#[[:space:]]*include[[:space:]]*<(linux|net|netinet|netpacket|asm|sys/(epoll|ioctl|prctl|event|disk))" $(neutral)'

# The musl build once more through the tests of the command line, so that
# both libcs are known to parse it alike.
musl() {
	AOEDE=$src/obj/musl-gcc/aoede tests/cli.t >"$TMP/cli.out" 2>&1
	r=$?
	grep -v '^ok' "$TMP/cli.out"
	return $r
}
ok "the musl build passes the tests of the command line" musl

done_testing
