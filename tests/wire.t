#!/bin/sh
# Every row and rule of the protocol, frame by frame, at the ordinary MTU
# and with jumbo frames: this script starts targets with the options that
# each group of tests needs, and the program wire sends the frames.

# shellcheck disable=SC2317 # ok calls the functions

tests/needpackages ip:iproute2 hdparm:hdparm od:coreutils timeout:coreutils || exit 1
. tests/lib.sh

img=$TMP/disk.img
sectors=81920
fresh() { rm -f "$1" && head -c "${2:-$((sectors * 512))}" /dev/urandom >"$1"; }

setmtu() {
	ip -n "$TNS" link set t0 mtu "$1" && ip -n "$INS" link set i0 mtu "$1"
}

# report LABEL: the tests that the program's output in $TMP/wire.out tells
# of become tests of this script.  Without a plan at its end it died.
report() {
	plan=
	while IFS= read -r line
	do
		case $line in
		"ok "*) tests=$((tests + 1)); echo "ok $tests - $1: ${line#*- }" ;;
		"not ok "*) tests=$((tests + 1)) failed=$((failed + 1)); echo "not ok $tests - $1: ${line#*- }" ;;
		1..*) plan=$line ;;
		"#"*) echo "$line" ;;
		*) echo "# $line" ;;
		esac
	done <"$TMP/wire.out"
	[ -n "$plan" ] || ok "$1: the tests ran to their end" false
}

# group LABEL ARGUMENTS...: run wire with these.
group() {
	label=$1
	shift
	on_initiator timeout 300 "$B/tests/wire" -f "$img" "$@" >"$TMP/wire.out" 2>&1
	report "$label"
	ok "$label: the target lives" alive
}

# serve LABEL ARGUMENTS...: start the target; done_serving LABEL: end it.
serve() {
	label=$1
	shift
	ok "$label: the target starts" start_target "$@"
}
done_serving() { ok "$1: the target ends with status 0 when told to" stop_target TERM; }

# advert LABEL GROUP ARGUMENTS...: listen, then start the target.
advert() {
	label=$1 name=$2
	shift 2
	: >"$TMP/wire.out"
	on_initiator timeout 60 "$B/tests/wire" -f "$img" "$name" >"$TMP/wire.out" 2>&1 &
	listener=$!
	PIDS="$PIDS $listener"
	until_true 10 grep -q listening "$TMP/wire.out"
	serve "$label" "$@"
	wait "$listener"
	report "$label"
}

# hdparm reads the words as text, and finds fault with a bad checksum.
decode() {
	on_initiator "$B/tests/aoeio" identify | od -An -v -tx2 -w16 | sed 's/^ //' | hdparm --Istdin >"$TMP/hdparm" 2>&1
	cat "$TMP/hdparm"
	! grep -qi 'incorrect\|invalid\|missing' "$TMP/hdparm" &&
		grep -q "LBA48  *user addressable sectors: *$sectors\$" "$TMP/hdparm" &&
		grep -q '48-bit Address feature set' "$TMP/hdparm" &&
		grep -q 'Mandatory FLUSH_CACHE' "$TMP/hdparm" && grep -q 'FLUSH_CACHE_EXT' "$TMP/hdparm" &&
		grep -q 'SMART feature set' "$TMP/hdparm" &&
		grep -q 'Data Set Management TRIM' "$TMP/hdparm" &&
		grep -q 'WRITE_{DMA|MULTIPLE}_FUA_EXT' "$TMP/hdparm" &&
		grep -q 'Checksum: correct' "$TMP/hdparm"
}

# What another process on the target's host sends by the target's own
# interface passes the target too; only the query from outside is answered.
own_host() {
	listen listen 4 answers
	on_target "$B/tests/aoeio" -i t0 -t 300 size
	[ $? = 2 ] || return 1
	on_initiator "$B/tests/aoeio" discover || return 1
	wait "$lpid"
	cat "$TMP/heard"
	[ "$(wc -l <"$TMP/heard")" = 1 ]
}

# maclist N: the initiator's MAC and those that wire makes up, N in all.
maclist() {
	printf '%s' "$(on_initiator cat /sys/class/net/i0/address)"
	i=1
	while [ $i -lt "$1" ]
	do
		printf ',02:ae:00:00:%02x:%02x' $((i / 256)) $((i % 256))
		i=$((i + 1))
	done
}

everything() {
	fresh "$img"
	advert "MTU $1" advert 9 0 t0 "$img"
	for g in frames config mask reserve ata identify trim smart order initiators malformed extensions
	do
		group "MTU $1, $g" $g
	done
	ok "MTU $1: frames that the target's own host sends are not answered" own_host
	ok "MTU $1: hdparm decodes IDENTIFY" decode
	ok "MTU $1: random reads and writes agree with a model" on_initiator "$B/tests/aoeio" verify 2 "$1"
	done_serving "MTU $1"
}

masklists() {
	advert "MTU $1, -m" unicast -m 02:ae:00:00:00:01,02AE00000002 9 0 t0 "$img"
	done_serving "MTU $1, -m"
	serve "MTU $1, -m with 200 MACs" -m "$(maclist 200)" 9 0 t0 "$img"
	group "MTU $1, -m with 200 MACs" longmask
	done_serving "MTU $1, -m with 200 MACs"
}

# mode OPTION GROUP...: some groups again where the disk is used otherwise.
mode() {
	opt=$1
	shift
	fresh "$img"
	serve "$opt" "$opt" 9 0 t0 "$img"
	group "$opt" "$@"
	done_serving "$opt"
}

exports() {
	fresh "$img"
	serve -r -r 9 0 t0 "$img"
	group -r readonly
	done_serving -r
	serve "-o and -l" -o 100 -l 70000 9 0 t0 "$img"
	group "-o and -l" -o 100 -l 70000 window range trim
	done_serving "-o and -l"
	fresh "$img" $((sectors * 512 + 511))
	serve "a file that ends within a sector" 9 0 t0 "$img"
	group "a file that ends within a sector" identify range
	done_serving "a file that ends within a sector"
	rm -f "$img"
	truncate -s 3T "$img"
	serve "3 TiB" 9 0 t0 "$img"
	group "3 TiB" large
	done_serving "3 TiB"
}

mknet 1500
on_target ip link set t0 promisc on
for mtu in 1500 9000
do
	setmtu $mtu
	everything $mtu
	masklists $mtu
done

# Between 2 and 3 sectors lies the header that initiators count twice.
setmtu 1560
fresh "$img"
serve "-b 16" -b 16 9 0 t0 "$img"
group "-b 16" -b 16 config order
done_serving "-b 16"
fresh "$img"
serve "MTU 1560" 9 0 t0 "$img"
group "MTU 1560" config ata initiators
done_serving "MTU 1560"

setmtu 9000
mode -d ata trim order
mode -s ata trim order
exports

serve "another shelf and slot" 65534 254 t0 "$img"
ok "the highest shelf and slot are served" \
	sh -c "ip netns exec $INS $B/tests/aoeio -s 65534 -n 254 size"
done_serving "another shelf and slot"
done_testing
