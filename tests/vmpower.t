#!/bin/sh
# Power failures: targets in a guest, on ext4, XFS and btrfs, each with a disk
# of its own, in every mode; verified load from outside; at a random moment
# the guest's power is cut.  It boots, and every sector is read over AoE and
# must hold what the mode promises.
#
# Half of the cuts find disks that keep all that was sent to them, and half
# find disks with a cache that is lost as well: qcow2, which keeps in memory
# where it has put new data until the guest flushes.
#
#	tests/vmpower.t [CUTS [SEED]]	3 cuts, and any seed, which is printed;
#					all: 10
#
# Taken from the environment:
#	FS, MODES	what to try (default: all)

# shellcheck disable=SC2016,SC2034,SC2046,SC2086,SC2317 # ok calls the functions; lists of arguments

tests/needpackages qemu-system-x86_64:qemu-system-x86 qemu-img:qemu-utils mkfs.ext4:e2fsprogs mkfs.xfs:xfsprogs mkfs.btrfs:btrfs-progs \
	od:coreutils shuf:coreutils || exit 1
. tests/lib.sh
. tests/vm.sh

cuts=${1:-3}
[ "$cuts" != all ] || cuts=10
seed=${2:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}
note "seed $seed"
# between FROM TO: $r becomes a number that follows from the seed.
between() { seed=$(((seed * 1103515245 + 12345) % 2147483648)); r=$(($1 + seed / 65536 % ($2 - $1 + 1))); }

# The modes: what an answered write, or a flush, promises.
#	stable	-s: every answered write
#	thaw	-s -f, frozen and unfrozen all the time: the same
#	direct	-d -s -f: the same
#	flush	by default: what was answered before a flush
#	dflush	-d: the same
#	wflush	-w: the same
#	harden	-f, frozen, no flush: what the kernel syncs, HARDEN_MS and more
#		after the last write
#	none	by default, no flush: nothing.  It must be seen to lose some, or
#		these cuts prove nothing.
fs=${FS:-ext4 xfs btrfs}
modes=${MODES:-stable thaw direct flush dflush wflush harden none}
options() {
	case $1 in
	stable) echo "-s -S /mnt/$2/state" ;;
	thaw) echo "-s -f /mnt/$2/shadow" ;;
	direct) echo "-d -s -f /mnt/$2/shadow" ;;
	dflush) echo -d ;;
	wflush) echo -w ;;
	harden) echo "-f /mnt/$2/shadow" ;;
	esac
}
# For all targets: $i its slot, $t its file system, $m its mode.
each() {
	i=0
	for t in $fs
	do
		for m in $modes
		do
			[ "$m" != none ] || [ "$t" = ext4 ] || continue
			"$@"
			i=$((i + 1))
		done
	done
}
region=2048	# sectors
quiet=8		# seconds from the last write of harden to the cut

mkdisk() {
	truncate -s 320M "$TMP/disk.$i"
	case $t in
	ext4) mkfs.ext4 -q -J size=4 "$TMP/disk.$i" ;;
	xfs) mkfs.xfs -q "$TMP/disk.$i" ;;
	btrfs) mkfs.btrfs -q "$TMP/disk.$i" ;;
	esac >"$TMP/mkfs" 2>&1 || cat "$TMP/mkfs"
}
# The disks of one life, and what becomes of them when it is over.
attach() {
	file=$TMP/disk.$i format=raw
	if [ "$volatile" = 1 ]
	then
		file=$TMP/over.$i format=qcow2
		qemu-img create -q -f qcow2 -o cluster_size=4k -b "$TMP/disk.$i" -F raw "$file"
	fi
	echo "-drive file=$file,if=none,format=$format,id=d$i,cache=writeback -device virtio-blk-pci,drive=d$i,serial=d$i,num-queues=1"
}
detach() { [ "$volatile" = 0 ] || qemu-img commit -q "$TMP/over.$i"; }

# A boot, and every target on its file system again, as an operator has it.
begin() { echo "begin $i $t '$(options "$m" $i)'"; }
life() {
	vm_boot t $(vm_nic virtio-net-pci i0 52:54:00:00:00:01) $(each attach) || return 1
	vm t 'ip link set eth0 mtu 9000 up
	begin() {
		mkdir -p /mnt/$1
		for d in /sys/block/vd*
		do
			read -r s <$d/serial
			[ "$s" != d$1 ] || mount -t $2 /dev/$(basename $d) /mnt/$1 || exit
		done
		[ -e /mnt/$1/img ] || { truncate -s 4M /mnt/$1/img; sync; }
		aoede $3 9 $1 eth0 /mnt/$1/img >/run/$1.out 2>&1 &
		echo $! >/run/$1.pid
	}
	'"$(each begin)"'
	till 200 "[ \$(cat /run/*.out | grep -c ^pid) = '"$count"' ]" && exit
	grep -L ^pid /run/*.out | while read -r f; do echo $f; cat $f; done
	exit 1'
}

# Freezes, unfreezes and syncs in the guest until it is cut.
stirred() {
	case $m in
	thaw | direct) echo "thaw $i &" ;;
	harden) echo "harden $i &" ;;
	esac
}
stir() {
	vm t 'tell() { p=$(cat /run/$1.pid); shift; for s; do kill -$s $p; usleep 250000; done; }
	rest() { usleep $(($(od -An -N2 -tu2 /dev/urandom) * 20)); }
	thaw() {
		while rest
		do
			tell $1 USR1 USR2
			rest
			tell $1 USR1 USR1 USR2
		done
	}
	harden() {
		# Of what the last life has left, half is merged first.
		if [ -e /mnt/$1/shadow ] && [ '"$merge"' = 1 ]
		then
			tell $1 USR1 USR1 USR2
			while [ -e /mnt/$1/shadow ]; do usleep 100000; done
		fi
		[ -e /mnt/$1/shadow ] || tell $1 USR1 USR2
		touch /run/$1.frozen
		while sleep 1; do sync -f /mnt/$1; echo >>/share/synced.$1; done
	}
	'"$(each stirred)"'
	till 120 "[ \$(ls /run | grep -c frozen) = '"$frozen"' ]"'
}

# The load on each, and the changes of the state file.
load() {
	case $m in
	harden) secs=4 flush= ;;
	flush | dflush | wflush) secs=600 flush=300 ;;
	*) secs=600 flush= ;;
	esac
	ip netns exec "$INS" "$B/tests/aoeio" -n $i -t 240000 -w 2 hold "$secs" 0 $region "$TMP/held.$i" $flush >"$TMP/load.$i" 2>&1 &
	load=$!
	PIDS="$PIDS $load"
	case $m in harden) echo $load >>"$TMP/quiet" ;; *) echo $load >>"$TMP/loads" ;; esac
	[ "$m" != stable ] || {
		changes &
		echo $! >>"$TMP/loads"
	}
}
# Config strings, one after the other: what was answered last, and what was tried.
changes() {
	while :
	do
		n=$(($(cat "$TMP/tried.$i" 2>/dev/null || echo 0) + 1))
		echo $n >"$TMP/tried.$i"
		on_initiator "$B/tests/aoeio" -n $i -t 20000 config force "string $n" >"$TMP/change.$i" 2>&1 || exit
		cp "$TMP/tried.$i" "$TMP/answered.$i"
	done
}
# However busy this machine is, the guest has had time for some more syncs.
resynced() { [ "$m" != harden ] || until_true 120 synced $(($(syncs) + 3)); }
synced() { [ "$(syncs)" -ge "$1" ]; }
syncs() { wc -l <"$TMP/t/synced.$i"; }
all_begun() { [ "$(cat "$TMP"/load.* | grep -c begun)" = "$count" ]; }
cut() {
	: >"$TMP/loads"
	: >"$TMP/quiet"
	each load
	until_true 90 all_begun
	between 20 59
	sleep "$((r / 10)).$((r % 10))"
	while read -r p; do wait "$p"; done <"$TMP/quiet"
	[ ! -s "$TMP/quiet" ] || sleep "$quiet"
	each resynced
	vm_cut t
	while read -r p; do kill "$p"; done <"$TMP/loads"
	while read -r p; do wait "$p"; done <"$TMP/loads"
	PIDS=
	each detach
}

# After it: the sectors, by a load of no time, and the state.
kept() {
	[ "$m" != none ] || {
		# It may have lost what it likes, but what it has is its own.
		lose
		return
	}
	ok "cut $cut, $t, $m: $(sed -n 's/^\([0-9]* writes\),.*/\1/p' "$TMP/load.$i"): all is there that was promised" holds
	[ "$m" != stable ] || ok "cut $cut, $t: the state file is the old or the new one" state
}
holds() {
	cat "$TMP/load.$i"
	grep -q '^[1-9][0-9]* writes' "$TMP/load.$i" || { echo "(there was no load)"; return 1; }
	on_initiator "$B/tests/aoeio" -n $i -t 60000 hold 0 0 $region "$TMP/held.$i" || { vm t true; return 1; }
}
lose() {
	holds >"$TMP/lost" 2>&1 || { lost=$((lost + 1)); tail -n 1 "$TMP/lost"; rm "$TMP/held.$i"; vm t "p=\$(cat /run/$i.pid); dd if=/dev/zero of=/mnt/$i/img bs=1M count=4 conv=notrunc"; }
}
state() {
	on_initiator "$B/tests/aoeio" -n $i config read >"$TMP/string"
	echo "answered: $(cat "$TMP/answered.$i"), tried: $(cat "$TMP/tried.$i"), found: $(cat "$TMP/string")"
	[ "$(cat "$TMP/string")" = "string $(cat "$TMP/answered.$i")" ] || [ "$(cat "$TMP/string")" = "string $(cat "$TMP/tried.$i")" ]
}

memory=1024 patience=90
count=$(each echo x | wc -l)
frozen=0
lost=0
case " $modes " in *" harden "*) frozen=$(echo "$fs" | wc -w) ;; esac
machine() {
	vm_initrd amd64 virtio_blk virtio_net $fs crc32c_generic && vm_aoede "" && ip netns add "$INS" && vm_tap i0 9000 || return
	each mkdisk >"$TMP/made" 2>&1
	cat "$TMP/made"
	[ ! -s "$TMP/made" ]
}
ok "(a machine with $count disks)" machine
# deal: what is left to chance in the next life.
deal() { volatile=$(((first + cut) % 2)); between 0 1; merge=$r; }
cut=0
between 0 1
first=$r
deal
ok "every target starts" life
[ $failed = 0 ] || done_testing
while [ $failed = 0 ] && [ $cut -lt "$cuts" ]
do
	cut=$((cut + 1))
	ok "(the images freeze)" stir
	note "cut $cut, of disks that $([ "$volatile" = 1 ] && echo lose || echo keep) what was not flushed"
	cut
	deal
	ok "cut $cut: every target starts again" life
	each kept
done
case " $modes $fs " in
*" none "*ext4*) ok "what was neither synced nor flushed was lost: $lost times" [ $lost -gt 0 ] ;;
esac
[ $failed = 0 ] || vm t 'tail -n 3 /run/*.out; dmesg | tail -n 20' | sed 's/^/# /'
vm_cut t
done_testing
