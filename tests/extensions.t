#!/bin/sh
# The extensions where options, messages and statistics come into it, and tag
# tracking on a bad network.
#
# The seed is the same each time; SEED=$(date +%s) tries others.

# shellcheck disable=SC2086,SC2317 # no options are no argument; ok calls the functions

tests/needpackages ip:iproute2 timeout:coreutils || exit 1
. tests/lib.sh

seed=${SEED:-1}
mknet 1500
img=$TMP/disk.img
truncate -s 1M "$img"
imac=$(on_initiator cat /sys/class/net/i0/address)

# What arrives late, with the target's options and badnet's.
badnet() {
	start_target $1 9 0 t0 "$img" || return 1
	shift
	on_initiator timeout 120 "$B/tests/badnet" -x "$seed" "$@" >"$TMP/badnet"
	r=$?
	cat "$TMP/badnet"
	stop_target TERM && [ $r = 0 ]
}
number() { sed -n "s/.*$1=\([0-9]*\).*/\1/p" "$TMP/badnet"; }
overwritten() { badnet "$@" && [ "$(number duplicates)" -gt 100 ] && [ "$(number overwritten)" -gt 0 ]; }
kept() { badnet "$@" && [ "$(number duplicates)" -gt 100 ] && [ "$(number overwritten)" = 0 ]; }

ok "without tracking a bad network (seed $seed) overwrites newer data" overwritten ''
ok "with tag_inc_le the same schedule does not" kept '' -t
ok "nor does it with -T" kept -T
ok "with -t it does: that is for what waits in the ring" overwritten -t

# statistics PATTERN: a line of what HUP prints.
statistics() {
	kill -HUP "$TPID"
	until_true 5 grep -q "^t0: up, 0 frames" "$TMP/out"
	cat "$TMP/out"
	grep -qE "$1" "$TMP/out"
}
extensions() {
	truncate -s 40M "$img" &&
	start_target 9 0 t0 "$img" &&
	on_initiator timeout 60 "$B/tests/wire" -f "$img" extensions >"$TMP/wire.out"
}
reported() {
	cat "$TMP/err"
	grep -qE "^aoede: write with a wrong CRC from $imac, tag [0-9a-f]{8}, LBA 100: dropped\$" "$TMP/err"
}
fewlines() { wc -l <"$TMP/err" && [ "$(wc -l <"$TMP/err")" -lt 100 ]; }
ok "the tests of the wire pass for this" extensions
ok "corrupted writes are reported with MAC, tag and LBA" reported
ok "and not more often than one can read" fewlines
ok "HUP counts duplicates" statistics '^duplicates of requests under way [0-9]+, of those in the ring [0-9]+, of writes done [1-9][0-9]*$'
ok "and corrupted writes and reads dropped for congestion" statistics '^writes with a wrong CRC [1-9][0-9]*, reads dropped for a congested network [1-9][0-9]*$'
ok "the target ends" stop_target TERM
done_testing
