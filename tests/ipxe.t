#!/bin/sh
# README's ways to boot by iPXE: a PC of qemu, by emulation, that runs iPXE, with
# dnsmasq as DHCP server, boots what lies in the first sector of
# the disk: a program that says so on the serial line.

# shellcheck disable=SC2016 # ok and until_true expand what is quoted

tests/needpackages ip:iproute2 qemu-system-x86_64:qemu-system-x86 /usr/lib/ipxe/ipxe.lkrn:ipxe dnsmasq:dnsmasq-base || exit 1
. tests/lib.sh

# 31 c0 8e d8 be 27 7c  the text is at 7c27
# ac 84 c0 74 12        the next byte of it; after the last, halt
# 88 c3 ba fd 03 ec     wait until the line has room
# a8 20 74 fb
# 88 d8 ba f8 03 ee     send the byte
# eb e9 f4 eb fd        once more; halt
boot_sector() {
	printf '\061\300\216\330\276\047\174\254\204\300\164\022\210\303\272\375\003\354'
	printf '\250\040\164\373\210\330\272\370\003\356\353\351\364\353\375'
	printf '\220\220\220\220\220\220booted from %s\r\n\000' "$1"
}
disk() {
	{ boot_sector "$1"; head -c 512 /dev/zero; } | head -c 510 >"$TMP/$1"
	printf '\125\252' >>"$TMP/$1"
	# A cylinder at least, as the BIOS counts them: 255 * 63 sectors.
	truncate -s 16M "$TMP/$1"
}

# The initiator's interface is a bridge's, with the PC at another of its ports.
mknet 1500
ip -n "$INS" link add br0 type bridge forward_delay 0
ip -n "$INS" link set i0 master br0
ip -n "$INS" tuntap add pc0 mode tap
ip -n "$INS" link set pc0 master br0 up
ip -n "$INS" addr add 192.0.2.1/24 dev br0
ip -n "$INS" link set br0 up

# dhcp LINE...: a server that has these in its configuration.
dhcp() {
	[ -z "$server" ] || { kill "$server"; reap "$server"; }
	printf '%s\n' log-facility=- port=0 interface=br0 bind-interfaces "dhcp-leasefile=$TMP/leases" user=root enable-tftp "tftp-root=$TMP/tftp" "$@" >"$TMP/dnsmasq.conf"
	ip netns exec "$INS" dnsmasq -k -C "$TMP/dnsmasq.conf" >"$TMP/dnsmasq" 2>&1 &
	server=$!
	PIDS="$PIDS $server"
}
pc() {
	ip netns exec "$INS" timeout 150 qemu-system-x86_64 -M pc -cpu max -m 64 -nodefaults -display none -serial "file:$TMP/serial" -kernel /usr/lib/ipxe/ipxe.lkrn \
		-netdev tap,id=n,ifname=pc0,script=no,downscript=no -device virtio-net-pci,netdev=n,romfile= >"$TMP/qemu" 2>&1 &
	pc=$!
	PIDS="$PIDS $pc"
}
off() { kill "$pc"; reap "$pc"; rm -f "$TMP/serial"; }
booted() { until_true "${2:-60}" grep -aq "booted from $1" "$TMP/serial" || { cat "$TMP/dnsmasq" "$TMP/qemu" "$TMP/err"; strings "$TMP/serial" | tail -n 20; return 1; }; }

server=
mkdir "$TMP/tftp"
chapter 'Booting by iPXE' | sed -n 's/^> //p' >"$TMP/quoted"
sed '/^#!ipxe/,$d' "$TMP/quoted" >"$TMP/options"
sed -n '/^#!ipxe/,$p' "$TMP/quoted" >"$TMP/tftp/boot.ipxe"
ok "README has options for dnsmasq and a script for iPXE" eval 'grep -q root-path "$TMP/options" && grep -q sanboot "$TMP/tftp/boot.ipxe"'

disk one
start_target 9 0 t0 "$TMP/one"
dhcp "$(cat "$TMP/options")"
pc
ok "a PC boots from the root path" booted one
off
stop_target TERM

disk two
dhcp "$(grep -v root-path "$TMP/options")" dhcp-boot=boot.ipxe
pc
ok "without a target, the script tries" until_true 60 grep -q 'boot.ipxe' "$TMP/dnsmasq"
sleep 20
ok "and nothing boots" eval '! grep -a booted "$TMP/serial"'
start_target 9 0 t0 "$TMP/two"
ok "when the target is there, it does" booted two 90
off
done_testing
