#!/bin/sh
# getkernel.sh [ARCH]
#
# Print the directory where Debian's newest kernel for ARCH (this machine's
# by default) and a static busybox lie unpacked, as vmlinuz, lib/modules/* and
# busybox: what a guest boots from.  What is missing is downloaded, by apt and
# as root, and kept in $VMCACHE (/var/cache/aoede-tests).  The packages are not
# installed.  An ARCH that this release of Debian has no kernel for is taken
# from the next one.

here=$(dpkg --print-architecture)
arch=${1:-$here}
cache=${VMCACHE:-/var/cache/aoede-tests}/$arch
mkdir -p "$cache" || exit 1
exec 9>"$cache/lock"
flock 9 || exit 1
log=$cache/log
: >"$log"

# The packages of another architecture have lists of their own, lest the
# system's be changed.
opts=
foreign() {
	mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial"
	: >"$cache/apt/status"
	opts="-o APT::Architecture=$arch -o APT::Architectures=$arch -o Dir::State=$cache/apt -o Dir::State::status=$cache/apt/status
		-o Dir::Cache=$cache/apt/cache -o Dir::Etc::sourcelist=$cache/apt/sources.list -o Dir::Etc::sourceparts=-"
	# Where the system's own packages come from, and that suite or the one given.
	# shellcheck disable=SC2016 # apt expands them
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Identifier: Packages' |
		awk -v suite="$1" '$3 == "main" && (suite == "" || $2 !~ /-/) { print "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]", $1, suite == "" ? $2 : suite, "main" }' |
		sort -u >"$cache/apt/sources.list"
}
# shellcheck disable=SC2086 # $opts is a list of words
{
	update() { apt-get $opts update >>"$log" 2>&1; }
	newest() { apt-cache $opts depends "$1" 2>>"$log" | sed -n 's/^ *Depends: \(linux-image-[^ ]*\)$/\1/p' | head -n 1; }
	version() { apt-cache $opts policy "$1" 2>>"$log" | sed -n 's/^ *Candidate: //p'; }
	fetch() { (cd "$cache/new.debs" && apt-get $opts download "$@") >>"$log" 2>&1; }
}
case $arch in
armhf) meta=linux-image-armmp-lpae ;;
*) meta=linux-image-$arch ;;
esac

# A list that is out of date names files that are gone, so that a day's is
# the oldest to be used.
find_image() {
	[ -z "$opts" ] || [ -n "$(find "$cache/apt/lists" -name '*Packages*' -mmin -1440)" ] || update
	image=$(newest "$meta")
	[ -n "$image" ] || { update; image=$(newest "$meta"); }
	[ -n "$image" ]
}
[ "$arch" = "$here" ] || foreign ""
find_image || { foreign trixie && find_image; } || {
	echo "getkernel.sh: no $meta to be found" >&2
	tail -n 5 "$log" >&2
	exit 1
}
dir=$cache/${image}_$(version "$image")_$(version busybox-static)

unpack() {
	rm -rf "$cache/new" "$cache/new.debs"
	mkdir -p "$cache/new" "$cache/new.debs"
	fetch "$image" busybox-static || { update; fetch "$image" busybox-static; } || return 1
	for deb in "$cache/new.debs"/*.deb
	do
		dpkg -x "$deb" "$cache/new" || return 1
	done
	ln "$cache"/new/boot/vmlinu?-* "$cache/new/vmlinuz" || return 1
	ln "$(find "$cache/new" -path '*bin/busybox')" "$cache/new/busybox" || return 1
	[ -d "$cache/new/lib/modules" ] || ln -s usr/lib "$cache/new/lib" || return 1
	# Documentation of kernels and firmware has no place in a guest.
	rm -rf "$cache/new/usr/share" "$cache/new.debs"
	depmod -b "$cache/new" "$(ls "$cache/new/lib/modules")" || return 1
	# The last one goes; a guest that runs has its files open.
	for old in "$cache"/linux-image-*; do rm -rf "$old"; done
	mv "$cache/new" "$dir"
}
[ -d "$dir" ] || unpack >>"$log" 2>&1 || {
	echo "getkernel.sh: could not fetch $image and busybox-static for $arch" >&2
	tail -n 5 "$log" >&2
	exit 1
}
echo "$dir"
