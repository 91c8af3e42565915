#!/bin/sh
# Freezing, from outside: the image stands still under load and has everything
# afterwards, through kills; a large image; the README's backups; and every
# refusal.  What a death leaves at each single point is freezemodel.t's, and
# a file system of Linux freezelinux.t's.

# shellcheck disable=SC2016,SC2086,SC2317 # ok calls the functions and expands what is quoted

tests/needpackages ip:iproute2 losetup:mount mkfs.ext4:e2fsprogs timeout:coreutils \
	setfattr:attr cmp:diffutils strace:strace || exit 1
. tests/lib.sh

mknet 9000
img=$TMP/img shadow=$TMP/shadow
io() { on_initiator timeout 90 "$B/tests/aoeio" "$@"; }
write() { io -t 60000 write "$1" <"$2"; }
random() { head -c $(($2 * 512)) /dev/urandom >"$1"; }
image() { rm -f "$img" && truncate -s $(($1 * 512)) "$img"; }

# serve OPTIONS...: the image, with its shadow.
serve() { start_target -f "$shadow" "$@" 9 0 t0 "$img"; }
said() { grep -q "$1" "$TMP/out" "$TMP/err" || { cat "$TMP/out" "$TMP/err"; return 1; }; }
refused() { "$@"; [ -z "$TPID" ] || ! kill -0 "$TPID" 2>/dev/null; }
# Refused, with these words, and nothing it was pointed at is changed.
start_refused() {
	words=$1
	shift
	before=$(cat "$img" "$shadow" 2>/dev/null | cksum)
	nok_start "$@" && grep -q -- "$words" "$TMP/err" && [ "$before" = "$(cat "$img" "$shadow" 2>/dev/null | cksum)" ]
}
nok_start() {
	if start_target "$@"
	then
		stop_target
		return 1
	fi
	return 0
}

freeze() { signals USR1 USR2; until_true 60 frozen; }
unfreeze() { signals USR1 USR1 USR2; until_true 60 thawed; }
still() { [ "$(stat -c '%Y %y %s' "$img") $(cksum <"$img")" = "$stands" ]; }
stand() { stands="$(stat -c '%Y %y %s' "$img") $(cksum <"$img")"; }
# What initiators read is what the image alone has.
same() { io -t 60000 flush && io -t 60000 read 0 "$(io size)" | cmp - "$img"; }
marked() { getfattr -n user.aoede.shadow "$img" 2>/dev/null | grep -q shadow; }

# is FILE: what comes in has what FILE has.  Of what differs, the first pages are
# named, and whether they have one byte throughout: whose they are.
is() {
	cat >"$TMP/came"
	cmp "$TMP/came" "$1" && return
	cmp -l "$TMP/came" "$1" | awk '
		function tell() { printf "from sector %d: %d bytes of a page differ%s\n", 8 * page, n, one ? ", and are all \\" byte : "" }
		{ at = int(($1 - 1) / 4096) }
		at != page || NR == 1 { if(NR > 1) tell(); page = at; byte = $2; one = 1; n = 0 }
		{ n++; if($2 != byte) one = 0 }
		END { if(NR > 0) tell() }' | head -n 20
	return 1
}

# (a) A verifying load goes on through all of it.
verifying() { io -t 60000 verify "$1" >"$TMP/verify" 2>&1 & load=$!; PIDS="$PIDS $load"; sleep 0.5; }
verified() { wait "$load"; s=$?; cat "$TMP/verify"; return $s; }
size_of() { stat -c %b "$shadow"; }

under_load() {
	with=" ($*)"
	image 131072
	ok "the target starts$with" serve "$@"
	verifying 4
	ok "it is frozen under load$with" freeze
	stand
	sleep 1
	ok "the image stands still$with" still
	ok "the shadow is no larger than what was written$with" [ "$(size_of)" -lt 150000 ]
	ok "it is unfrozen under load$with" unfreeze
	ok "the load saw nothing but its own data$with" verified
	ok "the image alone is the disk$with" same
	# The mark goes behind the shadow.
	ok "and bears no mark$with" until_true 5 unmarked_now
	stop_target
}

unmarked_now() { ! marked; }

again() { stop_target KILL; serve "$@"; }
killed_under_load() {
	with=" ($*)"
	image 400000
	random "$TMP/much" 200000
	serve "$@"
	freeze
	stand
	ok "much is written to the shadow$with" write 150000 "$TMP/much"
	verifying 7
	ok "a frozen target is killed and started again under load$with" again "$@"
	ok "it is frozen still$with" said '^frozen:'
	ok "so is the image$with" still
	signals USR1 USR1 USR2
	sleep 0.1
	ok "a merging target is killed and started again under load$with" again "$@"
	ok "it goes on merging$with" said '^merging:'
	ok "it comes to its end$with" until_true 60 thawed
	ok "the load saw nothing but its own data$with" verified
	ok "what was written to the shadow is in the image$with" eval 'tail -c +$((150000 * 512 + 1)) "$img" | head -c $((200000 * 512)) | is "$TMP/much"'
	ok "the image alone is the disk$with" same
	stop_target
}

# The power goes: the next target finds another boot_id, and so believes what
# a disk without power would have.  The data is here anyway, as if the kernel
# had brought it to the disk.
harden_ms=$(sed -n 's/^#define HARDEN_MS //p' tuneup.h)
flush_ms=$(sed -n 's/^#define FLUSH_MS //p' tuneup.h)
rebooting() {
	printf '#!/bin/sh\nmount --bind "%s" /proc/sys/kernel/random/boot_id && exec "%s" "$@"\n' "$TMP/boot" "$1" >"$TMP/rebooted"
	chmod +x "$TMP/rebooted"
	cat /proc/sys/kernel/random/uuid >"$TMP/boot"
}
power_cut() {
	stop_target KILL
	cat /proc/sys/kernel/random/uuid >"$TMP/boot"
	serve "$@"
}
cutoff() {
	with=" ($*)"
	image 8192
	random "$TMP/data" 64
	aoede=$AOEDE
	rebooting "$AOEDE"
	AOEDE=$TMP/rebooted
	serve "$@"
	freeze
	ok "a frozen target is written to, and nobody flushes$with" write 100 "$TMP/data"
	# With -w it is written behind first.
	sleep $(((harden_ms + flush_ms) / 1000 + 2))
	ok "the power goes$with" power_cut "$@"
	ok "what was on the disk for some seconds is there$with" eval 'said "^frozen:" && io read 100 64 | is "$TMP/data"'
	ok "it is unfrozen$with" unfreeze
	ok "and in the image$with" eval 'tail -c +$((100 * 512 + 1)) "$img" | head -c $((64 * 512)) | is "$TMP/data"'
	stop_target
	AOEDE=$aoede
}

# A bit of a shadow changes while nobody looks: never is old data served for new.
number() { od -An -tu8 -j"$1" -N8 "$shadow" | tr -d ' '; }
# The first byte of a page that isn't zero.
used() { od -v -An -tu1 -w1 -j"$1" -N4096 "$shadow" | awk -v at="$1" '$1 != 0 { print at + NR - 1; exit }'; }
flip() {
	byte=$(od -An -tu1 -j"$1" -N1 "$shadow")
	printf '%b' "\\0$(printf %o $((byte ^ 64)))" | dd of="$shadow" bs=1 seek="$1" conv=notrunc status=none
}
served() { serve && said '^frozen:' && io read 104 64 | is "$TMP/data"; }
killed() { stop_target KILL || [ $? -eq 137 ]; }
unharmed() { flip "$1" && served && io -t 60000 flush && killed; }
flips() {
	with=" (a flipped bit)"
	image 8192
	random "$TMP/data" 64
	aoede=$AOEDE
	rebooting "$AOEDE"
	AOEDE=$TMP/rebooted
	serve
	freeze
	ok "a frozen target is written to, flushed and killed$with" eval 'write 104 "$TMP/data" && io -t 60000 flush && killed'
	soft=$(used "$(number 48)") hard=$(used "$(number 56)")
	flip "$soft"
	ok "the next start finds it in the map$with" start_refused 'damaged shadow: its bytes .* sectors' -f "$shadow" 9 0 t0 "$img"
	flip "$soft"
	ok "and mends the map that is for a power cut$with" unharmed "$hard"
	ok "and either header$with" eval 'unharmed 100 && unharmed 4196'
	cat /proc/sys/kernel/random/uuid >"$TMP/boot"
	flip "$hard"
	ok "which counts when the power was gone$with" start_refused 'damaged shadow: its bytes .* sectors' -f "$shadow" 9 0 t0 "$img"
	flip "$hard"
	ok "and the other doesn't$with" unharmed "$soft"
	ok "it goes on$with" served
	ok "is unfrozen$with" unfreeze
	ok "and in the image$with" eval 'tail -c +$((104 * 512 + 1)) "$img" | head -c $((64 * 512)) | is "$TMP/data"'
	stop_target
	AOEDE=$aoede
}

# (d)
rss() { sed -n 's/^VmRSS:[^0-9]*\([0-9]*\).*/\1/p' "/proc/$TPID/status"; }
quick() {
	begun=$(ticks)
	kill -USR2 "$TPID"
	until_true 10 frozen || return 1
	took=$(($(ticks) - begun))
	echo "$took ticks"
	[ $took -lt 100 ]
}
small() {
	more=$(($(rss) - before))
	echo "$more kB more"
	[ $more -lt 32768 ]
}
large() {
	with=" (1 TiB)"
	rm -f "$img"
	truncate -s 1T "$img"
	ok "the target starts$with" serve
	random "$TMP/piece" 64
	for at in 0 1000000000 2147483584; do write $at "$TMP/piece"; done
	before=$(rss)
	signals USR1
	ok "a freeze takes less than a second of processor time$with" quick
	for at in 64 1000000032 2147483520; do write $at "$TMP/piece"; done
	ok "and little memory$with" small
	ok "what was written is read$with" eval 'io read 1000000032 64 | is "$TMP/piece"'
	ok "killed, it starts again$with" again
	ok "and reads the same$with" eval 'io read 2147483520 64 | is "$TMP/piece"'
	ok "it is unfrozen$with" unfreeze
	ok "and the image has it$with" eval 'tail -c $((128 * 512)) "$img" | head -c $((64 * 512)) | is "$TMP/piece"'
	stop_target
	rm -f "$img"
}

# What was trimmed while frozen is a hole, here and there.
thin() { echo "$(stat -c %b "$1") blocks of 512"; [ "$(stat -c %b "$1")" -lt "$2" ]; }
holes() {
	with=" (trim)"
	rm -f "$img"
	truncate -s 64G "$img"
	serve
	write 1000 "$TMP/piece"
	freeze
	random "$TMP/other" 64
	write 100000 "$TMP/other"
	ok "36 GB are trimmed while frozen$with" io -t 60000 trim 0 70000000
	ok "the shadow takes no more than its map$with" thin "$shadow" 60000
	ok "and merged soon$with" unfreeze
	ok "the image has no zeros written to it$with" thin "$img" 200
	ok "what was trimmed is gone$with" eval 'io read 1000 64 | is "$TMP/zeros"'
	stop_target
	rm -f "$img"
}
# A frozen target starts again in the time that its shadow takes.
restarts() {
	with=" (8 TiB)"
	truncate -s 8T "$img"
	serve
	freeze
	write 9000000000 "$TMP/piece"
	stop_target KILL
	ok "a frozen target starts again$with" serve
	took=$(ticks)
	ok "in $took ticks, less than three seconds of processor time$with" [ "$took" -lt 300 ]
	ok "and has what was written$with" eval 'io read 9000000000 64 | is "$TMP/piece"'
	ok "it is unfrozen$with" unfreeze
	stop_target
	rm -f "$img"
}

# While the shadow goes from a file system that takes its time.
slowly() {
	with=" (slow removal)"
	image 8192
	serve -s
	freeze
	write 200 "$TMP/piece"
	strace -f -p "$TPID" -o "$TMP/trace" -e trace=unlinkat -e inject=unlinkat:delay_enter=12000000 2>"$TMP/attached" &
	tracer=$!
	PIDS="$PIDS $tracer"
	ok "unlinkat is made slow$with" until_true 10 grep -q attached "$TMP/attached"
	since=$(milliseconds)
	signals USR1 USR1 USR2
	ok "while the shadow is removed no stable write waits for that$with" longest 9000
	took=$(($(milliseconds) - since))
	ok "in $took ms, as it took long$with" [ $took -ge 12000 ]
	kill $tracer
	reap $tracer
	ok "it is gone$with" until_true 60 said '^unfrozen'
	stop_target
}

# With -w, a freeze comes though a load never lets up that the disk can't follow.
behind_load() {
	with=" (-w -d, a slow disk)"
	truncate -s 256M "$TMP/under"
	how 'write 20'
	ok "(a slow disk)" slow_disk
	was=$img
	img=$TMP/slow/disk
	ok "the target starts$with" serve -w -d -c 32
	on_initiator timeout 120 "$B/tests/load" -i i0 -s 9 -n 0 -w -q rand -b 4096 -d 64 -e 10 -t 110 >"$TMP/load" 2>&1 &
	load=$!
	PIDS="$PIDS $load"
	sleep 2
	signals USR1 USR2
	ok "it is frozen under load$with" until_true 40 frozen
	ok "which goes on$with" kill -0 $load
	ok "until it is ended$with" evict "$INS"
	reap $load
	how
	ok "it is unfrozen$with" unfreeze
	stop_target
	img=$was
}

# (f) The README's backups, in a directory with the programs and an interface
# eth0.
backup() {
	rm -rf "$TMP/tree"
	mkdir "$TMP/tree" && cp "$AOEDE" "$TMP/tree/aoede" && cp AoEded "$TMP/tree"
	random "$TMP/tree/disk.img" 8192
	cp "$TMP/tree/disk.img" "$TMP/first"
	(cd "$TMP/tree" && on_target env -u AOEDE AOEDE_RUN="$TMP/run" AOEDE_LOGGER=cat timeout 60 sh -ec "$1")
	s=$?
	(cd "$TMP/tree" && on_target env -u AOEDE AOEDE_RUN="$TMP/run" ./AoEded stop 9 0) || true
	[ $s -eq 0 ] && cmp "$TMP/tree/backup.img" "$TMP/first" && ! [ -e "$TMP/tree/disk.shadow" ]
}
readme() {
	ip -n "$TNS" link set t0 down
	ip -n "$TNS" link set t0 name eth0
	ip -n "$TNS" link set eth0 up
	until_true 5 carrier "$TNS" eth0
	section 'Backup' >"$TMP/section"
	sed '/^kill/,$d' "$TMP/section" >"$TMP/aoeded"
	{ sed '/^\.\/AoEded freeze/,$d' "$TMP/section"; echo 'PID=$(./AoEded status 9 0 | sed "s/.* //")'
		sed -n '/^kill/,$p' "$TMP/section" | sed 's/\bPID\b/"$PID"/g'; } >"$TMP/kill"
	ok "the README's backup by AoEded works as written" eval 'grep -q "AoEded freeze" "$TMP/aoeded" && backup "$(cat "$TMP/aoeded")"'
	ok "so does the one by kill" eval 'grep -q "kill -USR1" "$TMP/kill" && backup "$(cat "$TMP/kill")"'
	ip -n "$TNS" link set eth0 down
	ip -n "$TNS" link set eth0 name t0
	ip -n "$TNS" link set t0 up
	until_true 5 carrier "$TNS" t0
}

# A second target beside the first.
second() {
	ip netns exec "$TNS" "$AOEDE" "$@" >"$TMP/out2" 2>"$TMP/err2" &
	second=$!
	PIDS="$PIDS $second"
	until_true 5 grep '^pid ' "$TMP/out2" || { cat "$TMP/err2"; return 1; }
}

# (g)
hears() { until_true 5 grep -q -- "$1" "$TMP/err" "$TMP/out"; }
silent() { io -t 1500 write "$@"; [ $? -eq 2 ]; }
refusals() {
	image 8192
	random "$TMP/data" 64
	ok "a shadow in no directory is refused" start_refused 'expected a file in a directory that exists' -f "$TMP/none/shadow" 9 0 t0 "$img"
	ok "so is one that is a directory" start_refused "$TMP/" -f "$TMP/" 9 0 t0 "$img"
	ok "and a limit that is no number of MiB" start_refused 'MiB' -f "$shadow,0" 9 0 t0 "$img"

	serve
	signals USR1 USR1 USR2
	ok "an unfreeze of what is not frozen is reported, and ignored" hears 'it is not frozen'
	signals USR2
	ok "so is USR2 alone" hears 'after 0 USR1'
	signals USR1 USR1 USR1 USR2
	ok "and three USR1 before it" hears 'after 3 USR1'
	nok "nothing has come of it" frozen
	freeze
	hears '^frozen: '	# the shadow may be there before
	signals USR1 USR2
	ok "a freeze of what is frozen is reported, and ignored" hears 'frozen already'
	write 0 "$TMP/data"
	ok "a second target can't have the same shadow" eval '
		truncate -s 4M "$TMP/other"
		! on_target "$AOEDE" -f "$shadow" 9 1 t0 "$TMP/other" 2>"$TMP/err2" && grep -q "locked by another" "$TMP/err2"'
	stand
	ok "a frozen target ends in order" stop_target
	ok "and stays frozen" eval 'frozen && still'

	ok "without -f the image is not served" start_refused 'expected -f' 9 0 t0 "$img"
	ok "nor with another shadow" start_refused 'expected -f' -f "$TMP/other.shadow" 9 0 t0 "$img"
	ok "nor another part of it" start_refused 'shadow of' -f "$shadow" -o 8 9 0 t0 "$img"
	mv "$shadow" "$TMP/away"
	ok "nor without its shadow" start_refused 'which is gone: .*the mark .*aoede.shadow' -f "$shadow" 9 0 t0 "$img"
	mv "$TMP/away" "$shadow"
	truncate -s 4M "$TMP/other"
	ok "another image is not served with that shadow" start_refused 'shadow of another image' -f "$shadow" 9 0 t0 "$TMP/other"
	cp "$shadow" "$TMP/away"
	truncate -s -512 "$shadow"
	ok "a shadow that is too short is refused" start_refused 'damaged' -f "$shadow" 9 0 t0 "$img"
	cp "$TMP/away" "$shadow"
	for at in 100 4196; do printf x | dd of="$shadow" bs=1 seek=$at conv=notrunc status=none; done
	ok "so is one with a damaged header" start_refused 'damaged' -f "$shadow" 9 0 t0 "$img"
	head -c 10000 /dev/urandom >"$shadow"
	ok "and what is no shadow at all" start_refused 'no shadow' -f "$shadow" 9 0 t0 "$img"
	cp "$TMP/away" "$shadow"
	before=$(cat "$img" "$shadow" | cksum)
	ok "a frozen image is served read-only" serve -r
	ok "with the newest data" eval 'io read 0 64 | is "$TMP/data"'
	ok "and by another target too" second -r -f "$shadow" 9 1 t0 "$img"
	ok "which has it as well" eval 'io -n 1 read 0 64 | is "$TMP/data"'
	kill $second
	reap $second
	ok "the shadow is as it was" [ "$before" = "$(cat "$img" "$shadow" | cksum)" ]
	signals USR1 USR1 USR2
	ok "and can't be unfrozen then" hears 'read-only'
	stop_target
	serve
	ok "unharmed by all that, it is unfrozen" unfreeze
	ok "and the image has the data" eval 'head -c $((64 * 512)) "$img" | is "$TMP/data"'

	echo precious >"$shadow"
	signals USR1 USR2
	ok "what stands in the shadow's place makes a freeze fail" hears 'freeze refused: .*File exists'
	ok "and is left as it is" [ "$(cat "$shadow")" = precious ]
	ok "the target goes on" write 0 "$TMP/data"
	rm "$shadow"
	echo left >"$shadow.$TPID.aoede"
	ok "what another life of that pid has left doesn't" freeze
	ok "and is gone" eval 'unfreeze && [ ! -e "$shadow.$TPID.aoede" ]'
	stop_target
}

# An image on a full file system, which has no room for a mark of this length.
unmarked() {
	truncate -s 8M "$TMP/small"
	mkfs.ext4 -q -m 0 "$TMP/small" && mkdir "$TMP/full" && mount -o loop "$TMP/small" "$TMP/full" && undo "umount $TMP/full"
	long=$TMP/$(printf %0200d 0)
	mkdir "$long"
	was="$img $shadow"
	img=$TMP/full/img shadow=$long/shadow
	random "$img" 2048
	cat /dev/zero >"$TMP/full/rest" 2>/dev/null
	n=0
	while head -c 1024 /dev/zero >"$TMP/full/rest$n" 2>/dev/null && [ $n -lt 1000 ]; do n=$((n + 1)); done
	serve
	signals USR1 USR2
	ok "a freeze of an image that can't be marked is refused" hears 'freeze refused: mark of the image: No space left'
	nok "and there is no shadow" frozen
	ok "the target goes on" write 0 "$TMP/data"
	rm "$TMP/full"/rest*
	ok "and freezes when there is room" freeze
	ok "with a mark" marked
	ok "it is unfrozen (marked)" unfreeze
	stop_target
	img=${was% *} shadow=${was#* }
}

# A device bears no mark; what somebody without -f changed on it is noticed.
changed() {
	truncate -s 8M "$TMP/device"
	loop=$(losetup -f --show "$TMP/device")
	undo "losetup -d $loop"
	was=$img
	img=$loop
	random "$TMP/data" 64
	serve
	freeze
	ok "a frozen device is written to" write 0 "$TMP/data"
	stop_target
	ok "it is served again" serve
	stop_target
	start_target 9 0 t0 "$img"
	write 8 "$TMP/data"
	stop_target
	ok "served without -f and written to, it is refused with the old shadow" start_refused 'the image was changed' -f "$shadow" 9 0 t0 "$img"
	rm "$shadow"
	img=$was
}

# Without -f.
held() {
	image 8192
	start_target 9 0 t0 "$img"
	write 0 "$TMP/data"
	signals USR1 USR2
	ok "without -f a freeze warns" hears 'writes are left unanswered'
	stand
	ok "writes are left unanswered" silent 64 <"$TMP/data"
	ok "reads are answered" eval 'io read 0 64 | is "$TMP/data"'
	ok "the image stands still" still
	signals USR1 USR1 USR2
	ok "after the unfreeze writes are answered" write 64 "$TMP/data"
	stop_target
}

# The data, the headers and the maps, of blocks of the file system; and what
# was under way when the limit was reached, 64 requests of 17 sectors at most.
kept() { echo "$(size_of) blocks of 512"; [ "$(size_of)" -le $((4 * 2048 + 512 + 64 * 17)) ]; }

# The shadow has no room.
full() {
	random "$TMP/much" 16384
	image 65536
	ok "a limit on the shadow is taken" start_target -f "$shadow,4" 9 0 t0 "$img"
	freeze
	ok "what the limit doesn't allow is left unanswered" silent 0 <"$TMP/much"
	ok "that is said" hears 'limit of -f'
	ok "the shadow keeps to it" kept
	io -t 60000 write 0 <"$TMP/much" >/dev/null 2>&1 &
	load=$!
	PIDS="$PIDS $load"
	sleep 0.5
	ok "it is unfrozen" unfreeze
	ok "and the write, sent again, is answered" wait $load
	ok "the image has it" eval 'head -c $((16384 * 512)) "$img" | is "$TMP/much"'
	stop_target

	truncate -s 8M "$TMP/fs"
	mkfs.ext4 -q "$TMP/fs" && mkdir "$TMP/mnt" && mount -o loop "$TMP/fs" "$TMP/mnt" && undo "umount $TMP/mnt"
	shadow=$TMP/mnt/shadow
	image 65536
	serve
	freeze
	ok "what the disk has no room for is left unanswered" silent 0 <"$TMP/much"
	ok "that is said" hears 'No space left'
	ok "killed, it starts again on the full disk" again
	ok "reads are answered" io read 0 8
	ok "it is unfrozen on the full disk" unfreeze
	ok "writes are answered then" write 0 "$TMP/much"
	ok "the image has it" eval 'head -c $((16384 * 512)) "$img" | is "$TMP/much"'
	stop_target
	shadow=$TMP/shadow
}

for modes in '' -d -s -w '-w -d'; do under_load $modes; done
for modes in '' '-d -s'; do killed_under_load $modes; done
for modes in '' -d '-w -d'; do cutoff $modes; done
flips
large
head -c $((64 * 512)) /dev/zero >"$TMP/zeros"
# Where there are no holes for files, zeros are written.
[ -n "$NOPUNCH" ] || holes
restarts
slowly
# Over the layer for FreeBSD a disk of 20 ms does 50 operations a second, so that
# what is in the pool takes minutes to write.
case $AOEDE in *freebsd*) ;; *) behind_load ;; esac
readme
refusals
unmarked
changed
held
full
done_testing
