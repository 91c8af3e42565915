#!/bin/sh
# The model of the freeze protocol, tests/freeze.pml, searched by spin: every
# order of what the process, the kernel, a kill and a power cut can do.  So
# that the search is known to find something, it is also given protocols that
# lose data, one of them what ours would be without the timer.

# shellcheck disable=SC2086,SC2317 # $cycles may be nothing, and ok calls the functions

tests/needpackages ip:iproute2 spin:spin gcc:gcc timeout:coreutils || exit 1
. tests/lib.sh

# search HOW DEFINITION...: its result, in $TMP/result.
search() {
	how=$1
	shift
	rm -rf "$TMP/spin" && mkdir "$TMP/spin" || return 1
	cp tests/freeze.pml "$TMP/spin"
	cycles=
	[ "$how" = SAFETY ] || cycles=-l
	(cd "$TMP/spin" && spin -a "$@" freeze.pml && gcc -O2 "-D$how" -o pan pan.c && timeout 300 ./pan -m10000 $cycles) >"$TMP/result" 2>&1
	cat "$TMP/result"
	[ -s "$TMP/result" ] && ! grep -q 'max search depth too small\|out of memory' "$TMP/result"
}
# It came to its end and found nothing.
sound() { search "$@" && grep -q 'errors: 0' "$TMP/result" && ! grep -q 'not completed\|aborted' "$TMP/result"; }
# A sector has lost what was promised.
loses() { search SAFETY "$@" && grep -q 'assertion violated.*>=' "$TMP/result"; }

ok "two writes, a flush and a power cut" sound SAFETY -DWRITES=2 -DFLUSHES=1 -DKILLS=0
ok "two writes, a kill and a power cut" sound SAFETY -DWRITES=2 -DFLUSHES=0 -DKILLS=1
ok "three writes and a power cut" sound SAFETY -DWRITES=3 -DFLUSHES=0 -DKILLS=0
ok "two freezes, a kill and a power cut" sound SAFETY -DWRITES=1 -DFLUSHES=0 -DKILLS=1 -DFREEZES=2
ok "nothing goes on for ever" sound NP -DWRITES=1 -DFLUSHES=1 -DKILLS=1
ok "without the timer a power cut loses what was on the disk" loses -DNOTIMER -DFLUSHES=0 -DKILLS=0
ok "with the map before the data it loses what a flush has covered" loses -DEARLY -DKILLS=0
ok "so it does if the soft map is believed" loses -DBELIEVED -DKILLS=0
ok "or if the image isn't synced before the shadow goes" loses -DUNSYNCED -DWRITES=2 -DKILLS=0
done_testing
