#!/bin/sh
# A freeze under a real Linux initiator with ext4: in the middle of file
# writes the image is frozen and copied; the copy is a sound file system, and
# the guest never notices.

# shellcheck disable=SC2317 # ok calls the functions

tests/needpackages ip:iproute2 linux.uml:user-mode-linux busybox:busybox-static \
	mkfs.ext4:e2fsprogs e2fsck:e2fsprogs debugfs:e2fsprogs cmp:diffutils || exit 1
. tests/lib.sh
. tests/uml.sh

disk=/dev/etherd/e9.0
img=$TMP/img shadow=$TMP/shadow

received() { on_target cat /sys/class/net/t0/statistics/rx_bytes; }
arrived() { [ $(($(received) - before)) -gt "$1" ]; }
stamp() { stat -c %y "$img"; cksum <"$img"; }

# The writer is at work before and after.
freeze() {
	before=$(received)
	guest_begin "$(populate late 100663296 196608) && sync -f /run/mnt"
	until_true 20 arrived 8000000 || { echo "no writes arrive"; return 1; }
	signals USR1 USR2
	until_true 10 frozen || return 1
	stamp >"$TMP/stands"
	before=$(received)
	until_true 20 arrived 4000000 || { echo "no more writes arrive"; return 1; }
	[ ! -e "$shared/$job.status" ] || { echo "the writes were over before"; return 1; }
}
still() { stamp | diff - "$TMP/stands"; }
copy() { cp --sparse=always "$img" "$TMP/copy" && still; }
# What the journal holds first, as a mount does.
replayed() { e2fsck -E journal_only -y "$TMP/copy" >"$TMP/replay" 2>&1; [ $? -le 1 ] || { cat "$TMP/replay"; return 1; }; }
early() {
	mkdir "$TMP/early" && debugfs -R "rdump /early $TMP/early" "$TMP/copy" 2>/dev/null &&
		(cd "$TMP/early" && sha1sum -c --quiet "$shared/early.sums")
}

mknet 9000
truncate -s 256M "$img"
# A line of 20 MB/s, so that the writer is not done before this host, which may
# be busy, has looked.
on_initiator tc qdisc add dev i0 root tbf rate 160mbit burst 64kb limit 32mb
boot 9000
ok "the target starts" start_target -f "$shadow" 9 0 t0 "$img"
ok "the driver finds it" found e9.0
ok "a file system is made and mounted" guest "mkfs.ext4 -q $disk && mount $disk /run/mnt"
ok "files are written and synced" guest "$(populate early 4096000 40960) && sync -f /run/mnt"
ok "the image is frozen in the middle of more" freeze
ok "it is copied, and stands still" copy
ok "the copy's journal can be replayed" replayed
ok "then e2fsck finds nothing to repair in the copy" e2fsck -fn "$TMP/copy"
ok "the files that had been synced are in it" early
stop_target KILL
ok "the target, killed while it is frozen, starts again" start_target -f "$shadow" 9 0 t0 "$img"
ok "the image stands still" still
signals USR1 USR1 USR2
ok "it is unfrozen" until_true 60 thawed
ok "the writes finish" guest_end
ok "no error reached the file system" guest \
	"dmesg | grep -E 'I/O error|EXT4-fs (error|warning)|remount' && exit 1; grep -q ' /run/mnt ext4 rw' /proc/mounts"
ok "the files written meanwhile are identical" guest "$(compare late 512)"
ok "the earlier ones still are" guest "$(compare early 100)"
ok "it unmounts" guest "umount /run/mnt"
ok "e2fsck finds nothing to repair in the image" e2fsck -fn "$img"
ok "the guest shuts down" guest_off
ok "the target ends in order" stop_target
[ "$failed" -eq 0 ] || tail -n 25 "$shared/console" | sed 's/^/# console: /' >&2
done_testing
