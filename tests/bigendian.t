#!/bin/sh
# A big-endian machine, emulated: the unit tests and the model, and frames
# over the wire.  The initiator runs on this machine.

# shellcheck disable=SC2016,SC2119,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 timeout:coreutils s390x-linux-gnu-gcc:gcc-s390x-linux-gnu \
	/usr/s390x-linux-gnu/include/stdio.h:libc6-dev-s390x-cross qemu-s390x:qemu-user od:coreutils || exit 1
. tests/lib.sh

# Built by one process at a time, whoever runs this script.
make -s B="$B" "$B/s390x/aoede" >"$TMP/make.out" 2>&1
ok "it builds without a warning" eval 'cat "$TMP/make.out"; [ ! -s "$TMP/make.out" ] && [ -x "$B/s390x/aoede" ]'
# The byte that says so in an ELF header.
ok "it is big-endian" [ "$(od -An -j5 -N1 -tu1 "$B/s390x/aoede" | tr -d ' ')" = 2 ]

timeout 200 qemu-s390x "$B/s390x/tests/unit" 1 >"$TMP/out.tap" 2>"$TMP/out.err"
relay "$TMP/out.tap"
ok "the unit tests ran to their end" [ -n "$plan" ]
for mode in calls-faults frames-direct-pool
do
	ok "a random run agrees with the model, mode $mode" timeout 200 qemu-s390x "$B/s390x/tests/model" -1 1 $mode
done
ok "it survives the seed corpus, and answers as the oracle expects" \
	timeout 100 qemu-s390x "$B/s390x/tests/replay_frame" tests/fuzz/corpus/frame/*

# Over the wire.  qemu passes packet sockets on, but no packet rings.
printf '#!/bin/sh\nexec qemu-s390x %s "$@"\n' "$B/s390x/aoede" >"$TMP/aoede"
chmod +x "$TMP/aoede"
AOEDE=$TMP/aoede
img=$TMP/img
head -c 41943040 /dev/urandom >"$img"
mknet 9000
ok "the target starts" start_target -b 64 9 0 t0 "$img"
for g in frames config mask reserve ata identify trim smart
do
	on_initiator timeout 100 "$B/tests/wire" -f "$img" $g >"$TMP/wire.out" 2>&1
	relay "$TMP/wire.out"
	ok "$g ran to its end" [ -n "$plan" ]
done
ok "random reads and writes agree with a model" on_initiator "$B/tests/aoeio" verify 2
ok "it ends with status 0" stop_target
done_testing
