#!/bin/sh
# Other processors: the target in guests of arm64, armhf and riscv64, on
# Debian's kernels, with its sandbox strict, so that a system call that a
# filter doesn't know ends it.  Wire tests and verified load, with each engine.
#
#	tests/vmarch.t [ARCH... | all]	arm64 by default

# shellcheck disable=SC2016,SC2046,SC2086,SC2317 # ok calls the functions; lists of arguments

tests/needpackages qemu-system-aarch64:qemu-system-arm qemu-system-riscv64:qemu-system-misc \
	aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu /usr/aarch64-linux-gnu/include/stdio.h:libc6-dev-arm64-cross \
	arm-linux-gnueabihf-gcc:gcc-arm-linux-gnueabihf /usr/arm-linux-gnueabihf/include/stdio.h:libc6-dev-armhf-cross \
	riscv64-linux-gnu-gcc:gcc-riscv64-linux-gnu /usr/riscv64-linux-gnu/include/stdio.h:libc6-dev-riscv64-cross || exit 1
. tests/lib.sh
. tests/vm.sh

arches=${*:-arm64}
[ "$arches" != all ] || arches="arm64 armhf riscv64"
img=$TMP/disk.img
head -c 41943040 /dev/urandom >"$img"
patience=90
ip netns add "$INS"
vm_tap i0 9000

io() { on_initiator "$B/tests/aoeio" "$@"; }
machine() {
	case $1 in
	arm64) cc=aarch64-linux-gnu-gcc ;;
	armhf) cc=arm-linux-gnueabihf-gcc ;;
	riscv64) cc=riscv64-linux-gnu-gcc ;;
	esac
	vm_packed=
	vm_initrd "$1" virtio_blk virtio_net ext4 crc32c_generic && vm_aoede $cc || return 1
	vm_boot "$1" $(vm_disk "$img" disk) $(vm_nic virtio-net-pci i0 52:54:00:00:00:01) &&
		vm "$1" 'uname -a; ip link set eth0 mtu 9000 up; mkdir -p /run/fs; mount -t tmpfs none /run/fs; head -c 4194304 /dev/zero >/run/fs/img'
}
said() { vm "$1" 'cat /run/out /run/err' >"$TMP/said"; grep -q "$2" "$TMP/said"; }
# Frozen under load, and merged again.
signal() { vm "$arch" "p=\$(cat /run/pid); for s in $*; do kill -\$s \$p; usleep 400000; done"; }
freezes() {
	io verify 12 >"$TMP/verify" 2>&1 &
	v=$!
	PIDS="$PIDS $v"
	sleep 2
	signal USR1 USR2
	vm "$arch" 'till 60 "[ -e /run/fs/shadow ]" || { cat /run/out /run/err; exit 1; }' || return 1
	sleep 2
	signal USR1 USR1 USR2
	vm "$arch" 'till 120 "! [ -e /run/fs/shadow ]" || { cat /run/out /run/err; exit 1; }' || return 1
	wait $v
	r=$?
	cat "$TMP/verify"
	return $r
}

for arch in $arches
do
	ok "$arch: a machine starts" machine "$arch"
	ok "$arch: the target starts" vm_serve "$arch" -s 9 0 eth0 /dev/vda
	if said "$arch" 'engine io_uring, rings packet, sandbox .*seccomp'; then r=0; else r=1; fi
	ok "$arch: with io_uring, packet rings and seccomp" [ $r = 0 ]
	vm_wired "$arch" "-f $img" frames config mask reserve ata identify trim smart order initiators malformed extensions
	ok "$arch: random reads and writes agree with a model" io verify 3
	ok "$arch: it ends with status 0" vm_ends "$arch"
	for mode in -d "-d -s" -w
	do
		ok "$arch, $mode: the target starts" vm_serve "$arch" $mode 9 0 eth0 /dev/vda
		ok "$arch, $mode: random reads and writes agree with a model" io verify 3
		ok "$arch, $mode: it ends with status 0" vm_ends "$arch"
	done
	ok "$arch: a target with a shadow starts" vm_serve "$arch" -f /run/fs/shadow 9 0 eth0 /run/fs/img
	ok "$arch: it freezes and merges under verified load" freezes
	ok "$arch: it ends with status 0" vm_ends "$arch"
	[ $failed = 0 ] || { vm "$arch" 'cat /run/out /run/err; dmesg | tail -n 10'; vm_show "$arch"; } | sed 's/^/# /'
	vm_cut "$arch"
done
done_testing
