#!/bin/sh
# README's chapters for an administrator: each command as it is written there,
# in a system with systemd and the interfaces eth0 and eth1.

# shellcheck disable=SC2016,SC2034 # ok and until_true expand what is quoted

tests/needpackages ip:iproute2 bridge:iproute2 make:make unshare:util-linux setpriv:util-linux nsenter:util-linux pgrep:procps \
	/usr/lib/systemd/systemd:systemd mount:mount tcpdump:tcpdump || exit 1
. tests/lib.sh
. tests/systemd.sh

# as_written TITLE: what stays in the foreground is ended when it has begun to
# do its work.
as_written() {
	section "$1" >"$TMP/commands"
	[ -s "$TMP/commands" ] || { echo "no commands in $1"; return 1; }
	{
		cat <<-'END'
		set -ex
		cd /srv
		foreground() {
			sign=$1
			shift
			: >/tmp/said
			"$@" >/tmp/said 2>&1 &
			for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do grep -q "$sign" /tmp/said && break; sleep 0.2; done
			cat /tmp/said
			kill $!
			wait $! || true
			grep -q "$sign" /tmp/said
		}
		aoede() { foreground "^pid .*: e9" command aoede "$@"; }
		setpriv() { foreground "^pid .*: e9" command setpriv "$@"; }
		tcpdump() { foreground "listening on eth0" command tcpdump "$@"; }
		END
		cat "$TMP/commands"
	} >"$outer/srv/script"
	inside sh /srv/script
}

mknet 1500
ip -n "$TNS" link set t0 down
ip -n "$TNS" link set t0 name eth0
ip -n "$TNS" link set eth0 up
ip -n "$TNS" link add eth1 type veth peer name i1 netns "$INS"
ip -n "$TNS" link set eth1 up
ip -n "$INS" link set i1 up
make_root || { echo "Bail out! no overlay of the root"; exit 1; }
MAKEFLAGS='' make -s B="$B" DESTDIR="$outer" prefix=/usr install && cp "$AOEDE" "$outer/usr/sbin/aoede"
truncate -s 8M "$outer/srv/disk.img" "$outer/srv/other.img"
chown 1000 "$outer/srv/disk.img"
chmod 711 "$outer/srv"
ok "a systemd boots" boot_systemd
ok "At boot" as_written 'At boot'
ok "its commands have left nothing running" [ -z "$(inside AoEded list)" ]
inside systemctl start aoede@mail
ok "Many disks" as_written 'Many disks'
ok "its macvlan is in use" eval 'inside AoEded list | grep -q "aoe9.0 "'
ok "Troubleshooting" as_written Troubleshooting
inside systemctl stop aoede@mail
ok "Linux initiators" as_written 'Linux initiators'
ok "Containers and users" as_written 'Containers and users'
halt_systemd

# OpenRC's script, by the two commands of it that it uses.
openrc() {
	chapter 'At boot' | sed -n 's/^> //p' >"$TMP/openrc"
	grep -q '^start()' "$TMP/openrc" || return 1
	printf '%s\n' 'need() { :; }' 'after() { :; }' 'ebegin() { echo "$@"; }' 'eend() { return "$1"; }' "AoEded() { echo AoEded \"\$@\"; }" |
		cat - "$TMP/openrc" >"$TMP/rc"
	[ "$(sh -ec ". '$TMP/rc'; depend; start; stop")" = "Starting aoede
AoEded start all
Stopping aoede
AoEded stop all" ]
}
ok "OpenRC's script starts and stops all" openrc
done_testing
