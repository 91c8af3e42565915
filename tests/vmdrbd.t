#!/bin/sh
# Failover: two guests with the same disk, by DRBD, and the target on the one
# that is the primary, as README's "Beyond one machine" has it: its
# configuration and its commands are taken from there.  The primary's power is
# cut under load, the other takes over, and not one answered write is lost.

# shellcheck disable=SC2016,SC2034,SC2046,SC2086,SC2317 # ok calls the functions; lists of arguments

tests/needpackages qemu-system-x86_64:qemu-system-x86 drbdadm:drbd-utils /lib/drbd/drbdadm-84:drbd-utils || exit 1
. tests/lib.sh
. tests/vm.sh

PATH=$PATH:/usr/sbin:/sbin
region=8192	# sectors under load

# What the README says: the resource, and the commands of one of its steps,
# which begin with "STEP, on HOST:".
resource() { sed -n '/^> resource /,/^> }/s/^> //p' README; }
step() {
	sed -n "/^ *$1, on $2:\$/,/^\$/p;/^ *$1, on $2:\$/{n;:a;n;/^> /p;/^> /ba}" README | sed -n 's/^> //p'
}
# as HOST STEP HOST: that host does what the README has for the step.
as() {
	commands=$(step "$2" "$3")
	[ -n "$commands" ] || { echo "README has no step: $2, on $3"; return 1; }
	echo "$commands"
	vm "$1" "set -e
$commands"
}

machine() {
	vm_initrd amd64 virtio_blk virtio_net crc32c_generic drbd && vm_aoede "" &&
		vm_file $(command -v drbdadm) $(command -v drbdsetup) $(command -v drbdmeta) /lib/drbd/drbdadm-84 /lib/drbd/drbdsetup-84 || return 1
	mkdir -p "$TMP/root/etc/drbd.d" "$TMP/root/var/lib/drbd" "$TMP/root/var/run/drbd" "$TMP/root/var/lock"
	echo 'include "drbd.d/*.res";' >"$TMP/root/etc/drbd.conf"
	resource >"$TMP/root/etc/drbd.d/aoe.res"
	[ -s "$TMP/root/etc/drbd.d/aoe.res" ] || { echo "README has no resource"; return 1; }
	# A switch, whose own port is the initiator.
	ip netns add "$INS" && ip -n "$INS" link add i0 type bridge && ip -n "$INS" link set i0 mtu 9000 up || return 1
	for host in alpha beta
	do
		vm_tap $host 9000
		ip -n "$INS" link set $host master i0
		truncate -s 33M "$TMP/$host.img"
	done
}
# power HOST NUMBER, and then up HOST NUMBER: two of them start side by side.
power() { vm_power "$1" $(vm_disk "$TMP/$1.img" disk) $(vm_nic virtio-net-pci "$1" 52:54:00:00:00:0$2); }
up() {
	vm_up "$1" && vm "$1" "hostname $1; ip link set eth0 mtu 9000 up; ip addr add 10.0.0.$2/24 dev eth0"
}
state() { vm "$1" 'drbdadm role aoe; drbdadm cstate aoe; drbdadm dstate aoe'; }
# becomes HOST SECONDS WORD...: its role, connection and disks.
becomes() {
	vm "$1" "for i in \$(seq $(($2 * 5)))
	do
		s=\$(echo \$(drbdadm role aoe 2>&1; drbdadm cstate aoe 2>&1; drbdadm dstate aoe 2>&1) | tr ' ' ,)
		case \$s in $3) echo \$s; exit ;; esac
		usleep 200000
	done
	cat /proc/drbd
	exit 1"
}
answers() { on_initiator "$B/tests/aoeio" -t 1000 size; }
load() {
	ip netns exec "$INS" "$B/tests/aoeio" -t 150000 -w 8 hold 600 0 $region "$TMP/held" >"$TMP/load" 2>&1 &
	LOAD=$!
	PIDS="$PIDS $LOAD"
	until_true 60 grep -q begun "$TMP/load"
}
goes_on() { kill -0 $LOAD && [ "$(cat /proc/$LOAD/stat | cut -d' ' -f3)" != Z ]; }
# What has come from the guest since this was called grows.
moves() {
	old=$(received "$1")
	until_true 60 more "$1"
}
received() { on_initiator cat "/sys/class/net/$1/statistics/rx_bytes"; }
more() { [ $(($(received "$1") - old)) -gt 100000 ]; }

ok "(a network)" machine
ok "(two machines)" eval 'power alpha 1 && power beta 2'
ok "(alpha starts)" up alpha 1
ok "(beta starts)" up beta 2
[ $failed = 0 ] || done_testing
for host in alpha beta
do
	ok "$host gets its disk, as the README says" as $host "Once" both
done
ok "they are connected" becomes alpha 120 '*Connected*'
ok "alpha becomes the first primary" as alpha "Once" alpha
ok "beta has all data" becomes alpha 120 Primary/Secondary,Connected,UpToDate/UpToDate
[ $failed = 0 ] || done_testing
ok "alpha serves" as alpha "To serve" "the primary"
ok "an initiator finds it" until_true 60 answers
nok "beta can't be primary meanwhile" vm beta 'drbdadm primary aoe'

ok "verified load begins" load
[ $failed = 0 ] || done_testing
ok "and moves" moves alpha
ok "(some seconds of it)" sleep 4
ok "alpha's power is cut" eval 'vm_cut alpha; goes_on'
began=$(date +%s%N)
ok "beta is promoted and serves" as beta "When the primary has died" "the other"
ok "the load goes on" moves beta
[ $failed = 0 ] || done_testing
note "after $((($(date +%s%N) - began) / 1000000)) ms"

ok "alpha comes back" eval 'power alpha 1 && up alpha 1'
ok "it joins as the secondary" as alpha "When it is back" "it"
ok "and resyncs" becomes alpha 180 Secondary/Primary,Connected,UpToDate/UpToDate
ok "the load went on" eval 'goes_on && moves beta'
ok "beta hands over" as beta "To change the roles" "the primary"
ok "alpha takes over" as alpha "To change the roles" "the other"
ok "the load goes on" moves alpha
ok "(some seconds of it)" sleep 2
ends() {
	kill $LOAD
	until_true 15 over || { echo "the load did not end when it was told to"; return 1; }
	wait $LOAD
	r=$?
	cat "$TMP/load"
	return $r
}
over() { ! goes_on; }
ok "nothing that was read under load was wrong" ends
note "$(tail -n 1 "$TMP/load")"
ok "no answered write is lost" on_initiator "$B/tests/aoeio" -t 20000 hold 0 0 $region "$TMP/held"
ok "beta has all of it too" eval 'as alpha "To change the roles" "the primary" && as beta "To change the roles" "the other" && on_initiator "$B/tests/aoeio" -t 20000 hold 0 0 $region "$TMP/held"'
[ $failed = 0 ] || { state alpha; state beta; vm beta 'dmesg | tail -n 30'; } | sed 's/^/# /'
vm_cut alpha
vm_cut beta
done_testing
