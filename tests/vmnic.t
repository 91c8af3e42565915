#!/bin/sh
# Real NIC drivers: the target in a guest that has a NIC of each kind, on
# Debian's kernel.  Every row of the protocol, and verified load while the MTU
# changes, links go down and up, and cables are pulled.
#
#	all	the wire tests with jumbo frames too, and longer loads

# shellcheck disable=SC2016,SC2046,SC2086,SC2119,SC2317 # ok calls the functions; lists of arguments

tests/needpackages qemu-system-x86_64:qemu-system-x86 cut:coreutils seq:coreutils || exit 1
. tests/lib.sh
. tests/vm.sh

all=$1
img=$TMP/disk.img
head -c 41943040 /dev/urandom >"$img"
# MODEL:DRIVER:LARGEST MTU of those here
nics="e1000:e1000:9000 e1000e:e1000e:9000 virtio-net:virtio_net:9000 vmxnet3:vmxnet3:9000 rtl8139:8139cp:4096"
kind() { echo "$1" | cut -d: -f1; }
names=
for n in $nics; do names="$names $(kind "$n")"; done

machine() {
	vm_initrd amd64 virtio_blk $(for n in $nics; do echo "$n" | cut -d: -f2; done) && vm_aoede "" || return 1
	ip netns add "$INS"
	args=$(vm_disk "$img" disk) i=0
	for n in $names
	do
		i=$((i + 1))
		vm_tap "$n" 9000
		args="$args $(vm_nic $n $n 52:54:00:00:00:0$i)"
	done
	vm_boot t $args
}
# The guest's NICs get the names of their kinds.
named() {
	vm t 'i=0
	for n in '"$names"'
	do
		i=$((i + 1))
		for e in /sys/class/net/eth*
		do
			[ $(cat $e/address) != 52:54:00:00:00:0$i ] || ip link set $(basename $e) name $n
		done
		ip link set $n up && ls -l /sys/class/net/$n/device/driver || exit
	done'
}
io() { nic=$1; shift; on_initiator "$B/tests/aoeio" -i "$nic" "$@"; }
mtu() { ip -n "$INS" link set "$1" mtu "$2"; vm t "ip link set $1 mtu $2 && cat /sys/class/net/$1/mtu"; }

# Load on all NICs at a time, each with a region of its own, while every one
# of them is treated badly; the guest looks after that.  A limit is aoeio's.
load() {
	at=0 loads='' limit=$1
	shift
	for n in $names
	do
		io "$n" $limit -t 60000 verify "$seconds" $at $at 8192 >"$TMP/load.$n" 2>&1 &
		loads="$loads $!"
		PIDS="$PIDS $!"
		at=$((at + 16384))
	done
	rm -f "$TMP/t/enough"
	"$@"
	sleep $((seconds - 2))
	touch "$TMP/t/enough"
	r=0
	for p in $loads; do wait "$p" || r=1; PIDS=$(echo "$PIDS" | sed "s/ $p\b//"); done
	vm_end t || r=1
	for n in $names; do echo "$n: $(cat "$TMP/load.$n")"; done
	return $r
}
resent() { for n in $names; do grep -q ' [1-9][0-9]* retransmits' "$TMP/load.$n" || return 1; done; }
# badly COMMAND: for each NIC $n in turn, and its largest MTU $most, once at least,
# until it is enough.  Its next turn comes when it sends again: a NIC of an old kind takes
# seconds to find its link, and turns by the clock would leave it none in a guest that is slow.
badly() {
	vm_begin t 'while :
	do
		for n in '"$nics"'
		do
			most=${n##*:} n=${n%%:*}
			sent=/sys/class/net/$n/statistics/tx_packets
			till 60 "[ -e /share/enough ] || [ \$(cat $sent) -gt $(($(cat $sent) + 20)) ]" || {
				echo "$n sends nothing; its carrier: $(cat /sys/class/net/$n/carrier)"
				exit 1
			}
			'"$1"'
		done
		[ ! -e /share/enough ] || break
		usleep 300000
	done
	for n in '"$nics"'; do ip link set ${n%%:*} mtu ${n##*:} up || exit; done'
}

# Two paths, and two initiators that share a region: what one has seen, the
# other never sees undone.
paths() {
	first=$1 second=$2
	io "$first" -t 60000 clash 8 0 0 2048 >"$TMP/first" 2>&1 &
	one=$!
	io "$second" -t 60000 clash 8 1 0 2048 >"$TMP/second" 2>&1 &
	two=$!
	PIDS="$PIDS $one $two"
	sleep 2
	vm_monitor t "set_link nic-$first off"
	sleep 0.5
	# Without its cable it moves nothing; the other does.
	lost=$(frames "$first") kept=$(frames "$second")
	until_true 60 goes_on "$second" "$kept"
	lost=$(($(frames "$first") - lost)) kept=$(($(frames "$second") - kept))
	vm_monitor t "set_link nic-$first on"
	wait $one; r=$?
	wait $two || r=1
	PIDS=$(echo "$PIDS" | sed "s/ $one $two\b//")
	cat "$TMP/first" "$TMP/second"
	echo "while the cable was out: $lost frames by the one, $kept by the other"
	[ $r = 0 ] && [ $lost = 0 ] && [ $kept -gt 50 ]
}
goes_on() { [ $(($(frames "$1") - $2)) -gt 50 ]; }
# What has come from the guest.
frames() { on_initiator cat "/sys/class/net/$1/statistics/rx_packets"; }

ok "a machine with a NIC of each kind starts" machine
ok "its drivers take them" named
[ $failed = 0 ] || done_testing
# A target for each NIC, lest what one NIC's tests leave behind when they fail
# be taken for the next one's failure; its MTU changes under way.
for n in $nics
do
	nic=${n%%:*} most=${n##*:} large="ata order" small=frames
	[ "$all" != all ] || large="frames config mask reserve ata identify trim smart order initiators malformed extensions" small=$large
	ok "$nic: the target serves all NICs" vm_serve t -s 9 0 $names /dev/vda
	ok "$nic takes an MTU of $most" mtu "$nic" "$most"
	vm_wired "$nic at $most" "-i $nic -f $img" $large
	ok "$nic takes an MTU of 1500" mtu "$nic" 1500
	vm_wired "$nic at 1500" "-i $nic -f $img" $small
	ok "$nic takes an MTU of $most again" mtu "$nic" "$most"
	ok "$nic: the target ends with status 0" vm_ends t
done

seconds=7 modes=default
[ "$all" != all ] || { seconds=60 modes="default -s -d"; }
for mode in $modes
do
	ok "the target serves all of them $mode" vm_serve t ${mode#default} 9 0 $names /dev/vda
	ok "load while the MTU changes $mode" load '-c 2' badly 'ip link set $n mtu 1500; usleep 200000; ip link set $n mtu $most'
	ok "load while links go down and up $mode" load '' badly 'ip link set $n down; usleep 200000; ip link set $n up'
	ok "requests were lost meanwhile $mode" resent
	ok "the target lives $mode" vm_serving t
	ok "it ends with status 0 $mode" vm_ends t
done
ok "(zeros on the disk)" vm t 'dd if=/dev/zero of=/dev/vda bs=1M count=1 conv=fsync'
ok "the target serves all of them" vm_serve t 9 0 $names /dev/vda
ok "two paths, one cable pulled and put in again" paths e1000e virtio-net
[ "$all" != all ] || ok "and the other" paths vmxnet3 e1000
ok "the target lives" vm_serving t
ok "it ends with status 0" vm_ends t
ok "the kernel has no complaint" vm t 'dmesg | grep -iE "BUG:|WARNING:|Oops|transmit.*timed out|tx hang" && exit 1; true'
ok "the machine shuts down" vm_off t
done_testing
