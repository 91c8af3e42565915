# Sourced by the scripts that have a Linux of their own as the initiator:
# user-mode-linux, in the namespace $INS.  Source lib.sh first.
#
# Its init carries out what the script leaves for it in a shared directory, so
# that a test is a line: ok NAME guest COMMAND.

# shellcheck shell=sh

# The guest's init.  Everything it changes lies in memory, on the disk
# under test or in the shared directory.
init() {
	cat <<-EOF
	#!/bin/sh
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mount -t tmpfs tmpfs /tmp
	mount -t tmpfs tmpfs /run
	mkdir /run/shared /run/mnt
	busybox mount -t hostfs none /run/shared -o $shared
	ip link set vec0 mtu $mtu
	ip link set vec0 up
	busybox insmod /usr/lib/uml/modules/\$(uname -r)/kernel/drivers/block/aoe/aoe.ko
	cd /run/shared
	n=1
	while echo \$n >alive; do n=\$((n + 1)); sleep 1; done &
	n=1
	while :
	do
		if [ -e \$n.sh ]
		then
			sh \$n.sh >\$n.out 2>&1 </dev/null
			echo \$? >\$n.new
			mv \$n.new \$n.status
			n=\$((n + 1))
		else
			sleep 0.02
		fi
	done
	EOF
}

# boot MTU: both ends of the cable get the MTU, and the guest starts, which is
# a test of its own.
boot() {
	mtu=$1 job=0 shared=$TMP/$1
	mkdir -p "$shared" && init >"$shared/init" && chmod +x "$shared/init"
	ip -n "$TNS" link set t0 mtu "$mtu"
	ip -n "$INS" link set i0 mtu "$mtu"
	HOME=$TMP ip netns exec "$INS" timeout -k 1 300 linux.uml mem=256M \
		rootfstype=hostfs rootflags=/ ro init="$shared/init" \
		vec0:transport=raw,ifname=i0,depth=128,gro=0,mtu="$mtu" \
		con=null con0=fd:0,fd:1 quiet </dev/null >"$shared/console" 2>&1 &
	guestpid=$!
	PIDS="$PIDS $guestpid"
	ok "(a Linux boots, MTU $mtu)" booted
}
booted() {
	until_true 60 up_or_dead
	[ -e "$shared/alive" ] || { LOST=$shared/console; return 1; }
}
up_or_dead() { [ -e "$shared/alive" ] || ! kill -0 "$guestpid"; }

# guest COMMAND: run it in the guest; its output and exit status are ours.
# guest_begin only starts it and guest_end waits for it, for at most
# $patience seconds, as of until_true, and not for a guest that is gone or no
# longer shows that it lives.  Without an answer the script ends: what is left to
# test would only take its time to fail.
patience=40
guest_begin() {
	job=$((job + 1))
	echo "$*" >"$shared/$job.new"
	mv "$shared/$job.new" "$shared/$job.sh"
}
guest_end() {
	until_true "$patience" guest_done
	cat "$shared/$job.out" 2>/dev/null
	[ -e "$shared/$job.status" ] || {
		echo "no answer from the guest"
		LOST=$shared/console
		return 1
	}
	return "$(cat "$shared/$job.status")"
}
guest_done() { [ -e "$shared/$job.status" ] || ! living; }
living() { kill -0 "$guestpid" && beating "$shared/alive"; }
guest() { guest_begin "$*"; guest_end; }

# guest_until COMMAND: let the guest try the command for 5 s.
guest_until() {
	guest "exec 2>/dev/null; for i in \$(seq 50); do { $*; } && exit; sleep 0.1; done; exit 1"
}

# found NAME: the driver has the disk e9.0, or what it is called.  A driver whose
# thread falls 512 frames behind stops for good when no further request comes
# (the one of Linux 6.12 does, on one processor), so it is given only as much
# at a time as 256 of the smallest frames hold.
found() {
	guest_until "[ -b /dev/etherd/$1 ]" && guest "cd '/sys/block/etherd!$1/queue' && echo 64 >max_sectors_kb && echo 4 >nr_requests"
}

# Shutdown: the guest's kernel ends, and with it the process.
guest_off() {
	guest_begin 'busybox poweroff -f'
	within 40 gone "$guestpid"
	PIDS=$(echo "$PIDS" | sed "s/ $guestpid\b//")
}
gone() { ! kill -0 "$1"; }

# Files under NAME, in the guest; the sums go where no disk is involved.
# One process makes them all, as starting many takes long in the guest.
populate() {
	echo "mountpoint -q /run/mnt && cd /run/mnt && mkdir $1 && head -c $2 /dev/urandom | split -a 3 -b $3 - $1/f &&
		find $1 -type f -exec sha1sum {} + | sort >/run/shared/$1.sums"
}
# The same files read from the disk itself, not from the page cache.
compare() {
	echo "echo 3 >/proc/sys/vm/drop_caches; mountpoint -q /run/mnt && cd /run/mnt &&
		[ \$(ls $1 | wc -l) -eq $2 ] && sha1sum -c --quiet /run/shared/$1.sums"
}
