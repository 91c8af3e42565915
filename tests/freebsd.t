#!/bin/sh
# FreeBSD, without such a machine: freebsd.c and all that goes with it
# compiles for it, against headers that hold its interfaces, and runs over a
# layer that is as strict (tests/freebsd), as 15 is and as 13.0 was.

# shellcheck disable=SC2016,SC2086,SC2119,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 gcc:gcc clang:clang losetup:mount cmp:diffutils setfattr:attr || exit 1
. tests/lib.sh

# compiles TARGET FILE: for FreeBSD on such a processor, as either release.
compiles() {
	for version in 1500000 1300139
	do
		clang --target="$1-unknown-freebsd" -fsyntax-only -std=c11 -D_FILE_OFFSET_BITS=64 -D__FreeBSD_version=$version \
			-Werror -Wall -Wextra -Wshadow -Wconversion -Wshorten-64-to-32 -Wstrict-prototypes -Wmissing-prototypes \
			-nostdlibinc -Itests/freebsd/include -Itests/freebsd/libc -I. "$2" || return 1
	done
}
for arch in x86_64 aarch64
do
	ok "$arch: the headers hold FreeBSD's numbers and sizes" compiles $arch tests/freebsd/facts.c
done
for arch in x86_64 aarch64 riscv64 powerpc64 i386 armv7
do
	for f in ./*.c
	do
		[ "$f" = ./linux.c ] || ok "$arch: ${f#./} compiles without a warning" compiles $arch "$f"
	done
done

# built DIRECTORY [ARGUMENT...]: over the layer.
built() {
	MAKEFLAGS='' make -s B="$B" "$@" >"$TMP/make.out" 2>&1
	cat "$TMP/make.out"
	[ ! -s "$TMP/make.out" ] && [ -x "$1" ]
}
rm -rf "$B/freebsdcc"
for cc in gcc clang
do
	ok "$cc builds it without a warning, over the layer" built "$B/freebsdcc/$cc/aoede" B="$B/freebsdcc/$cc" CC=$cc PLATFORM=freebsd
done

mknet 9000
truncate -s 1M "$TMP/4k"
truncate -s 80M "$TMP/512"
LOOP4K=$(losetup --show -f -b 4096 "$TMP/4k") && undo "losetup -d $LOOP4K"
LOOP=$(losetup --show -f "$TMP/512") && undo "losetup -d $LOOP"
io() { on_initiator "$B/tests/aoeio" "$@"; }
img=$TMP/img
truncate -s 80M "$img"

# works LAYER ARGUMENTS...: with the layer made worse, random reads and
# writes agree with a model.
works() {
	LAYER=$1
	export LAYER
	shift
	start_target "$@" && io verify 1
	then_stop
}
then_stop() {
	r=$?
	cat "$TMP/err"
	stop_target && [ $r = 0 ]
}
file() { works "$@" 9 0 t0 "$img"; }
disk() { works "$@" 9 0 t0 "$LOOP"; }
# sequential LAYER: 16 MiB, written and read with as many requests under way
# as there may be, so that they join.
sequential() {
	LAYER=$1 start_target 9 0 t0 "$LOOP" || return 1
	head -c 16M /dev/urandom >"$TMP/16m"
	io write 0 <"$TMP/16m" && io read 0 32768 | cmp - "$TMP/16m"
	then_stop
}
# sectors N: so many are offered, reads and writes of any number work.
sectors() {
	start_target 9 0 t0 "$img" || return 1
	io discover | tee "$TMP/found"
	grep -q " sectors $1 " "$TMP/found" && io verify 1
	then_stop
}
own() { # what the target's host sends itself by that interface
	start_target 9 0 t0 "$img" || return 1
	io discover
	heard=$?
	on_target "$B/tests/aoeio" -i t0 -t 500 discover
	[ $? = 2 ] && [ $heard = 0 ]
	then_stop
}
narrow() {
	LAYER=maxbuf=3200 start_target 9 0 t0 "$img" || return 1
	io discover | tee "$TMP/found"
	stop_target && grep -q ' sectors 6 ' "$TMP/found"
}
parts() { # the halves of the device's sectors, written at the same time
	truncate -s 1M "$TMP/4k" && losetup -c "$LOOP4K" && start_target 9 0 t0 "$LOOP4K" || return 1
	head -c 1M /dev/urandom >"$TMP/1m"
	io write 0 <"$TMP/1m" && io read 0 2048 | cmp - "$TMP/1m"
	r=$?
	stop_target && [ $r = 0 ] && cmp "$TMP/1m" "$TMP/4k"
}
model() { # model ARGUMENTS...: the same, at random
	truncate -s 80M "$TMP/4k" && losetup -c "$LOOP4K" && start_target "$@" 9 0 t0 "$LOOP4K" && io verify 2
	then_stop
}
# trims LAYER FILE: what is trimmed is zeros, and its neighbours are not.
trims() {
	head -c 4M /dev/urandom | tee "$TMP/before" >"$TMP/after"
	dd if=/dev/zero of="$TMP/after" bs=512 seek=1001 count=6000 conv=notrunc status=none
	LAYER=$1 start_target 9 0 t0 "$2" || return 1
	io write 0 <"$TMP/before" && io trim 1001 6000 && io read 0 8192 | cmp - "$TMP/after"
	then_stop
}
# A name that is taken is refused before a shadow is made, and so before
# writes have stopped.
taken() {
	mkdir -p "$TMP/taken"
	start_target -f "$TMP/taken/shadow" 9 0 t0 "$img" || return 1
	echo other >"$TMP/taken/shadow"
	before=$(stat -c %z "$TMP/taken")
	signals USR1 USR2
	until_true 5 grep -q '^aoede: freeze refused: .*File exists' "$TMP/err" && [ "$(stat -c %z "$TMP/taken")" = "$before" ]
	then_stop && echo other | cmp - "$TMP/taken/shadow" && rm -r "$TMP/taken"
}
# The image is marked, and its shadow is gone.
marked() {
	: >"$TMP/marked" && truncate -s 1M "$TMP/marked" && setfattr -n user.aoede.shadow -v "live $TMP/lost" "$TMP/marked" || return 1
	fails on_target timeout 5 "$AOEDE" -f "$TMP/lost" 9 0 t0 "$TMP/marked" 2>"$TMP/err"
	r=$?
	cat "$TMP/err"
	[ $r = 0 ] && grep -q 'the mark aoede.shadow (namespace user)' "$TMP/err"
}
# linked OPTION: a link where a file of ours should be.
linked() {
	rm -f "$TMP/shadow"
	ln -s "$img" "$TMP/link"
	fails on_target timeout 5 "$AOEDE" "$1" "$TMP/link" 9 0 t0 "$img" 2>"$TMP/err"
	r=$?
	cat "$TMP/err"
	rm "$TMP/link"
	[ $r = 0 ] && grep -q 'symbolic link' "$TMP/err"
}
zfs() { # -d where direct I/O is of whole pages
	LAYER=dio
	fails on_target timeout 5 "$AOEDE" -d 9 0 t0 "$img" 2>"$TMP/err"
	r=$?
	cat "$TMP/err"
	[ $r = 0 ] && grep -q 'vfs.zfs.dio_enabled=0' "$TMP/err"
}
second() { # a second target of a disk, by which the lock tells
	start_target 9 0 t0 "$LOOP" || return 1
	fails on_target timeout 5 "$AOEDE" 9 1 t0 "$LOOP" 2>"$TMP/second"
	r=$?
	cat "$TMP/second"
	stop_target && [ $r = 0 ] && grep -q 'locked by another program' "$TMP/second"
}

# over DIRECTORY SECTORS: all of it, over the layer as it is built there.
over() {
	on=$1
	AOEDE=$B/$on/aoede
	ok "$on: it builds without a warning" built "$AOEDE"
	built "$B/$on/tests/freebsd/strict" >/dev/null
	ip -n "$INS" link set i0 netns "$TNS" && ip -n "$TNS" link set i0 up
	until_true 5 carrier "$TNS" i0
	truncate -s 1M "$TMP/4k" && losetup -c "$LOOP4K"
	strict=$(realpath "$B/$on/tests/freebsd/strict")
	(cd "$TMP" && on_target "$strict" "$LOOP4K") >"$TMP/strict" 2>&1
	relay "$TMP/strict"
	ok "$on: the layer's tests ran to their end" [ -n "$plan" ]
	ip -n "$TNS" link set i0 netns "$INS" && ip -n "$INS" link set i0 up
	until_true 5 carrier "$TNS" t0

	ok "$on: all is right where no file is fit for aio" file noaio
	ok "$on: where aio has room for two operations" file fewaio
	ok "$on: where the interface's queue is full now and then" file enobufs
	ok "$on: where bpf's buffer is small" file maxbuf=20000
	ok "$on: with writes behind, where aio is scarce" file fewaio -w
	ok "$on: on a disk it is, too" disk ''
	ok "$on: on one with few parts under way" disk mapped
	ok "$on: on one without aio" disk noaio
	ok "$on: long runs of a disk are aio's" sequential aioonly
	ok "$on: also where they have too many bytes" sequential 'aioonly maxphys=65536'
	ok "$on: and one sector in a run is too long" sequential 'maxphys=4096'
	LAYER=
	ok "$on: as many sectors are offered as can be sent" sectors "$2"
	ok "$on: no more sectors are offered than bpf's buffer carries" narrow
	LAYER=lagg
	ok "$on: requests come in by a lagg" sectors "$2"
	ok "$on: but not this host's own" own
	LAYER=
	ok "$on: 512-byte sectors of a disk with larger ones are right" parts
	ok "$on: so they are at random" model
	ok "$on: and with writes behind" model -w
	ok "$on: what is trimmed of a file is zeros" trims '' "$img"
	ok "$on: also where the file system writes them" trims zerofill "$img"
	ok "$on: and what is trimmed of a disk" trims cutdelete "$LOOP"
	ok "$on: and of one with larger sectors" trims cutdelete "$LOOP4K"
	ok "$on: a second target of a disk is refused" second
	ok "$on: a shadow's name that is taken stops no write" taken
	ok "$on: the mark of an image is named as it is there" marked
	ok "$on: a link is no shadow" linked -f
	ok "$on: nor a state file" linked -S
	ok "$on: -d says what ZFS needs" zfs
	LAYER=
}

# The script for rc.d, over as much of rc.subr as it asks for.
cat >"$TMP/rc.subr" <<'EOF'
load_rc_config() { . "$RCCONF"; }
run_rc_command() {
	once=''
	case $1 in one*) once=one; eval "$rcvar=YES" ;; esac
	set -- "${1#one}"
	eval "on=\$$rcvar"
	case $1.$on in
	status.* | *.YES) ;;
	*) echo "Cannot '$1' $name. Set $rcvar to YES"; return 0 ;;
	esac
	case " start stop restart $extra_commands " in
	*" $1 "*) ;;
	*) exit 1 ;;
	esac
	case $1 in
	restart) (run_rc_command ${once}stop); (run_rc_command ${once}start); return ;;
	esac
	eval "eval \"\$${1}_cmd\"" || return 1
}
EOF
mkdir "$TMP/conf"
echo "ARGS=-f '$TMP/rc.shadow' 9 0 t0 '$img'" >"$TMP/conf/disk.conf"
echo "ARGS=-r 9 1 t0 '$LOOP'" >"$TMP/conf/other.conf"
printf '#!/bin/sh\nexec cat >>"%s"\n' "$TMP/rc.log" >"$TMP/logger"
chmod 755 "$TMP/logger"
./AoEded rc "$(pwd)" | sed "s,^\. /etc/rc.subr,. $TMP/rc.subr," >"$TMP/rc.aoede"
RCCONF=$TMP/rc.conf
export RCCONF
echo "aoede_conf='$TMP/conf'" >"$RCCONF"
rc() {
	on_target env AOEDE="$(realpath "$B/freebsd/aoede")" AOEDE_RUN="$TMP/run" AOEDE_LOGGER="$TMP/logger" sh "$TMP/rc.aoede" "$@"
}
undo 'rc stop >/dev/null 2>&1'
there() { io -n "$1" -t 500 size; }
rcoff() { rc start | grep "Set aoede_enable to YES" && fails there 0 && fails rc status; }
rconce() { rc onestart && there 0 && rc status && rc onestop && fails there 0; }
rcboth() { rc start && there 0 && there 1 && rc status; }
rcone() { rc stop other && there 0 && fails there 1 && fails rc status && rc status disk && rc start && rc status; }
rchup() { : >"$TMP/rc.log"; rc reload disk && until_true 5 grep -q '^frames ' "$TMP/rc.log"; }
rcfreeze() { rc freeze disk && [ -e "$TMP/rc.shadow" ] && rc unfreeze disk && [ ! -e "$TMP/rc.shadow" ]; }
rcstop() { rc restart && there 0 && rc stop && fails there 0 && fails there 1 && fails rc status; }
ok "the script for rc.d has no error" sh -n "$TMP/rc.aoede"
ok "aoede_enable is needed" rcoff
ok "unless it is told to start once" rconce
echo 'aoede_enable=YES' >>"$RCCONF"
ok "it starts what is configured" rcboth
ok "or stops and starts some of it" rcone
ok "it has the disk looked at anew" rchup
ok "it freezes and unfreezes" rcfreeze
ok "it restarts and stops" rcstop

over freebsd 17
over freebsd13 7
done_testing
