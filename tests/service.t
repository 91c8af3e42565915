#!/bin/sh
# The service: the unit that AoEded prints, under a systemd of the test's own.

# shellcheck disable=SC2016,SC2034 # ok and until_true expand what is quoted

tests/needpackages ip:iproute2 make:make unshare:util-linux nsenter:util-linux pgrep:procps /usr/lib/systemd/systemd:systemd \
	systemd-analyze:systemd mount:mount || exit 1
. tests/lib.sh
. tests/systemd.sh

mk() { MAKEFLAGS='' make -s B="$B" DESTDIR="$outer" prefix=/usr "$@"; }
conf() { printf '%s\n' "$2" >"$outer/etc/aoede/$1.conf"; }
prop() { inside systemctl show -P "$2" "aoede@$1"; }
active() { [ "$(prop "$1" ActiveState)" = active ]; }
journal() { inside journalctl -q --no-pager -o cat -u "aoede@$1"; }
AOEIO="$B/tests/aoeio"

mknet 1500
make_root || { echo "Bail out! no overlay of the root"; exit 1; }
ok "make install puts the unit in its place" mk install
cp "$AOEDE" "$outer/usr/sbin/aoede"
verify() { systemd-analyze verify --man=no --root="$outer" aoede@x.service >"$TMP/verify" 2>&1; grep aoede "$TMP/verify"; ! grep -q aoede "$TMP/verify"; }
ok "systemd-analyze has nothing to say of it" verify
ok "a systemd boots" boot_systemd

truncate -s 8M "$outer/srv/my disk"
conf disk "ARGS=-f '/srv/my shadow' 9 0 t0 '/srv/my disk'"
read_sector() { on_initiator "$AOEIO" -i i0 read 0 1 >/dev/null; }
started() {
	inside systemctl enable --now aoede@disk || return 1
	# At once: that it serves is what systemd has waited for.
	read_sector
}
ok "enable --now returns when the disk is served" started
ok "what it says is in the journal" eval 'journal disk | grep -q "^8388608 bytes"'
ok "its state is the service's" eval 'prop disk StatusText; prop disk StatusText | grep -q "e9.0.*serving"'
ok "the main process is aoede itself" eval '[ "$(inside cat "/proc/$(prop disk MainPID)/comm")" = aoede ]'
ok "nothing is beside it" eval '[ "$(inside cat "/sys/fs/cgroup$(prop disk ControlGroup)/cgroup.procs" | wc -l)" -eq 1 ]'
# What hardening may take away is part of the sandbox that aoede names.
sandboxed() {
	inside cat /run/aoede/e9.0.info | grep '^sandbox=' >"$TMP/unit"
	inside sh -c 'cd /tmp && truncate -s 1M d && AoEded 9 7 t0 d 2>&1 && cat /run/aoede/e9.7.info | grep ^sandbox= >s; AoEded stop 9 7'
	inside cat /tmp/s | diff - "$TMP/unit"
}
ok "its sandbox is the one that it has without the unit" sandboxed

listed() { inside AoEded list | tr -s ' ' | grep -q "^e9.0 $(prop disk MainPID) $1 8388608 t0 /srv/my disk$"; }
ok "AoEded list shows it" listed serving
ok "reload has it print the statistics" eval 'inside systemctl reload aoede@disk && until_true 5 eval "journal disk | grep -q ^frames"'
ok "AoEded freezes it" inside AoEded freeze 9 0
ok "the shadow is there, in spite of ProtectSystem" [ -e "$outer/srv/my shadow" ]
ok "the service says that it is frozen" until_true 5 eval 'prop disk StatusText | grep -q frozen'
killed() {
	old=$(prop disk MainPID)
	inside kill -9 "$old"
	until_true 10 eval 'new=$(prop disk MainPID); [ "$new" -gt 0 ] && [ "$new" != "$old" ] && active disk' && until_true 5 listed frozen
}
ok "killed, it is started again, and still frozen" killed
ok "AoEded unfreezes it by its name" inside AoEded unfreeze disk
ok "what is wrong has its priority in the journal" eval 'inside kill -USR2 "$(prop disk MainPID)"; until_true 5 eval "inside journalctl -q --no-pager -o cat -p warning -u aoede@disk | grep -q USR2"'
stopped() { inside AoEded stop disk && [ "$(prop disk ActiveState)" = inactive ] && ! inside AoEded status 9 0; }
ok "AoEded stop is the service manager's, which doesn't start it again" stopped
ok "no file is left in the run directory" eval '[ -z "$(inside ls -A /run/aoede)" ]'

# A NIC and a disk that come later than the boot.
conf late "ARGS=9 1 late0 /srv/late"
inside systemctl start --no-block aoede@late
ok "a NIC that isn't there is waited for" until_true 10 eval '[ "$(prop late NRestarts)" -ge 1 ]'
ip -n "$TNS" link add late0 type veth peer name late1
ip -n "$TNS" link set late0 up
ip -n "$TNS" link set late1 up
ok "so is a disk" until_true 10 eval 'journal late | grep -q /srv/late'
truncate -s 1M "$outer/srv/late"
ok "both there, it is served" until_true 10 active late
inside systemctl stop aoede@late

conf bad "ARGS=9 2 t0 'disk"
ok "a configuration that doesn't parse fails" fails inside systemctl start aoede@bad
ok "and is not tried again" eval 'sleep 3; [ "$(prop bad ActiveState) $(prop bad NRestarts)" = "failed 0" ]'
ok "the journal names file and line, once" eval '[ "$(journal bad | grep -cF "/etc/aoede/bad.conf:1: a '"' has no counterpart"'")" = 1 ]'

# An interface of its own.
conf own "MACVLAN=t0
ARGS=4097 12 t0 /srv/late"
mac() { inside cat /sys/class/net/aoe4097.12/address; }
own() {
	inside systemctl start aoede@own && mac >"$TMP/mac" && cat "$TMP/mac" && grep -q '^.[26ae]:..:..:10:01:0c$' "$TMP/mac" &&
	inside ip -d link show aoe4097.12 | grep -q 'aoe4097.12@t0.*UP' && inside ip -d link show aoe4097.12 | grep -q 'mode private' &&
	on_initiator "$AOEIO" -i i0 -s 4097 -n 12 read 0 1 >/dev/null
}
ok "MACVLAN has an interface made, with an address that names the target" own
ok "whose MAC the target has" eval 'inside AoEded stats own | grep "interface.aoe4097.12=$(cat "$TMP/mac") mtu 1500 sectors 2 up"'
again() { inside kill -9 "$(prop own MainPID)"; until_true 10 eval 'mac | diff - "$TMP/mac"' && until_true 10 active own; }
ok "it is made anew with the same address" again
ok "stopped, the service removes it" eval 'inside systemctl stop aoede@own && fails inside ip link show aoe4097.12'
changed() { # changed COMMAND...: it changes the configuration of a service that runs
	inside systemctl start aoede@own && mac >/dev/null && "$@" && inside systemctl stop aoede@own && fails mac && [ -z "$(inside ls -A /run/aoede)" ]
}
ok "also when its configuration names another target by then" changed conf own "ARGS=9 3 t0 /srv/late"
conf own "MACVLAN=t0
ARGS=4097 12 t0 /srv/late"
ok "or is gone" changed rm "$outer/etc/aoede/own.conf"
conf own "MACVLAN=t0
ARGS=4097 12 t0 /srv/late"
alone() { inside AoEded start own && mac | diff - "$TMP/mac" && on_initiator "$AOEIO" -i i0 -s 4097 -n 12 read 0 1 >/dev/null; }
ok "AoEded makes the same one" alone
ok "and removes it" eval 'inside AoEded stop own && until_true 5 fails inside ip link show aoe4097.12'

# Many at once, one of them twice.
many() {
	for i in 1 2 3 4 5 6 7 8
	do
		truncate -s 1M "$outer/srv/d$i"
		conf "d$i" "ARGS=20 $i t0 /srv/d$i"
	done
	rm "$outer"/etc/aoede/bad.conf "$outer"/etc/aoede/late.conf
	inside AoEded start all
	inside AoEded list >"$TMP/list"
	cat "$TMP/list"
	[ "$(grep -c '^e20\.[1-8] .*serving' "$TMP/list")" -eq 8 ] && inside AoEded stop all && [ -z "$(inside AoEded list)" ]
}
ok "AoEded starts all, and stops them" many
halt_systemd

ok "make uninstall removes the unit" mk uninstall
ok "it is gone" [ ! -e "$outer$unit" ]
done_testing
