# Sourced by the scripts that need a systemd: one of their own, as process 1
# of namespaces, over a copy of this system's files that is gone afterwards
# ($inner in it is $outer here).  Its network is the target's, $TNS.  Source
# lib.sh first, and call mknet.

# shellcheck shell=sh disable=SC2034 # variables are for the sourcing script
outer=$TMP/outer
unit=/usr/lib/systemd/system/aoede@.service

# The first process's script; systemd takes its place.  It needs no devices
# but these, and udev is not to look at the machine's disks.
init() {
	cat <<-EOF
	#!/bin/sh -e
	mount --make-rprivate /
	cd "$outer"
	mount -t proc proc proc
	mount -t sysfs sysfs sys
	mount -t cgroup2 cgroup2 sys/fs/cgroup
	mount -t tmpfs -o mode=755 tmpfs run
	mount -t tmpfs tmpfs tmp
	mount -t tmpfs -o mode=755 tmpfs dev
	mkdir dev/shm dev/pts
	for d in null zero full random urandom tty
	do
		touch dev/\$d
		mount --bind /dev/\$d dev/\$d
	done
	mount -t devpts devpts dev/pts -o newinstance,ptmxmode=666
	exec env -i container=tests PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot . /usr/lib/systemd/systemd --unit=multi-user.target
	EOF
}

# A root of its own: this system's, with what is changed in memory.
make_root() {
	mkdir "$outer" "$TMP/over" && mount -t tmpfs -o mode=755 tmpfs "$TMP/over" || return 1
	undo "umount -l '$TMP/over'"
	mkdir "$TMP/over/up" "$TMP/over/work"
	mount -t overlay -o "lowerdir=/,upperdir=$TMP/over/up,workdir=$TMP/over/work" overlay "$outer" || return 1
	undo "umount -l '$outer'"
	rm -rf "$outer"/etc/systemd/system/*.wants "$outer/etc/aoede" "$outer/etc/fstab" "$outer"/etc/systemd/system/aoede*
	for u in systemd-udevd systemd-udev-trigger systemd-networkd systemd-resolved systemd-timesyncd systemd-logind
	do
		ln -sf /dev/null "$outer/etc/systemd/system/$u.service"
	done
	mkdir -p "$outer/var/log/journal" "$outer/etc/aoede" "$outer/srv"
}

boot_systemd() {
	init >"$TMP/init"
	ip netns exec "$TNS" unshare -m -p -f --kill-child -u -i -C sh "$TMP/init" </dev/null >"$TMP/console" 2>&1 &
	holder=$!
	PIDS="$PIDS $holder"
	until_true 10 find_first && until_true 20 booted
}
find_first() { first=$(pgrep -P "$holder" systemd) && [ -n "$first" ]; }
booted() { inside systemctl is-system-running | grep -qx 'running\|degraded'; }
# What ends it: the first process, and with it all others.
halt_systemd() { kill -9 "$first" 2>/dev/null; wait "$holder" 2>/dev/null; }

# inside COMMAND...: run it there.
inside() { timeout 30 nsenter -t "$first" -m -u -i -n -p -C -r -w env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@"; }
