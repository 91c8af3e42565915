#!/bin/sh
# makedeb.sh: make a package of what make install has put into $B/deb; "make deb"
# runs it.
#
# Whatever becomes of the package, the targets that run go on: an upgrade
# tells systemd of the new unit and restarts nothing, so that an image may be
# frozen meanwhile.  They end when it is removed.  What the administrator has
# written (/etc/aoede/NAME.conf) stays, even when it is purged.
#
# Taken from the environment:
#   B           the build directory (default obj)
#   VERSION     of the package (default that of config.h)
#   DEBFULLNAME DEBEMAIL  who builds it

set -e
umask 022
B=${B:-obj}
tests/needpackages dpkg-deb:dpkg objdump:binutils gzip:gzip
VERSION=${VERSION:-$(sed -n 's/^#define VERSION "\(.*\)"/\1/p' config.h)}
maintainer="${DEBFULLNAME:-The aoede authors} <${DEBEMAIL:-authors@aoede.invalid}>"
arch=$(dpkg --print-architecture)
# The newest symbol of libc that it needs names the oldest libc that will do.
libc=$(objdump -T "$B/aoede" | sed -n 's/.*(\{0,1\}GLIBC_\(2[0-9.]*\).*/\1/p' | sort -V | tail -n 1)
root=$B/deb
doc=$root/usr/share/doc/aoede

strip --remove-section=.comment "$root/usr/sbin/aoede"
rm "$root/usr/share/man/man8/AoEded.8"
gzip -9n "$root/usr/share/man/man8/aoede.8"
ln -s aoede.8.gz "$root/usr/share/man/man8/AoEded.8.gz"
install -d "$doc" "$root/etc/aoede" "$root/DEBIAN"
gzip -9nc README >"$doc/README.gz"
{
	echo 'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/'
	echo
	echo 'Files: *'
	sed -n 's/^Copyright (c)/Copyright:/p' LICENSE
	echo 'License: ISC'
	sed '1,/^Copyright/d; /./,$!d; s/^$/./; s/^/ /' LICENSE | sed '1{/^ \.$/d;}'
} >"$doc/copyright"
gzip -9nc >"$doc/changelog.gz" <<END
aoede ($VERSION) unstable; urgency=medium

  * Built from its sources by make deb.

 -- $maintainer  $(date -R -r config.h)
END

cat >"$root/DEBIAN/control" <<END
Package: aoede
Version: $VERSION
Architecture: $arch
Maintainer: $maintainer
Installed-Size: $(du -sk "$root/usr" | cut -f 1)
Depends: libc6 (>= $libc)
Recommends: iproute2
Section: net
Priority: optional
Description: ATA over Ethernet target
 aoede exports files and block devices as disks on an Ethernet.  Initiators,
 such as the aoe driver of Linux, find them by shelf and slot and use them
 like local disks.  An image can be frozen for a backup while it is in use.
END
(cd "$root" && find usr -type f -exec md5sum {} + | LC_ALL=C sort -k 2) >"$root/DEBIAN/md5sums"

cat >"$root/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
if [ "$1" = configure ] && [ -d /run/systemd/system ]
then
	systemctl --system daemon-reload >/dev/null || true
fi
END
cat >"$root/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ]
then
	if [ -d /run/systemd/system ]
	then
		systemctl stop 'aoede@*.service' || true
	fi
	AoEded list | while read -r target _
	do
		target=${target#e}
		AoEded stop "${target%.*}" "${target#*.}" || true
	done
fi
END
cat >"$root/DEBIAN/postrm" <<'END'
#!/bin/sh
set -e
if [ "$1" = purge ]
then
	rm -f /etc/systemd/system/*.wants/aoede@*.service
fi
if [ -d /run/systemd/system ]
then
	systemctl --system daemon-reload >/dev/null || true
fi
END
chmod 755 "$root/DEBIAN/postinst" "$root/DEBIAN/prerm" "$root/DEBIAN/postrm"
dpkg-deb --root-owner-group --build "$root" "$B/aoede_${VERSION}_$arch.deb"
