#!/bin/sh
# Redundancy beyond one machine: two targets that are the halves of a RAID1
# (md) of a real Linux.  One dies under load and comes back; nothing is lost.

# shellcheck disable=SC2016,SC2034,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 linux.uml:user-mode-linux busybox:busybox-static \
	mkfs.ext4:e2fsprogs debugfs:e2fsprogs mdadm:mdadm aoe-discover:aoetools || exit 1
. tests/lib.sh
. tests/uml.sh

mknet 9000
truncate -s 96M "$TMP/a.img" "$TMP/b.img"
first() { start_target 9 0 t0 "$TMP/a.img" && first=$TPID; }
second() { start_target 9 1 t0 "$TMP/b.img" && second=$TPID; }
# die PID: as by a power failure of its host.
die() {
	kill -9 "$1"
	reap "$1"
	PIDS=$(echo "$PIDS" | sed "s/ $1\b//")
}
detail() { guest "mdadm --detail /dev/md0" >"$TMP/detail"; cat "$TMP/detail"; }
state_is() { detail; grep -E "State : $1 *\$" "$TMP/detail"; }

ok "(two targets)" eval 'first && second'
boot 9000
# A target is taken for dead after 30 s: a disk that others keep busy may hold up
# the writes of a living one for some.
ok "(a Linux with md)" guest 'for m in md-mod raid1; do busybox insmod /usr/lib/uml/modules/$(uname -r)/kernel/drivers/md/$m.ko || exit; done
	echo 30 >/sys/module/aoe/parameters/aoe_deadsecs'
ok "it finds both" eval 'guest aoe-discover && found e9.0 && found e9.1'
ok "they become a RAID1" guest 'export MDADM_NO_UDEV=1
	mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --bitmap=internal /dev/etherd/e9.0 /dev/etherd/e9.1 && mdadm --wait /dev/md0; mdadm --detail /dev/md0 | grep "State : clean *$"'
ok "with a file system on it" guest 'mkfs.ext4 -q /dev/md0 && mount /dev/md0 /run/mnt'
ok "files are written" guest "$(populate before 6M 100k)"

guest_begin "$(populate during 24M 100k) && sync"
sleep 1
ok "one target dies under load" die "$second"
ok "the writing goes on to its end" guest_end
ok "the array has noticed" eval 'guest "sync"; until_true 20 state_is "(clean|active), degraded"'
ok "all files are there" guest "$(compare before 62) && $(compare during 246)"
ok "more can be written" guest "$(populate after 6M 100k) && sync"

ok "the target comes back, with its disk as it was" second
ok "the initiator takes it back" guest 'export MDADM_NO_UDEV=1
	mdadm /dev/md0 --remove failed || mdadm /dev/md0 --remove detached
	for i in $(seq 100); do aoe-discover; [ "$(cat "/sys/block/etherd!e9.1/state")" = up ] && break; sleep 0.1; done
	mdadm /dev/md0 --re-add /dev/etherd/e9.1'
ok "the array resyncs" eval 'guest "mdadm --wait /dev/md0"; until_true 20 state_is "(clean|active)"'
ok "all files are there" guest "$(compare before 62) && $(compare during 246) && $(compare after 62)"

ok "the other target dies" die "$first"
ok "all files are on the one that came back" guest "$(compare before 62) && $(compare during 246) && $(compare after 62)"
ok "it can be written" guest "$(populate last 3M 100k) && sync && cd / && umount /run/mnt && mdadm --stop /dev/md0"
guest_off

# Without the initiator: the file system begins where md's data does.
on_b() {
	offset=$(mdadm --examine "$TMP/b.img" | sed -n 's/ *Data Offset : \([0-9]*\) sectors.*/\1/p')
	dd if="$TMP/b.img" of="$TMP/fs.img" bs=512 skip="$offset" conv=sparse status=none &&
		rm -rf "$TMP/copy" && mkdir "$TMP/copy" && debugfs -R "rdump /$1 $TMP/copy" "$TMP/fs.img" 2>/dev/null &&
		(cd "$TMP/copy" && sha1sum -c --quiet "$shared/$1.sums")
}
for files in before during after last
do
	ok "on the image, the files written $files are whole" on_b $files
done

[ "$failed" -eq 0 ] || tail -n 25 "$shared/console" | sed 's/^/# console: /' >&2
done_testing
