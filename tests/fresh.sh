#!/bin/sh
# What a machine that has nothing yet makes of this tree:
#
#	tests/fresh.sh SUITE COMMAND...
#
# makes a bare root of that Debian suite (debootstrap's variant minbase with
# gcc, libc6-dev, make and git), clones the last commit into it, runs the
# commands there and says how long each took.  The suite '' is this machine's
# own.  The exit status is 1 when one of the commands fails.
#
# Taken from the environment:
#   FRESH_CACHE   where bare roots, and the packages that were installed in
#                 them, are kept (default /var/cache/aoede-fresh); a root is
#                 made anew after a month, when that can be
#   FRESH_MIRROR  where the suite is (default: where this machine's apt finds
#                 its own)

die() { echo "fresh: $*" >&2; exit 1; }

cd "$(dirname "$0")/.." || exit 1
[ $# -ge 2 ] || die "usage: tests/fresh.sh SUITE COMMAND..."
[ "$(id -u)" = 0 ] || die "mounts and namespaces need root"
tests/needpackages debootstrap:debootstrap unshare:util-linux setpriv:util-linux git:git pkill:procps || exit 1
# shellcheck disable=SC1091 # that file is the system's
own=$(. /etc/os-release && echo "$VERSION_CODENAME")
suite=${1:-$own}
shift
cache=${FRESH_CACHE:-/var/cache/aoede-fresh}
mkdir -p "$cache" || exit 1

# What one left that was killed by -9.
find /var/tmp -maxdepth 1 -name 'aoede-fresh.*' -mtime +1 -exec rm -rf --one-file-system {} +
TMP=$(mktemp -d /var/tmp/aoede-fresh.XXXXXX) || exit 1
root=$TMP/root
mkdir "$root" || exit 1
# The mounts are gone with the last process of their namespace.  unshare
# ignores TERM, and all that it started dies with it; but first they have a few
# seconds to give back what is not of a namespace, as loop devices are.
cleanup() {
	status=$?
	trap - EXIT INT TERM HUP
	[ -z "$inside" ] || {
		first=$(pgrep -P "$inside")
		pkill -TERM --ns "$first" --nslist pid
		n=0
		while [ "$(pgrep -c --ns "$first" --nslist pid)" -gt 1 ] && [ "$n" -lt 100 ]; do sleep 0.1; n=$((n + 1)); done
		kill -9 "$inside"
		wait "$inside"
	} 2>/dev/null
	rm -rf --one-file-system "$TMP" 2>/dev/null || { sleep 1; rm -rf --one-file-system "$TMP"; }
	exit "$status"
}
inside=
trap cleanup EXIT
trap 'exit 130' INT TERM HUP

# The lines of this machine's sources.list that are Debian's own, for the
# suite.
sources() {
	if [ -n "$FRESH_MIRROR" ]; then echo "deb $FRESH_MIRROR $suite main"; return; fi
	# shellcheck disable=SC2016 # apt expands them
	apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' | sort -u |
		sed -nE "s/^(.*) $own(|-updates|-security) (.*)/deb \1 $suite\2 \3/p"
}

bootstrap() {
	sources >"$TMP/sources"
	mirror=$(awk -v suite="$suite" '$3 == suite { print $2; exit }' "$TMP/sources")
	[ -n "$mirror" ] || { echo "fresh: apt's sources name no mirror of $own; please set FRESH_MIRROR" >&2; return 1; }
	debootstrap --variant=minbase --include=gcc,libc6-dev,make,git "$suite" "$root" "$mirror" >"$TMP/log" 2>&1 &&
		cp "$TMP/sources" "$root/etc/apt/sources.list" &&
		{ apt-config dump | grep -E '^Acquire::(http|https|Check)' >"$root/etc/apt/apt.conf.d/90host" || :; } &&
		chroot "$root" sh -c 'apt-get clean && apt-get update' >>"$TMP/log" 2>&1 &&
		tar -C "$root" -cf "$cache/$suite.new" . && mv "$cache/$suite.new" "$cache/$suite.tar" && rm -rf "$cache/$suite.debs" && return
	tail -n 5 "$TMP/log" >&2
	return 1
}

# One at a time makes what all use.
exec 9>"$cache/$suite.lock"
flock 9
kept=$(find "$cache" -name "$suite.tar" -mtime -30)
if [ -z "$kept" ] && ! bootstrap
then
	kept=$cache/$suite.tar
	[ -e "$kept" ] || die "could not make a root of $suite"
	echo "fresh: could not make a new root of $suite; the one of $(date -r "$kept" +%F) has to do" >&2
fi
if [ -n "$kept" ]
then
	rm -rf --one-file-system "$root"
	mkdir "$root" || exit 1
	tar -C "$root" -xf "$kept" || die "could not unpack $kept"
fi
exec 9>&-

# The packages, by links where that can be.
share() { cp -aln "$1"/*.deb "$2" || cp -an "$1"/*.deb "$2"; } 2>/dev/null
archives=$root/var/cache/apt/archives
mkdir -p "$cache/$suite.debs"
share "$cache/$suite.debs" "$archives"

cp -L /etc/resolv.conf /etc/hosts "$root/etc/"
if [ -e .git ]
then
	[ -z "$(git status --porcelain)" ] || echo "fresh: what is not committed is left out" >&2
	git clone -q . "$root/root/aoede" || die "could not clone the tree"
else
	tar -c --exclude=./obj --exclude=./aoede . | tar -C "$root/root" -x --one-top-level=aoede || die "could not copy the tree"
fi

# In a mount namespace with $root as its root, which is then a mount point,
# as ip netns wants it; and in a process namespace, so that nothing outlives
# this script, not even if it is killed by -9: then unshare is, too.
# shellcheck disable=SC2016 # expanded there
enter='
	mount --bind "$0" "$0" && cd "$0" &&
	mount -t proc proc proc && mount -t sysfs sysfs sys && mount --rbind /dev dev &&
	mount -t tmpfs tmpfs run && mkdir run/lock ".$cache" -p && mount --bind "$cache" ".$cache" &&
	pivot_root . mnt && umount -l /mnt && cd /root/aoede || exit
	status=0
	for command
	do
		begun=$(date +%s)
		sh -c "$command" || status=1
		echo "fresh: $suite: $command: $(($(date +%s) - begun)) s"
	done
	exit $status'
env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM="${TERM:-dumb}" \
	${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
	suite="$suite" cache="$cache" FRESH_CACHE="$cache" \
	setpriv --pdeathsig KILL unshare -m -p -f --kill-child sh -c "$enter" "$root" "$@" &
inside=$!
wait "$inside"
status=$?
inside=
share "$archives" "$cache/$suite.debs"
exit $status
