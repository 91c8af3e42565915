#!/bin/sh
# The package of make deb: what lintian says of it, and its life in a root
# with dpkg and systemd: installed, upgraded while a disk is frozen and
# served, removed, purged.

# shellcheck disable=SC2016,SC2034 # ok and until_true expand what is quoted

tests/needpackages ip:iproute2 make:make unshare:util-linux nsenter:util-linux pgrep:procps /usr/lib/systemd/systemd:systemd \
	mount:mount dpkg-deb:dpkg objdump:binutils gzip:gzip lintian:lintian || exit 1
. tests/lib.sh
. tests/systemd.sh

AOEIO="$B/tests/aoeio"
# package VERSION: build it, in the test's own directory.
package() {
	MAKEFLAGS="" make -s B="$B" deb VERSION="$1" >/dev/null && mv "$B/aoede_$1_"*.deb "$TMP/aoede_$1.deb" && cp "$TMP/aoede_$1.deb" "$outer/srv"
}
prop() { inside systemctl show -P "$2" "aoede@$1"; }
dpkg_() { inside dpkg --force-confdef "$@"; }

mknet 1500
make_root || { echo "Bail out! no overlay of the root"; exit 1; }
ok "make deb builds a package" package 1.0
linted() {
	lintian --fail-on none "$TMP/aoede_1.0.deb" >"$TMP/lint" 2>&1
	cat "$TMP/lint"
	! grep '^E:' "$TMP/lint"
}
ok "lintian finds no error in it" linted
ok "its successor is built" package 1.1
ok "a systemd boots" boot_systemd
ok "dpkg installs it" dpkg_ -i /srv/aoede_1.0.deb
ok "the programs work" eval '[ "$(inside AoEded -V)" = "$(inside aoede -V)" ]'

truncate -s 4M "$outer/srv/disk"
echo "ARGS=-f /srv/shadow 9 0 t0 /srv/disk" >"$outer/etc/aoede/disk.conf"
ok "its unit serves a disk" inside systemctl enable --now aoede@disk
ok "and is verified" eval 'inside systemd-analyze verify --man=no aoede@disk.service 2>&1 | fails grep aoede'
inside AoEded freeze disk
pid=$(prop disk MainPID)
frozen_data() { echo frozen | dd bs=512 conv=sync 2>/dev/null | on_initiator "$AOEIO" -i i0 write 5 && [ -z "$(head -c 4M "$outer/srv/disk" | tr -d '\0')" ]; }
ok "it is frozen, and written to" frozen_data
inside sh -c 'truncate -s 1M /srv/other; exec AoEded 9 1 t0 /srv/other' >"$TMP/other"
reading() { while :; do on_initiator "$AOEIO" -i i0 read 5 1 2>&1 | head -c 6; echo; sleep 0.05; done >"$TMP/read"; }
reading &
reader=$!
PIDS="$PIDS $reader"
ok "dpkg upgrades it" dpkg_ -i /srv/aoede_1.1.deb
ok "the new one is there" eval '[ "$(inside dpkg-query -W -f "\${Version}" aoede)" = 1.1 ]'
sleep 0.3
kill "$reader"
ok "the disk was not restarted, and is frozen still" eval '[ "$(prop disk MainPID)" = "$pid" ] && inside AoEded status disk | grep frozen'
ok "it was read all the while" eval '[ "$(grep -c "^frozen$" "$TMP/read")" -ge 5 ] && fails grep -vq "^frozen$" "$TMP/read"'
ok "the target without a unit goes on too" eval 'inside AoEded status 9 1 | grep -q "pid $(cat "$TMP/other")"'
ok "the new AoEded unfreezes the old aoede" inside AoEded unfreeze disk
ok "all is in the image then" eval 'dd if="$outer/srv/disk" bs=512 skip=5 count=1 2>/dev/null | grep -q ^frozen'
ok "a restart by the administrator brings the new one" eval 'inside systemctl restart aoede@disk && [ "$(prop disk MainPID)" != "$pid" ] && [ "$(prop disk ActiveState)" = active ]'

ok "dpkg removes it" dpkg_ -r aoede
ok "no target runs any longer" eval 'fails inside pgrep -x aoede'
ok "the administrator's configuration is there still" [ -e "$outer/etc/aoede/disk.conf" ]
ok "dpkg purges it" dpkg_ -P aoede
left() { (cd "$outer" && find etc usr var/lib/dpkg/info -iname '*aoede*' ! -name aoetools\* 2>/dev/null | grep -v '^etc/aoede') >"$TMP/left"; cat "$TMP/left"; [ ! -s "$TMP/left" ]; }
ok "nothing but that is left" left
halt_systemd
done_testing
