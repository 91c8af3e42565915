#!/bin/sh
# The target against the aoetools that speak AoE by themselves (aoeping,
# aoecfg, aoe-sancheck), and hdparm on the IDENTIFY block that aoeping
# gets.  None of them retransmits, pads its answers or forgives short ones.
#
# shellcheck disable=SC2317 # functions are called by way of ok

tests/needpackages ip:iproute2 aoeping:aoetools aoecfg:aoetools aoe-sancheck:aoetools \
	hdparm:hdparm awk:mawk || exit 1
. tests/lib.sh

sectors=$((256 * 2048 + 5))

# Each of the tools, with a limit in case nothing comes.
ping() { on_initiator timeout 10 aoeping -s 3 "$@" 9 0 i0; }
cfg() { on_initiator timeout 10 aoecfg -t 1 "$@"; }

# gives TEXT COMMAND...: the command succeeds and prints exactly this line;
# silent COMMAND...: it succeeds and prints nothing, not even an empty line.
prints() {
	want=$1
	shift
	got=$("$@" && echo end) || return 1
	printf 'printed: %s\nwanted:  %s\n' "$got" "$want"
	[ "$got" = "$want" ]
}
gives() { line=$1; shift; prints "$line${newline}end" "$@"; }
silent() { prints end "$@"; }
newline='
'

# shows PATTERN COMMAND...: it succeeds and a line matches.
shows() {
	pattern=$1
	shift
	"$@" >"$TMP/shows" || return 1
	cat "$TMP/shows"
	grep -Eq -- "$pattern" "$TMP/shows"
}

# config HEX: the config answer, byte by byte, with this sector count: the
# header, the buffer count, the firmware version, the sector count, protocol
# version and command, an empty string, and zeros up to 60 bytes.
config() {
	ping -v >"$TMP/ping" || return 1
	cat "$TMP/ping"
	sed '1,/^config query response:/d; /^found/,$d' "$TMP/ping" | tr -d ' \n' >"$TMP/hex"
	tmac=$(on_target cat /sys/class/net/t0/address | tr -d :)
	imac=$(on_initiator cat /sys/class/net/i0/address | tr -d :)
	grep -Eq "^$imac${tmac}88a218000009000180000000.{8}${1}100000(00){28}\$" "$TMP/hex" &&
	[ "$((0x$(cut -c 49-52 "$TMP/hex")))" -ge 2 ]
}

# aoeping shows the IDENTIFY block as bytes, hdparm reads words.
identify() {
	ping -i >"$TMP/identify" || return 1
	awk 'NR > 1 { for(i = 1; i < NF; i += 2) printf "%s%s ", $(i + 1), $i; print "" }' "$TMP/identify" >"$TMP/words"
	hdparm --Istdin <"$TMP/words" >"$TMP/decoded" 2>&1
}
decodes() { echo "no line matches $1"; grep -Eq -- "$1" "$TMP/decoded"; }
offers() { decodes "\*[[:space:]]+$1\$"; }
no_complaint() {
	cat "$TMP/decoded"
	! grep -Eiq 'not set|invalid|incorrect|expected|missing|failed' "$TMP/decoded"
}

# The 512 bytes of SMART data add up to 0 mod 256, and some are not 0.
smart_sum() {
	ping -S read_data >"$TMP/smart" || return 1
	sum=0 bytes=0
	sed '1,/^SMART data:/d' "$TMP/smart" | tr -s ' ' '\n' >"$TMP/bytes"
	while read -r byte
	do
		sum=$((sum + 0x$byte)) bytes=$((bytes + 1))
	done <"$TMP/bytes"
	echo "$bytes bytes, sum $sum"
	[ "$bytes" -eq 512 ] && [ "$((sum % 256))" -eq 0 ] && [ "$sum" -gt 0 ]
}

# aborted SUBCOMMAND: aoeping -S reports that the target refused it.
aborted() {
	head -c 512 /dev/zero | ping -S "$1" >"$TMP/aborted" 2>&1
	s=$?
	cat "$TMP/aborted"
	[ "$s" = 1 ] && grep -q 'SMART command aborted on target' "$TMP/aborted"
}

# What aoe-sancheck says of the disk: one line and no advice below it.
sancheck() {
	on_initiator timeout 60 aoe-sancheck >"$TMP/sancheck" || return 1
	cat "$TMP/sancheck"
	sed '1,/^Device/d' "$TMP/sancheck" | awk -v payload="$1" '
		{ lines++ }
		$1 == "e9.0" && $2 == 1 && $3 == payload && $4 == "i0" && NF == 4 { right++ }
		END { exit !(lines == 1 && right == 1) }'
}

session() {
	is="MTU $1:"
	ip -n "$TNS" link set t0 mtu "$1"
	ip -n "$INS" link set i0 mtu "$1"
	truncate -s 0 "$TMP/img" && truncate -s $((sectors * 512)) "$TMP/img"
	ok "$is the target starts" start_target 9 0 t0 "$TMP/img"

	ok "$is aoeping gets its answers" ping
	ok "$is the config answer is whole and padded with zeros" config "$3"
	ok "$is aoeping -I shows the serial number" shows '^serial_number: 9\.0:[^ ]' ping -I
	ok "$is aoeping -I shows the model" shows '^model: [^ ]' ping -I
	ok "$is aoeping -I shows the firmware revision" shows '^firmware_rev: [^ ]' ping -I

	ok "$is hdparm --Istdin decodes the IDENTIFY block" identify
	ok "$is hdparm has nothing to complain of" no_complaint
	ok "$is the IDENTIFY checksum is right" decodes '^Checksum: correct'
	ok "$is IDENTIFY has the size" decodes "LBA48 +user addressable sectors: +$sectors\$"
	ok "$is IDENTIFY has the size for 28 bits" decodes "LBA +user addressable sectors: +$sectors\$"
	ok "$is IDENTIFY offers SMART" offers 'SMART feature set'
	ok "$is IDENTIFY offers FLUSH CACHE" offers 'Mandatory FLUSH_CACHE'
	ok "$is IDENTIFY offers FLUSH CACHE EXT" offers 'FLUSH_CACHE_EXT'
	ok "$is IDENTIFY offers 48-bit LBA" offers '48-bit Address feature set'
	ok "$is IDENTIFY offers FUA writes" offers 'WRITE_.*FUA_EXT'
	ok "$is IDENTIFY offers TRIM" offers 'Data Set Management TRIM supported.*'
	ok "$is trimmed sectors are said to read as zeros" offers 'Deterministic read ZEROs after TRIM'

	# aoeping -S asks IDENTIFY first, and wants 512 bytes with every answer.
	ok "$is aoeping -S return_status says healthy" shows 'LBA Mid: 0x4f' ping -S return_status
	ok "$is and that in both bytes" shows 'LBA High: 0xc2' ping -S return_status
	ok "$is aoeping -S read_data" shows 'Status: 0x40' ping -S read_data
	ok "$is the checksum of that data is right" smart_sum
	ok "$is aoeping -S read_log:0" shows 'Status: 0x40' ping -S read_log:0
	ok "$is aoeping -S offline_immediate:0" shows 'Status: 0x40' ping -S offline_immediate:0
	ok "$is aoeping -S disable" shows 'Status: 0x40' ping -S disable
	ok "$is aoeping -S enable" shows 'Status: 0x40' ping -S enable
	ok "$is aoeping -S write_log, which the target has not, is aborted" aborted write_log:1

	ok "$is aoecfg reads an empty string" gives '' cfg 9 0 i0
	ok "$is aoecfg sets it" gives hello cfg -c set -s hello 9 0 i0
	ok "$is aoecfg reads it" gives hello cfg 9 0 i0
	ok "$is aoecfg sets the same once more" gives hello cfg -c set -s hello 9 0 i0
	ok "$is another is refused with error 4" gives '*badcfg*' cfg -c set -s other 9 0 i0
	ok "$is which has changed nothing" gives hello cfg 9 0 i0
	ok "$is a test for the whole string is answered" gives hello cfg -c test -s hello 9 0 i0
	ok "$is a test for less is not" silent cfg -c test -s hell 9 0 i0
	ok "$is a test for a prefix is answered" gives hello cfg -c prefix -s hell 9 0 i0
	ok "$is a test for no prefix is not" silent cfg -c prefix -s ello 9 0 i0
	ok "$is a longer string is no prefix" silent cfg -c prefix -s hello2 9 0 i0
	ok "$is a forced set replaces the string" gives other cfg -c fset -s other 9 0 i0
	ok "$is a broadcast to every shelf and slot finds it" gives "9.0	other" cfg i0
	ok "$is a broadcast to every shelf finds it" gives "9.0	other" cfg 65535 0 i0
	ok "$is a broadcast to every slot finds it" gives "9.0	other" cfg 9 255 i0
	ok "$is another slot is not answered for" silent cfg 9 1 i0

	ok "$is aoe-sancheck finds that $2 bytes a frame come through" sancheck "$2"
	ok "$is the target ends in order" stop_target
}

mknet 9000
session 9000 8704 11
session 1500 1024 02
done_testing
