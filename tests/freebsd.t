#!/bin/sh
# FreeBSD, without such a machine: freebsd.c and all that goes with it
# compiles for it, against headers that hold its interfaces, and runs over a
# layer that is as strict (tests/freebsd).

# shellcheck disable=SC2016,SC2086,SC2119,SC2317 # ok calls the functions and expands what is quoted

tests/need ip:iproute2 clang:clang losetup:mount cmp:diffutils || exit 1
. tests/lib.sh

# compiles TARGET FILE: for FreeBSD on such a processor.
compiles() {
	clang -target "$1-unknown-freebsd" -fsyntax-only -std=c11 -D_FILE_OFFSET_BITS=64 -Werror \
		-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes \
		-nostdlibinc -Itests/freebsd/include -Itests/freebsd/libc -I. "$2"
}
for arch in x86_64 aarch64
do
	ok "$arch: the headers hold FreeBSD's numbers and sizes" compiles $arch tests/freebsd/facts.c
	for f in ./*.c
	do
		[ "$f" = ./linux.c ] || ok "$arch: ${f#./} compiles without a warning" compiles $arch "$f"
	done
done

make -s B="$B" "$B/freebsd/aoede" >"$TMP/make.out" 2>&1
ok "it builds without a warning, over the layer" eval 'cat "$TMP/make.out"; [ ! -s "$TMP/make.out" ] && [ -x "$B/freebsd/aoede" ]'
AOEDE=$B/freebsd/aoede

mknet 9000
ip -n "$INS" link set i0 netns "$TNS" && ip -n "$TNS" link set i0 up
until_true 5 carrier "$TNS" i0
truncate -s 1M "$TMP/4k"
LOOP=$(losetup --show -f -b 4096 "$TMP/4k") && undo "losetup -d $LOOP"
on_target "$B/freebsd/tests/freebsd/strict" "$LOOP" >"$TMP/strict" 2>&1
relay "$TMP/strict"
ok "the layer's tests ran to their end" [ -n "$plan" ]
ip -n "$TNS" link set i0 netns "$INS" && ip -n "$INS" link set i0 up
until_true 5 carrier "$TNS" t0

io() { on_initiator "$B/tests/aoeio" "$@"; }
img=$TMP/img
truncate -s 80M "$img"

# works LAYER ARGUMENTS...: with the layer made worse, random reads and
# writes agree with a model.
works() {
	LAYER=$1
	export LAYER
	shift
	start_target "$@" 9 0 t0 "$img" && io verify 2
	r=$?
	cat "$TMP/err"
	stop_target && [ $r = 0 ]
}
ok "all is right where no file is fit for aio" works noaio
ok "where aio has room for two operations" works fewaio
ok "where the interface's queue is full now and then" works enobufs
ok "where bpf's buffer is small" works maxbuf=20000
ok "with writes behind, where aio is scarce" works fewaio -w
narrow() {
	LAYER=maxbuf=4200 start_target 9 0 t0 "$img" || return 1
	io discover | tee "$TMP/found"
	stop_target && grep -q ' sectors 8 ' "$TMP/found"
}
ok "no more sectors are offered than bpf's buffer carries" narrow
LAYER=
parts() { # the halves of the device's sectors, written at the same time
	start_target 9 0 t0 "$LOOP" || return 1
	head -c 1M /dev/urandom >"$TMP/1m"
	io write 0 <"$TMP/1m" && io read 0 2048 | cmp - "$TMP/1m"
	r=$?
	stop_target && [ $r = 0 ] && cmp "$TMP/1m" "$TMP/4k"
}
ok "512-byte sectors of a disk with larger ones are right" parts
model() { # model ARGUMENTS...: the same, at random
	truncate -s 80M "$TMP/4k" && losetup -c "$LOOP" && start_target "$@" 9 0 t0 "$LOOP" && io verify 2
	r=$?
	stop_target && [ $r = 0 ]
}
ok "so they are at random" model
ok "and with writes behind" model -w
done_testing
