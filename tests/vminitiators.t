#!/bin/sh
# Real initiators, with the target outside: Debian's kernel in a guest, with
# two NICs (mkfs, mount, kill -9 of the target, a cable pulled, md), and iPXE,
# which boots a guest from e9.0: a boot sector made here prints a line, and
# reads and writes the disk by INT 13h.
#
#	all	md, too, and iPXE by a second NIC

# shellcheck disable=SC2016,SC2034,SC2046,SC2086,SC2119,SC2317 # ok calls the functions; lists of arguments

tests/needpackages qemu-system-x86_64:qemu-system-x86 /usr/lib/ipxe/ipxe.lkrn:ipxe mkfs.ext4:e2fsprogs mdadm:mdadm as:binutils \
	objcopy:binutils cmp:diffutils od:coreutils debugfs:e2fsprogs || exit 1
. tests/lib.sh
. tests/vm.sh

PATH=$PATH:/usr/sbin:/sbin
all=$1
img=$TMP/disk.img
disk=/dev/etherd/e9.0

# The target in its namespace, a switch of each of two cables in the other:
# the guest's tap and the cable's end are its ports.
network() {
	mknet 9000 || return 1
	ip -n "$TNS" link add t1 mtu 9000 type veth peer name i1 mtu 9000 netns "$INS"
	ip -n "$TNS" link set t1 up && ip -n "$INS" link set i1 up || return 1
	for n in 0 1
	do
		vm_tap g$n 9000
		ip -n "$INS" link add b$n type bridge && ip -n "$INS" link set b$n mtu 9000 up &&
			ip -n "$INS" link set i$n master b$n && ip -n "$INS" link set g$n master b$n || return 1
	done
}
machine() {
	vm_initrd amd64 virtio_net e1000e aoe ext4 crc32c_generic raid1 &&
		vm_file $(command -v mkfs.ext4) $(command -v mdadm) $(command -v split) || return 1
	vm_boot l $(vm_nic virtio-net-pci g0 52:54:00:00:00:01) $(vm_nic e1000e g1 52:54:00:00:00:02) &&
		vm l 'uname -r; ip link set eth0 mtu 9000 up; ip link set eth1 mtu 9000 up; echo discover >/dev/etherd/discover'
}
guest_until() { vm l "till 120 '$*'"; }
files() {
	vm l "cd /mnt && mkdir $1 && head -c $2 /dev/urandom | split -a 3 -b 64k - $1/f && sync && find $1 -type f | sort | xargs sha1sum >/share/$1.sums"
}
same() { vm l "echo 3 >/proc/sys/vm/drop_caches; cd /mnt && sha1sum -c /share/$1.sums >/run/sums || { grep -v OK /run/sums; exit 1; }"; }
# kill -9 while the guest writes, and a new target.
killed() {
	vm_begin l 'cd /mnt && mkdir killed && head -c 25165824 /dev/urandom | split -a 3 -b 64k - killed/f && sync && find killed -type f | sort | xargs sha1sum >/share/killed.sums'
	sleep 1.5
	stop_target KILL
	sleep 1
	start_target -s 9 0 t0 t1 "$img" && vm_end l
}
# Files are written, and read again when they are in the cache no longer, until
# it is enough, while one cable after the other is pulled and put in again.
# Then it moves nothing, and the other does; later both.  What the driver does
# each minute it is told to do at once: to look for paths.
pulled() {
	rm -f "$TMP/l/enough"
	vm_begin l 'mkdir /mnt/pulled && cd /mnt/pulled || exit
	n=0
	until [ -e /share/enough ]
	do
		n=$((n + 1))
		[ $((n % 20)) != 0 ] || { rm f*; : >/share/pulled.sums; }
		head -c 524288 /dev/urandom >f$n && sum=$(sha1sum <f$n) && sync || exit
		echo 3 >/proc/sys/vm/drop_caches
		[ "$(sha1sum <f$n)" = "$sum" ] || { echo "f$n is not what was written"; exit 1; }
		echo "${sum%% *}  pulled/f$n" >>/share/pulled.sums
		echo >/dev/etherd/discover
	done
	sync
	echo "$n files"'
	without 0 && without 1
	r=$?
	touch "$TMP/l/enough"
	vm_end l && [ $r = 0 ]
}
without() {
	out=g$1 in=g$((1 - $1))
	if ! moves $out 60 || ! moves $in 60; then echo "not by both paths"; return 1; fi
	vm_monitor l "set_link nic-$out off"
	sleep 0.5
	old=$(frames $out)
	moves $in 300 || { echo "nothing moves without $out"; return 1; }
	old=$(($(frames $out) - old))
	vm_monitor l "set_link nic-$out on"
	echo "$out: $old frames while its cable was out"
	[ $old = 0 ]
}
# moves TAP N: so many frames come from it.
moves() {
	before=$(frames "$1")
	until_true 120 come "$1" $((before + $2))
}
come() { [ "$(frames "$1")" -ge "$2" ]; }
frames() { on_initiator cat "/sys/class/net/$1/statistics/rx_packets"; }
quiet() { vm l 'dmesg | grep -E "I/O error|EXT4-fs error|BUG:|WARNING:" && exit 1; true'; }

truncate -s 128M "$img"
ok "(two cables)" network
ok "the target starts" start_target -s 9 0 t0 t1 "$img"
ok "Linux boots" machine
[ $failed = 0 ] || done_testing
note "Linux $(head -n 1 "$TMP/l/1.out")"
ok "it finds e9.0 by itself" guest_until "[ -b $disk ]"
ok "by both paths" guest_until 'grep -q "g0\|eth0" /sys/block/etherd!e9.0/netif && grep -q eth1 /sys/block/etherd!e9.0/netif'
ok "mkfs and mount" vm l "mkfs.ext4 -q -E nodiscard $disk && mount $disk /mnt"
ok "files are written" files first 16777216
ok "the target is killed and started again while files are written" killed
ok "each of the cables is pulled and put in again while files are written and read" pulled
for f in first killed pulled; do ok "the files $f are whole" same $f; done
ok "it unmounts" vm l 'umount /mnt'
ok "no error reached the file system" quiet
ok "the file system is clean" e2fsck -fn "$img"
ok "the target ends" stop_target	# iPXE shall find no other e9.0

# md, over two targets.  The driver gives a target up after 20 s, which a
# machine that has other things to do must not take.
if [ "$all" = all ]
then
	truncate -s 64M "$TMP/a.img" "$TMP/b.img"
	ok "two more targets start" eval 'start_target 9 1 t0 t1 "$TMP/a.img" && start_target 9 2 t0 t1 "$TMP/b.img" && second=$TPID'
	ok "it finds them" guest_until 'echo >/dev/etherd/discover; [ -b /dev/etherd/e9.1 ] && [ -b /dev/etherd/e9.2 ]'
	ok "they become a RAID1" vm l 'export MDADM_NO_UDEV=1; mkdir -p /run/mdadm; echo 20 >/sys/module/aoe/parameters/aoe_deadsecs
		mdadm --create /dev/md0 --run --level=1 --raid-devices=2 --bitmap=internal --assume-clean /dev/etherd/e9.1 /dev/etherd/e9.2 &&
		mkfs.ext4 -q -E nodiscard /dev/md0 && mount /dev/md0 /mnt'
	ok "files are written to it" files array 6291456
	ok "one of them dies" eval 'kill -9 $second'
	ok "files are written to the other" files degraded 6291456
	ok "the array has noticed" guest_until 'grep -q "\[U_\]" /proc/mdstat'
	for f in array degraded; do ok "the files $f are whole" same $f; done
fi
ok "Linux shuts down" vm_off l

# iPXE.
# The boot sector: a line on the serial port, then sector 1 is read and written
# to sector 2, and another line if both went well.
bootsector() {
	cat >"$TMP/boot.s" <<-'EOF_S'
	.code16
	start:	ljmp $0x7c0, $1f
	1:	mov %cs, %ax
		mov %ax, %ds
		mov %ax, %es
		xor %bx, %bx
		mov %bx, %ss
		mov $0x7000, %sp
		mov $hello, %si
		call print
		mov $0x42, %ah
		mov $packet, %si
		int $0x13
		jc bad
		movb $2, lba
		mov $0x43, %ah
		xor %al, %al
		mov $packet, %si
		int $0x13
		jc bad
		mov $done, %si
		call print
	stop:	hlt
		jmp stop
	bad:	mov $fail, %si
		call print
		jmp stop
	print:	push %dx
		cld
	4:	lodsb
		test %al, %al
		jz 2f
		mov %al, %cl
	3:	mov $0x3fd, %dx
		in %dx, %al
		test $0x20, %al
		jz 3b
		mov $0x3f8, %dx
		mov %cl, %al
		out %al, %dx
		jmp 4b
	2:	pop %dx
		ret
	packet:	.byte 16, 0
		.word 1
		.word 0x400, 0x7c0
	lba:	.quad 1
	hello:	.asciz "booted from e9.0\r\n"
	done:	.asciz "read and written by INT 13h\r\n"
	fail:	.asciz "INT 13h failed\r\n"
	.org 510
	.word 0xaa55
	EOF_S
	as --32 -o "$TMP/boot.o" "$TMP/boot.s" && objcopy -O binary -j .text "$TMP/boot.o" "$TMP/boot.bin" &&
		[ "$(stat -c %s "$TMP/boot.bin")" = 512 ] && truncate -s 16777216 "$TMP/pxe.img" &&
		dd if="$TMP/boot.bin" of="$TMP/pxe.img" conv=notrunc status=none &&
		head -c 512 /dev/urandom >"$TMP/sector" && dd if="$TMP/sector" of="$TMP/pxe.img" seek=1 conv=notrunc status=none
}
ipxe() {
	mkdir -p "$TMP/p" && rm -f "$TMP/p/console"
	printf '#!ipxe\nifopen net0\nset keep-san 1\nsanboot --no-describe aoe:e9.0\n' >"$TMP/p/script"
	ip netns exec "$INS" timeout -k 5 600 qemu-system-x86_64 -M q35 -cpu max -accel tcg -m 128 -nodefaults -display none -no-reboot \
		-kernel /usr/lib/ipxe/ipxe.lkrn -initrd "$TMP/p/script" -serial "file:$TMP/p/console" \
		$(vm_nic "$1" g0 52:54:00:00:00:03) </dev/null >"$TMP/p/qemu" 2>&1 &
	pid_p=$!
	PIDS="$PIDS $!"
	vm_until p 300 'by INT 13h' || return 1
	grep -q 'booted from e9.0' "$TMP/p/console"
}
copied() { dd if="$TMP/pxe.img" bs=512 skip=2 count=1 status=none | cmp - "$TMP/sector"; }
nics=e1000
[ "$all" != all ] || nics="e1000 virtio-net-pci"
for nic in $nics
do
	ok "(a disk with a boot sector)" bootsector
	ok "the target serves it" start_target -s 9 0 t0 "$TMP/pxe.img"
	ok "iPXE boots from it by $nic" ipxe $nic
	ok "what it wrote is on the disk" copied
	vm_cut p
	ok "the target ends with status 0" stop_target
done
note "iPXE $(dpkg-query -W -f '${Version}' ipxe)"
done_testing
