#!/bin/sh
# The target against the Linux aoe driver.  Debian's user-mode-linux is a
# whole kernel that runs as a process; booted in the initiator's namespace
# it has the host's files as its own (read-only) and i0 as its network
# card.  tests/uml.sh boots it and has it carry out commands.
#
# aoeping and aoecfg have no place in the guest: its network card hands it
# back its own frames, and these two take them for answers.  They are
# tried from outside in aoetools.t.
#
# shellcheck disable=SC2317 # functions are called by way of ok

tests/needpackages ip:iproute2 linux.uml:user-mode-linux busybox:busybox-static \
	mkfs.ext4:e2fsprogs e2fsck:e2fsprogs debugfs:e2fsprogs hdparm:hdparm \
	aoe-stat:aoetools modprobe:kmod cmp:diffutils awk:mawk || exit 1
. tests/lib.sh
. tests/uml.sh

# Not a round number, so that a size that was rounded anywhere shows.
whole=$((256 * 2048 + 5))
disk=/dev/etherd/e9.0
sysfs='/sys/block/etherd!e9.0'

# counter INTERFACE NAME: one of the target's network statistics.
counter() { on_target cat "/sys/class/net/$1/statistics/$2"; }

# Once more, taken from the image without the kernel's and the target's help.
same_on_image() {
	rm -rf "$TMP/copy" && mkdir "$TMP/copy" &&
	debugfs -R "rdump /$1 $TMP/copy" "$img" 2>/dev/null &&
	(cd "$TMP/copy" && sha1sum -c --quiet "$shared/$1.sums")
}

# Reads of exactly one full frame: the target sends one frame for each,
# and a few more for discovery at most.
one_frame_each() {
	before=$(counter t0 tx_packets)
	guest "dd if=$disk of=/dev/null bs=$payload count=200 iflag=direct" || return 1
	sent=$(($(counter t0 tx_packets) - before))
	echo "$sent frames for 200 reads of $payload bytes"
	[ "$sent" -ge 200 ] && [ "$sent" -lt 220 ]
}

# The bytes that have arrived since the write began.
arrived() { [ $(($(counter t0 rx_bytes) - before)) -gt "$1" ]; }

# kill -9 with the guest still writing, a second without a target, and a
# new one; twice.  What proves the moments right is that megabytes had
# arrived and that the writer is not done even after that second.
kill_and_restart() {
	before=$(counter t0 rx_bytes)
	guest_begin "$(populate killed 50331648 98304) && sync -f /run/mnt"
	for at in 8000000 24000000
	do
		until_true 20 arrived "$at" || { echo "no writes arrive"; return 1; }
		stop_target KILL
		sleep 1
		[ ! -e "$shared/$job.status" ] || { echo "the write was over before"; return 1; }
		start_target 9 0 t0 "$img" || return 1
	done
}

# More disk: the image grows, the target is told.
grow() {
	sectors=$((sectors + $1))
	truncate -s $((sectors * 512)) "$img" && kill -HUP "$TPID"
}
size_is() { echo "[ \"\$(cat $sysfs/size)\" = $1 ]"; }
# A pattern into the last 3 sectors, through the driver and straight out
# of the image.
write_end() {
	guest "yes $mtu | head -c 1536 >/run/end &&
		dd if=/run/end of=$disk bs=512 seek=$((sectors - 3)) oflag=direct"  || return 1
	yes "$mtu" | head -c 1536 >"$TMP/end"
	tail -c 1536 "$img" | cmp - "$TMP/end"
}

# The driver asks of its own accord only once a minute, but the next advertisement,
# which may come soon, brings the disk back.
flush() { guest "[ -e $sysfs ] && aoe-flush e9.0 && for i in \$(seq 250); do [ -e $sysfs ] || exit 0; sleep 0.02; done; exit 1"; }
discover() { guest aoe-discover && guest_until "$(size_is "$sectors")"; }

discovery() {
	ok "$is the target starts" start_target 9 0 t0 "$img"
	ok "$is the driver finds e9.0 by itself" found e9.0
	[ "$failed" -eq "$failed_before" ] || return
	ok "$is the disk has the image's size" guest "cat $sysfs/size; $(size_is "$sectors")"
	ok "$is aoe-stat shows e9.0 up, with $payload bytes a frame" guest \
		"aoe-stat; aoe-stat | grep -Eq '^ *e9\.0 +0\.268GB +vec0 +$payload +up *$'"
	ok "$is the driver's log says so too" guest \
		"dmesg | grep aoe:; dmesg | grep -q 'e9.0: setting $payload byte data frames'"
	ok "$is each read of $payload bytes is one frame" one_frame_each
	# hdparm -I needs SG_IO, which the driver has not; -i asks the driver
	# for the IDENTIFY block it got.
	ok "$is hdparm reads the disk's identity from the driver" guest \
		"hdparm -i $disk >/run/id; cat /run/id
		grep -q 'SerialNo=9\.0:' /run/id && grep -q 'Model=[^ ,]' /run/id &&
		grep -q 'LBA=yes, LBAsects=$sectors' /run/id"
}

# README's commands, where modprobe finds the guest's modules, on /mnt.
readme() {
	guest "mkdir -p /tmp/lib && ln -s /usr/lib/uml/modules /tmp/lib/modules
		modprobe() { command modprobe -d /tmp \"\$@\"; }
		set -e
		$(section 'Using it from Linux')
		grep '^$disk /mnt ext4 ' /proc/mounts
		umount /mnt"
}
files() {
	[ "$mtu" != 9000 ] || ok "$is README's commands work as they are written" readme
	ok "$is mkfs.ext4 makes a file system" guest "mkfs.ext4 -q $disk"
	ok "$is it mounts" guest "mount $disk /run/mnt"
	ok "$is 400 files are written" guest "$(populate files 16384000 40960)"
	ok "$is it unmounts" guest "umount /run/mnt"
	ok "$is the unmounted file system is clean" e2fsck -fn "$img"
	ok "$is it mounts again" guest "mount $disk /run/mnt"
	ok "$is the files are identical" guest "$(compare files 400)"
}

killed() {
	ok "$is the target is killed and restarted twice under a write" kill_and_restart
	ok "$is the write finishes" guest_end
	ok "$is the driver had to retransmit" guest \
		"timeout 1 cat /dev/etherd/err >/run/err; tail -n 3 /run/err; grep -q retransmit /run/err"
	ok "$is no error reached the file system" guest \
		"dmesg | grep -E 'I/O error|EXT4-fs (error|warning)|remount' && exit 1; grep -q ' /run/mnt ext4 rw' /proc/mounts"
	ok "$is the files written meanwhile are identical" guest "$(compare killed 512)"
	ok "$is the earlier files still are" guest "$(compare files 400)"
	ok "$is it unmounts after that" guest "umount /run/mnt"
	ok "$is e2fsck finds nothing to repair" e2fsck -fn "$img"
	ok "$is the image holds the same files" same_on_image killed
}

growth() {
	ok "$is the image grows and the target gets SIGHUP" grow 65536
	ok "$is the driver learns of the new size by itself" guest_until "$(size_is "$sectors")"
	ok "$is the new last sectors can be written" write_end
	ok "$is the image grows once more" grow 2047
	ok "$is aoe-revalidate succeeds" guest "aoe-revalidate e9.0"
	ok "$is and the disk has its new size" guest_until "$(size_is "$sectors")"
	ok "$is aoe-flush makes the driver forget the disk" flush
	ok "$is aoe-discover finds it again" discover
}

# session MTU PAYLOAD: all of it with a guest and an image of its own.
session() {
	is="MTU $1:" payload=$2 failed_before=$failed img=$TMP/img.$1
	sectors=$whole
	truncate -s $((sectors * 512)) "$img"
	boot "$1"
	discovery && files && killed && growth
	ok "$is the guest shuts down" guest_off
	ok "$is the target is alive and ends in order" stop_target
	[ "$failed" -eq "$failed_before" ] || tail -n 25 "$shared/console" | sed 's/^/# console: /' >&2
}

mknet 9000
session 9000 8704
session 1500 1024
done_testing
