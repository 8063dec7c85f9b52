"""A look-alike of Enterprise Linux 9 in the lab: ``lab.up("el", suite="el9")``.

Debian 12 underneath, with the real dnf, rpm, modularity, firewalld and systemd of Debian's archive,
and with packages that the image's own build makes around Debian's binaries in the paths, users and
units of Enterprise Linux. It is not Enterprise Linux: what holds here is not yet proved there.

What it has, and how far it is the real thing:

====================  ==========================================================================
os-release            Rocky Linux 9.4 with VARIANT="look-alike"
dnf, rpm              Debian's own (4.14, 4.18); repositories baseos, appstream and extras as
                      file: below /usr/share/look-alike/repositories, unsigned (gpgcheck=0)
rpm's database        knows the base system; each such package claims a few of its files
postgresql-server     13.16 outside of modules, streams 15 and 16; all of them are Debian's
                      PostgreSQL 15, and say so when asked: only the package says 13 or 16
postgresql-setup      --initdb as there; no --upgrade
nginx                 1.20.1 outside of modules, streams 1.22 and 1.24; all are Debian's 1.22.
                      Compiled in: no default user, folders below /var/lib/nginx instead of
                      /var/lib/nginx/tmp, modules through a link from /usr/lib/nginx/modules
firewalld             Debian's, real, running; zone public with ssh, cockpit, dhcpv6-client. No
                      NetworkManager, so no interface is bound to a zone by itself
nftables.service      as there, disabled
SELinux               getenforce and setenforce say what is recorded; nothing is enforced
chrony                chronyd.service, /etc/chrony.conf; a container may not set the clock, so its
                      condition is not met
sshd.service          Debian's server under that name; /usr/libexec/openssh/sftp-server
locales               C only, until glibc-langpack-en
tar, brotli           to be installed, as there
certificates          /etc/pki/tls/certs, update-ca-trust (PEM anchors only)
crypto-policies       update-crypto-policies records and says DEFAULT; nothing follows it
network               systemd-networkd, as on all hosts of the lab
package manager       of Debian: nothing of it is left
====================  ==========================================================================

PostgreSQL's compiled default for its sockets is Debian's (/var/run/postgresql only); the second
one in /tmp is a line of the sample configuration here. Groups have the numbers of Enterprise
Linux, there is no group shadow and no www-data, `admin` is in wheel, and /bin/sh is bash.
"""
