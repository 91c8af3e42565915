#!/bin/sh
# make demo: export a sparse image from one host to another, both of them
# network namespaces, and use it with the project's own initiator.
#
# The output of the target shows only if something goes wrong.

cd "$(dirname "$0")/.." || exit 1
[ "$(id -u)" = 0 ] || { echo "demo: network namespaces and raw sockets need root" >&2; exit 1; }
tests/needpackages ip:iproute2 || exit 1
. tests/lib.sh

die() {
	echo "demo: $*" >&2
	cat "$TMP/out" "$TMP/err" >&2 2>/dev/null
	exit 1
}

image=$TMP/demo.img
truncate -s 256M "$image" || die "no room for the image"
mknet 9000 || die "could not join two namespaces by a veth pair"
echo "aoede 9 0 t0 $(basename "$image")   (in a namespace of its own, MTU 9000)"
start_target 9 0 t0 "$image" || die "the target did not start"
found=$(on_initiator "$B/tests/aoeio" discover) || die "nothing was discovered"
case $found in
"e9.0 "*) ;;
*) die "discovered something else: $found" ;;
esac
size=$(on_initiator "$B/tests/aoeio" size) || die "no answer to IDENTIFY"
[ "$size" = 524288 ] || die "the size is $size sectors, not 524288"
on_initiator "$B/tests/aoeio" exercise || die "the exercise failed"
alive || die "the target ended by itself"
stop_target TERM || die "the target ended with status $?"
