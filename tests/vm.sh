# Sourced by the scripts that have whole machines: Debian's kernel in a guest
# of qemu, by emulation, with NICs, disks and power that can be cut.  Source
# lib.sh first.
#
# A guest has a name.  Its init carries out what the script leaves for it in a
# directory that both see, so that a test is a line: ok TEXT vm NAME COMMAND.
# All it has is in memory, but for its disks.
#
#	vm_initrd ARCH MODULE...	what guests boot from, for all that follow
#	vm_aoede			with a static aoede, whose sandbox is strict
#	vm_file FILE...			and what else they have, with its libraries
#	vm_boot NAME ARGUMENT...	power on; the arguments are qemu's
#	vm_power, vm_up			the same, in two steps
#	vm NAME COMMAND			run it in the guest; output and status are ours
#	vm_begin, vm_end		only start it; wait for it
#	vm_monitor NAME COMMAND		tell qemu's monitor
#	vm_until NAME SECONDS LINE	wait for a line (a pattern) on the console
#	vm_cut NAME			cut its power: what it had not written is gone
#	vm_off NAME			shut it down
#	vm_show NAME			the console's last lines, for a failed test
#	vm_serve NAME ARGUMENT...	start aoede; fails when it ends instead
#	vm_serving NAME			it lives
#	vm_ends NAME			end it; it must with status 0
#	vm_wired LABEL ARGS GROUP...	groups of the wire tests, from outside
#
# In the guest, "till SECONDS COMMAND" waits until a command succeeds.
#
# Set by the sourcing script, if it wants others:
#	memory	of a guest, in MiB
#	patience	for a command in the guest that lives, in seconds, as of until_true
#	lifetime	of a guest, in seconds: one that hangs is ended

# shellcheck shell=sh disable=SC2016,SC2034,SC2046,SC2086,SC2154 # variables are for the sourcing script, and from it
memory=256 patience=60 lifetime=1200

tests/needpackages ip:iproute2 timeout:coreutils cpio:cpio depmod:kmod xz:xz-utils flock:util-linux \
	pkill:procps awk:mawk || exit 1

# The machine, by architecture.
vm_arch() {
	case $1 in
	amd64)
		emulator=qemu-system-x86_64 console=ttyS0
		machine="-M q35 -cpu max"
		;;
	arm64)
		emulator=qemu-system-aarch64 console=ttyAMA0
		machine="-M virt -cpu max,pauth-impdef=on"
		;;
	armhf)
		emulator=qemu-system-arm console=ttyAMA0
		machine="-M virt -cpu cortex-a15"
		;;
	riscv64)
		emulator=qemu-system-riscv64 console=ttyS0
		machine="-M virt"
		;;
	esac
}

# vm_module MODULE...: with all they need, in the order they load in.
vm_module() {
	version=$(ls "$KERNEL/lib/modules")
	for m
	do
		modprobe -d "$KERNEL" -S "$version" --show-depends "$m" 2>/dev/null || echo "# no module $m" >&2
	done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >"$TMP/modules"
	while read -r m
	do
		to=$TMP/root/modules/$(basename "${m%.xz}")
		case $m in
		*.xz) xz -dc "$m" >"$to" ;;
		*) cp "$m" "$to" ;;
		esac
		basename "$to" >>"$TMP/root/modules/order"
	done <"$TMP/modules"
}

vm_file() {
	for f
	do
		mkdir -p "$TMP/root$(dirname "$f")" && cp -L "$f" "$TMP/root$f" || return 1
		ldd "$f" 2>/dev/null | sed -n "s/.*[[:space:]]\\(\\/[^ ]*\\) (.*/\\1/p" | while read -r lib
		do
			mkdir -p "$TMP/root$(dirname "$lib")"
			[ -e "$TMP/root$lib" ] || cp -L "$lib" "$TMP/root$lib"
		done
	done
}

# vm_aoede [COMPILER]: another script may want the same at the same time.
vm_aoede() {
	mkdir -p "$B/static-$ARCH" &&
		flock "$B/static-$ARCH" make -s B="$B/static-$ARCH" ${1:+CC="$1"} SANDBOX=2 LDFLAGS='-pthread -static' "$B/static-$ARCH/aoede" &&
		cp "$B/static-$ARCH/aoede" "$TMP/root/bin/aoede"
}

vm_initrd() {
	ARCH=$1
	shift
	vm_arch "$ARCH" && KERNEL=$(tests/getkernel.sh "$ARCH") || return 1
	rm -rf "$TMP/root"
	mkdir -p "$TMP/root/bin" "$TMP/root/modules" "$TMP/root/share" "$TMP/root/proc" "$TMP/root/sys" "$TMP/root/dev" "$TMP/root/run" "$TMP/root/mnt"
	cp "$KERNEL/busybox" "$TMP/root/bin/busybox"
	ln -s busybox "$TMP/root/bin/sh"
	ln -s bin "$TMP/root/sbin"
	vm_module virtio_pci 9p 9pnet_virtio "$@"
	vm_init >"$TMP/root/init" && vm_till >"$TMP/root/bin/till" && chmod +x "$TMP/root/init" "$TMP/root/bin/till"
}

# What the guest does when it is switched on.
vm_init() {
	cat <<-'EOF'
	#!/bin/sh
	export PATH=/usr/sbin:/usr/bin:/sbin:/bin
	busybox mount -t proc proc /proc
	busybox mount -t sysfs sysfs /sys
	busybox mount -t devtmpfs devtmpfs /dev
	busybox mount -t tmpfs tmpfs /run
	busybox --install -s /bin 2>/dev/null
	while read -r m; do insmod "/modules/$m"; done </modules/order
	ip link set lo up
	mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144 share /share || poweroff -f
	echo the guest is up >/dev/console
	cd /run
	n=1
	while echo $n >/share/alive; do n=$((n + 1)); sleep 1; done &
	n=1
	while :
	do
		if [ -e "/share/$n.sh" ]
		then
			sh "/share/$n.sh" >"/share/$n.out" 2>&1 </dev/null
			echo $? >"/share/$n.new"
			mv "/share/$n.new" "/share/$n.status"
			n=$((n + 1))
		else
			usleep 50000
		fi
	done
	EOF
}

vm_till() {
	cat <<-'EOF'
	#!/bin/sh
	n=$(($1 * 10))
	shift
	until eval "$*" 2>/dev/null
	do
		n=$((n - 1))
		[ $n -gt 0 ] || exit 1
		usleep 100000
	done
	EOF
}

# vm_power NAME ARGUMENT...: in the initiator's namespace, where its taps are.
vm_power() {
	vm_name=$1 vm_dir=$TMP/$1
	shift
	mkdir -p "$vm_dir"
	[ -n "$vm_packed" ] || (cd "$TMP/root" && find . | cpio -o -H newc --quiet) >"$TMP/initrd" || return 1
	vm_packed=1
	rm -f "$vm_dir/console" "$vm_dir"/*.sh "$vm_dir"/*.out "$vm_dir"/*.status "$vm_dir/alive" "$vm_dir/monitor.in" "$vm_dir/monitor.out"
	mkfifo "$vm_dir/monitor.in" "$vm_dir/monitor.out"
	ip netns exec "$INS" timeout -k 1 "$lifetime" $emulator $machine -accel tcg -m "$memory" -nodefaults -no-reboot -display none \
		-kernel "$KERNEL/vmlinuz" -initrd "$TMP/initrd" \
		-append "console=$console quiet panic=-1 mitigations=off random.trust_cpu=on nokaslr no_timer_check" \
		-serial "file:$vm_dir/console" -chardev "pipe,id=monitor,path=$vm_dir/monitor" -mon chardev=monitor \
		-fsdev "local,id=share,path=$vm_dir,security_model=none" -device virtio-9p-pci,fsdev=share,mount_tag=share \
		"$@" </dev/null >"$vm_dir/qemu" 2>&1 &
	eval "pid_$vm_name=$! job_$vm_name=0"
	PIDS="$PIDS $!"
	# What the monitor says is of no interest, but must go somewhere.
	cat "$vm_dir/monitor.out" >"$vm_dir/monitor" &
	PIDS="$PIDS $!"
}
vm_up() { vm_until "$1" 240 'the guest is up' || { cat "$TMP/$1/qemu"; return 1; }; }
vm_boot() { vm_power "$@" && vm_up "$1"; }

vm_pid() { eval "echo \$pid_$1"; }
vm_alive() { mine "$(vm_pid "$1")"; }
vm_job() { eval "echo \$job_$1"; }
vm_says() { grep -q "$2" "$TMP/$1/console" || ! vm_alive "$1"; }
vm_until() {
	within "$2" vm_says "$1" "$3"
	grep -q "$3" "$TMP/$1/console" && return
	# Of a guest that is lost the end of the script shows the console.
	if vm_alive "$1"; then vm_show "$1"; else LOST=$TMP/$1/console; fi
	return 1
}
vm_show() {
	echo "the last lines of the console of $1:"
	tail -n 25 "$TMP/$1/console" | tr -d '\r'
}

vm_begin() {
	vm_name=$1 vm_dir=$TMP/$1
	shift
	eval "job_$vm_name=$(($(vm_job "$vm_name") + 1))"
	printf "%s\n" "$*" >"$vm_dir/job.new"
	mv "$vm_dir/job.new" "$vm_dir/$(vm_job "$vm_name").sh"
}
vm_end() {
	vm_name=$1 vm_dir=$TMP/$1 vm_job=$(vm_job "$1")
	until_true "$patience" vm_done
	cat "$vm_dir/$vm_job.out"
	[ -e "$vm_dir/$vm_job.status" ] || {
		echo "no answer from the guest"
		vm_cut "$vm_name"
		LOST=$vm_dir/console
		return 1
	}
	return "$(cat "$vm_dir/$vm_job.status")"
}
vm_done() { [ -e "$vm_dir/$vm_job.status" ] || ! vm_alive "$vm_name" || ! beating "$vm_dir/alive"; }
vm() { vm_begin "$@"; vm_end "$1"; }

vm_monitor() {
	vm_name=$1
	shift
	vm_alive "$vm_name" && echo "$*" >"$TMP/$vm_name/monitor.in"
}

vm_cut() {
	# timeout's child is qemu; it gets no chance to write anything.
	vm_pid=$(vm_pid "$1")
	pkill -KILL -P "$vm_pid"
	vm_gone "$vm_pid"
}
vm_off() {
	vm_begin "$1" 'sync; poweroff -f'
	vm_pid=$(vm_pid "$1")
	within 120 eval "! mine $vm_pid"
	mine "$vm_pid" && { pkill -KILL -P "$vm_pid"; vm_show "$1"; return 1; }
	vm_gone "$vm_pid"
}
vm_gone() {
	wait "$1" 2>/dev/null
	PIDS=$(echo "$PIDS" | sed "s/ $1\b//")
}

# vm_tap NAME MTU: a cable's end in the initiator's namespace.
vm_tap() { ip -n "$INS" tuntap add "$1" mode tap && ip -n "$INS" link set "$1" mtu "$2" up; }
# vm_disk FILE NAME [PROPERTIES]: the arguments for a virtio disk.
vm_disk() { echo "-drive file=$1,if=none,format=raw,id=$2,discard=unmap,cache=writeback -device virtio-blk-pci,drive=$2,serial=$2${3:+,$3}"; }
# vm_nic MODEL TAP MAC: and for a NIC.
vm_nic() { echo "-netdev tap,id=$2,ifname=$2,script=no,downscript=no -device $1,netdev=$2,id=nic-$2,mac=$3"; }

vm_serve() {
	vm_name=$1
	shift
	vm "$vm_name" ': >/run/out; rm -f /run/status
	{ aoede '"$*"' >/run/out 2>/run/err; echo $? >/run/new; mv /run/new /run/status; } &
	till 120 "grep -q ^pid /run/out || [ -e /run/status ]"
	cat /run/out /run/err
	grep -q ^pid /run/out && sed -n "s/^pid \([0-9]*\).*/\1/p" /run/out >/run/pid'
}
vm_serving() { vm "$1" 'kill -0 $(cat /run/pid)'; }
vm_ends() { vm "$1" 'kill $(cat /run/pid); till 60 "[ -e /run/status ]"; cat /run/err; exit $(cat /run/status || echo 1)'; }
vm_wired() {
	vm_label=$1 vm_args=$2
	shift 2
	for g
	do
		on_initiator timeout 600 "$B/tests/wire" -p $vm_args "$g" >"$TMP/wire.out" 2>&1
		sed -i "s/^\\(not \\)*ok [0-9]* - /&$vm_label, /" "$TMP/wire.out"
		relay "$TMP/wire.out"
		ok "$vm_label, $g: ran to its end" [ -n "$plan" ]
	done
}
