#!/bin/sh
# Real disks: the target in a guest, on virtio disks with sectors of 4096
# bytes, of 512 in blocks of 4096, with and without discard, and with
# sectors that can't be read; and on SCSI, USB, virtio and NVMe disks that are
# pulled out and put in again.
#
#	all	every disk in every mode

# shellcheck disable=SC2016,SC2046,SC2086,SC2317 # ok calls the functions; lists of arguments

tests/needpackages qemu-system-x86_64:qemu-system-x86 od:coreutils cmp:diffutils || exit 1
. tests/lib.sh
. tests/vm.sh

all=$1
# NAME:PROPERTIES of the disks; bad is by itself.
disks="large:logical_block_size=4096,physical_block_size=4096 mixed:physical_block_size=4096 discard:discard=on,discard_granularity=4096 plain:discard=off"
for d in $disks bad scsi usb virtio nvme
do
	head -c 41943040 /dev/urandom >"$TMP/${d%%:*}.img"
done

# The disks that are pulled out, and what the guest calls them.
props() {
	case $1 in
	scsi) echo scsi-hd,bus=hba.0,serial=scsi ;;
	usb) echo usb-storage,bus=xhci.0 ;;
	virtio) echo virtio-blk-pci,bus=slot1,serial=virtio ;;
	nvme) echo nvme,bus=slot2,serial=nvme ;;
	esac
}
machine() {
	vm_initrd amd64 virtio_blk virtio_net virtio_scsi sd_mod xhci_pci usb_storage nvme && vm_aoede "" && ip netns add "$INS" && vm_tap i0 9000 || return 1
	vm_boot t $(vm_nic virtio-net-pci i0 52:54:00:00:00:01) \
		$(for d in $disks; do vm_disk "$TMP/${d%%:*}.img" "${d%%:*}" "${d#*:}"; done) \
		-blockdev "driver=blkdebug,node-name=bad,image.driver=file,image.filename=$TMP/bad.img,inject-error.0.event=none,inject-error.0.iotype=read,inject-error.0.sector=2005,inject-error.0.errno=5,inject-error.0.once=off,inject-error.1.event=none,inject-error.1.iotype=read,inject-error.1.sector=30000,inject-error.1.errno=5,inject-error.1.once=off" \
		-device virtio-blk-pci,drive=bad,serial=bad,rerror=report,werror=report \
		-device virtio-scsi-pci,id=hba -device qemu-xhci,id=xhci -device pcie-root-port,id=slot1,chassis=1 -device pcie-root-port,id=slot2,chassis=2 \
		$(for d in scsi usb virtio nvme; do echo "-blockdev driver=file,node-name=$d-file,filename=$TMP/$d.img,discard=unmap -device $(props $d),id=$d,drive=$d-file"; done)
}
# The guest's disks by their names.
named() {
	vm t 'mkdir -p /run/disk
	for d in /sys/block/vd*; do ln -sf /dev/$(basename $d) /run/disk/$(cat $d/serial); done
	ip link set eth0 mtu 9000 up
	ls -lL /run/disk && [ $(ls /run/disk | wc -l) = 6 ]' && there scsi && there usb && there nvme
}
there() {
	vm t 'rm -f /run/disk/'"$1"'
	for try in $(seq 30)
	do
		for d in /sys/block/*
		do
			case $(readlink -f $d) in
			*/usb*) n=usb ;;
			*/nvme*) n=nvme ;;
			*/host*) n=scsi ;;
			*) n=$(cat $d/serial 2>/dev/null) ;;
			esac
			[ "$n" = '"$1"' ] || continue
			dd if=/dev/$(basename $d) of=/dev/null bs=4096 count=1 2>/dev/null && ln -sf /dev/$(basename $d) /run/disk/$n && exit
		done
		usleep 100000
	done
	ls -l /sys/block
	exit 1'
}
io() { on_initiator "$B/tests/aoeio" "$@"; }
blocks() { stat -c %b "$1"; }
# The host's file is smaller by about as much as was trimmed.
gives_back() {
	old=$(blocks "$1")
	io trim 1003 20001 && io flush || return 1
	new=$(blocks "$1")
	echo "$((old - new)) sectors given back"
	[ $((old - new)) -ge 19000 ]
}
zeros() { io read "$1" "$2" | cmp -n $(($2 * 512)) - /dev/zero; }

ok "a machine with disks of all kinds starts" machine
ok "it has them all" named
[ $failed = 0 ] || done_testing
# Stable writes, as wire looks at the file.  In the guest's page cache is
# what the last target read, from before wire's changes.
for d in $disks
do
	d=${d%%:*}
	for mode in -s "-d -s"
	do
		[ $d = large ] || [ "$all" = all ] || continue
		ok "$d, $mode: the target starts" vm_serve t $mode 9 0 eth0 /run/disk/$d
		vm_wired "$d, $mode" "-f $TMP/$d.img" ata trim
		ok "$d, $mode: random reads and writes agree with a model" io verify 2
		ok "$d, $mode: it ends with status 0" vm_ends t
	done
done
for d in large mixed discard scsi
do
	ok "$d: the target starts" vm_serve t 9 0 eth0 /run/disk/$d
	case $d in
	discard) ok "$d: what is trimmed is given back" gives_back "$TMP/$d.img" ;;
	*) ok "$d: trim succeeds" eval 'io trim 1003 20001 && io flush' ;;
	esac
	ok "$d: and reads as zeros" zeros 1003 20001
	ok "$d: it ends with status 0" vm_ends t
done
ok "plain: the target starts" vm_serve t 9 0 eth0 /run/disk/plain
ok "plain: a disk without discard takes a trim" eval 'io trim 1003 20001 && io flush'
ok "plain: and what was trimmed reads as zeros" zeros 1003 20001
ok "plain: it ends with status 0" vm_ends t

# An offset in the middle of a large sector.
ok "large, -o 3: the target starts" vm_serve t -s -o 3 -l 20000 9 0 eth0 /run/disk/large
ok "large, -o 3: random reads and writes agree with a model" io verify 2
ok "large, -o 3: it ends with status 0" vm_ends t

# Sectors 2005 and 30000 can't be read; they can be written.
unc() { # LBA: a read of it is UNC, and names it
	io ata 0x24 0 1 "$1" >"$TMP/ata" 2>&1
	cat "$TMP/ata"
	grep -q 'error 0x40' "$TMP/ata" && grep -q "lba $1 " "$TMP/ata"
}
# What is read in pages may miss the rest of the page too, but nothing else.
around() {
	io read 0 2000 | cmp -n 1024000 - "$TMP/bad.img" && io read 2008 20000 | cmp -i 0:1028096 -n 10240000 - "$TMP/bad.img"
}
for mode in "" -d
do
	ok "bad, $mode: the target starts" vm_serve t $mode 9 0 eth0 /run/disk/bad
	ok "bad, $mode: a sector that can't be read is UNC" unc 2005
	ok "bad, $mode: so is another" unc 30000
	ok "bad, $mode: what is before and behind it can be read" around
	ok "bad, $mode: READ VERIFY says the same" eval 'io ata 0x42 0 16 2000 2>&1 | tee /dev/stderr | grep -q "error 0x40"'
	ok "bad, $mode: bad reads don't end it" eval 'for i in $(seq 40); do io ata 0x24 0 1 30000; done; vm_serving t'
	ok "bad, $mode: a sector before it can be written" eval 'head -c 512 /dev/urandom | io write 1000'
	ok "bad, $mode: the target lives" vm_serving t
	ok "bad, $mode: it ends with status 0" vm_ends t
done
ok "bad, -d: in direct mode only that sector is lost" eval 'vm_serve t -d 9 0 eth0 /run/disk/bad && io read 2004 1 | cmp -i 0:1026048 -n 512 - "$TMP/bad.img" && io read 2006 1 | cmp -i 0:1027072 -n 512 - "$TMP/bad.img"; r=$?; vm_ends t && [ $r = 0 ]'

# A disk that is pulled out under load, of each kind of bus: what is under way
# fails, at once; the target says why and ends with status 1.  When the disk
# has been put in and the target is started again, all is there that was
# promised.
# Whatever the hub or port takes to let go of the old one.
again() {
	vm t 'till 60 "! [ -e /run/disk/'"$1"' ]"' || return 1
	for _ in $(seq 20)
	do
		vm_monitor t "device_add $(props "$1"),id=$1,drive=$1-file"
		there "$1" && return
	done
	return 1
}
load() {
	ip netns exec "$INS" "$B/tests/aoeio" -t 60000 -w 8 hold 300 0 4096 "$TMP/held" >"$TMP/load" 2>&1 &
	load=$!
	PIDS="$PIDS $load"
	until_true 60 grep -q begun "$TMP/load"
}
pulled() {
	sleep 2
	kill -0 $load || { cat "$TMP/load"; return 1; }
	vm_monitor t "device_del $1"
	wait $load
	r=$?
	cat "$TMP/load"
	[ $r = 1 ]
}
# How the target has ended.  Errors may come before it is known why.
over() { vm t 'till 120 "[ -e /run/status ]"; cat /run/err; echo "status $(cat /run/status)"; [ "$(cat /run/status)" = 1 ]'; }
one_line() { vm t 'cat /run/err; [ "$(grep -v "Input/output error" /run/err)" = "$(tail -n 1 /run/err)" ] && grep -q "the device is gone'"$1"'\$" /run/err'; }
kinds="scsi:-s usb:-w virtio:-d,-s"
[ "$all" != all ] || kinds="scsi: scsi:-s scsi:-d,-s scsi:-w usb: usb:-s usb:-d,-s usb:-w virtio: virtio:-s virtio:-d,-s virtio:-w nvme: nvme:-s nvme:-d,-s nvme:-w"
for k in $kinds
do
	kind=${k%%:*} mode=$(echo "${k#*:}" | tr , ' ')
	label="$kind, $mode"
	rm -f "$TMP/held"
	ok "$label: (zeros)" vm t "dd if=/dev/zero of=/run/disk/$kind bs=1M count=2 conv=fsync"
	ok "$label: the target starts" vm_serve t $mode 9 0 eth0 /run/disk/$kind
	ok "$label: verified load begins" load
	ok "$label: the disk is pulled out, and the load fails" pulled $kind
	ok "$label: the target ends with status 1" over
	case $mode in *-s) loss= ;; *) loss=": answered writes may be lost" ;; esac
	ok "$label: and says why in one line" one_line "$loss"
	ok "$label: the disk is put in again" again $kind
	ok "$label: a new target serves it" vm_serve t $mode 9 0 eth0 /run/disk/$kind
	case $mode in
	*-s) ok "$label: every answered write is there" io hold 0 0 4096 "$TMP/held" ;;
	*) ok "$label: random reads and writes agree with a model" io verify 1 ;;
	esac
	ok "$label: it ends with status 0" vm_ends t
done

# A disk that fails everything is not gone; when it is, after that, no request
# need come for the target to notice.
fails_io() { io ata 0x24 0 1 15000 >"$TMP/ata" 2>&1; cat "$TMP/ata"; grep -q 'error 0x40' "$TMP/ata"; }
ok "scsi: the target starts" vm_serve t -d 9 0 eth0 /run/disk/scsi
ok "scsi: the disk is switched off" vm t 'echo offline >/sys/block/$(basename $(readlink /run/disk/scsi))/device/state'
ok "scsi: a read fails" fails_io
ok "scsi: the target lives, as the disk is still there" eval 'sleep 2; vm_serving t'
ok "scsi: the disk is taken away" vm t 'echo 1 >/sys/block/$(basename $(readlink /run/disk/scsi))/device/delete'
ok "scsi: the target ends with status 1" over
ok "scsi: and says why in one line" one_line ": answered writes may be lost"
ok "the machine shuts down" vm_off t
done_testing
