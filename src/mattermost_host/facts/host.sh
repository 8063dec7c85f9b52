# Questions to a host, one function each; POSIX sh, read-only. They take the parameters SITE,
# DISKS, PACKAGES, CANDIDATES and UNITS. Every process that one does without is a millisecond less.
# A question that this host has no means to answer prints a single question mark.

# The lines of a file of the kernel or the system; fails where it can't be read.
shown() { while IFS= read -r line || [ -n "$line" ]; do printf '%s\n' "$line"; done <"$1"; }

have() { command -v "$1" >/dev/null; }

clock_first() { date +%s.%N; }

clock_last() { date +%s.%N; }

system() { shown /etc/os-release || shown /usr/lib/os-release || echo '?'; }

architecture() { uname -m; }

kernel() { shown /proc/sys/kernel/osrelease; }

glibc() { getconf GNU_LIBC_VERSION || ldd --version | sed -n 1p || echo '?'; }

cpus() { nproc || echo '?'; }

# In bytes: all that the kernel has, then the limits of both kinds of cgroup.
memory() {
  read -r key value rest </proc/meminfo && [ "$key" = MemTotal: ] && echo "$((value * 1024))" ||
    echo '?'
  for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    [ ! -r "$file" ] || shown "$file"
  done
}

# path, device, free KiB, mount point, mount options
disks() {
  places=
  for place in $DISKS; do
    while [ ! -e "${place:-/}" ]; do place=${place%/*}; done
    places="$places ${place:-/}"
  done
  df -Pk $places | awk -v wanted="$DISKS" '
    BEGIN {
      count = split(wanted, path, " ")
      while ((getline <"/proc/self/mounts") > 0) options[$2] = $4
    }
    FNR > 1 { print path[++row], $1, $2, $4, $6, options[$6] }
    END { if (row != count) print "?" }'
}

# What is mounted, and what /etc/fstab names but is not: kind, mount point, device
mounts() {
  set -- /proc/self/mounts
  [ ! -r /etc/fstab ] || set -- "$@" /etc/fstab
  awk '$1 ~ /^#/ || $2 !~ /^\// || $2 ~ /^\/(proc|sys|dev|run)(\/|$)/ { next }
    { place = $2; if (place != "/") sub("/$", "", place) }
    FILENAME != "/etc/fstab" { mounted[place]; print "mounted", place, $1; next }
    !(place in mounted) { print "missing", place, $1 }' "$@"
}

# file, address:port, inode
sockets() {
  set --
  for file in /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6; do
    [ ! -r "$file" ] || set -- "$@" "$file"
  done
  awk 'FNR > 1 && $4 == (FILENAME ~ /tcp/ ? "0A" : "07") {
    file = FILENAME; sub(".*/", "", file); print file, $2, $10 }' "$@"
}

# The sockets, then for each process that holds one: inode, process id, name.
listeners() {
  [ -r /proc/net/tcp ] || { echo '?'; return; }
  found=$(sockets)
  echo "$found"
  find /proc/[0-9]*/fd -lname 'socket:*' -printf '%h %l\n' | awk -v found="$found" '
    BEGIN { for (at = split(found, row, "\n"); at; at--) { split(row[at], word, " "); wanted[word[3]] } }
    { split($1, path, "/"); process = path[3]; inode = $2; gsub(/[^0-9]/, "", inode) }
    inode in wanted && !seen[inode, process]++ {
      if (!(process in name)) {
        file = "/proc/" process "/comm"; name[process] = ""
        getline name[process] <file; close(file)
      }
      print "holder", inode, process, name[process]
    }'
}

addresses() {
  if have ip; then ip -o addr show | awk '{ sub("/.*", "", $4); print $4 }'
  elif have hostname; then hostname -I | tr ' ' '\n'
  else echo '?'; fi
}

ipv6() { [ -e /proc/net/if_inet6 ] && echo yes; }

resolved() {
  have getent || { echo '?'; return; }
  timeout 15 getent ahosts "$SITE"
}

packages() {
  set -f
  if have dpkg-query; then
    dpkg-query -W -f='${Package} ${Version} ${db:Status-Status}\n' $PACKAGES
  elif have rpm; then
    rpm -qa --qf '%{NAME} %{VERSION}-%{RELEASE} installed\n' $PACKAGES | sort
  else echo '?'; fi
  set +f
}

# Only of what is not installed yet: apt takes up to a second to build its cache.
candidates() {
  have apt-cache || return
  patterns=
  missing=
  set -f
  for name in $CANDIDATES; do patterns="$patterns $name $name-[0-9]*"; done
  there=" $(dpkg-query -W -f='${db:Status-Status}=${Package} ' $patterns)"
  set +f
  for name in $CANDIDATES; do
    case $there in
      *" installed=$name "* | *" installed=$name-"[0-9]*) ;;
      *) missing="$missing $name" ;;
    esac
  done
  [ -n "$missing" ] || return
  apt-cache policy $missing | awk '
    /^[^ ]/ { name = $1; sub(":$", "", name) }
    $1 == "Candidate:" && $2 != "(none)" { print name, $2 }'
}

# version, name, port; Debian keeps the settings apart, Enterprise Linux in the folder of the data
# and nothing else names a cluster there
clusters() {
  set --
  for file in /etc/postgresql/*/*/postgresql.conf; do [ ! -f "$file" ] || set -- "$@" "$file"; done
  [ $# = 0 ] || awk 'BEGIN {
    for (at = 1; at < ARGC; at++) {
      port = 5432
      while ((getline <ARGV[at]) > 0) if (sub(/^[ \t]*port[ \t]*=[ \t]*/, "")) port = $0 + 0
      split(ARGV[at], part, "/")
      print part[4], part[5], port ? port : 5432
    }
  }' "$@"
  for file in /var/lib/pgsql/data/PG_VERSION /var/lib/pgsql/*/data/PG_VERSION; do
    [ -f "$file" ] || continue
    port=$(sed -n 's/^[[:space:]]*port[[:space:]]*=[[:space:]]*\([0-9]*\).*/\1/p' \
      "${file%/*}/postgresql.conf" | tail -n 1)
    echo "$(cat "$file") ${file%/*} ${port:-5432}"
  done
}

# Data that Debian's settings place elsewhere: the usual folder, the actual one
elsewhere() {
  set --
  for file in /etc/postgresql/*/*/postgresql.conf; do [ ! -f "$file" ] || set -- "$@" "$file"; done
  [ $# = 0 ] || awk -F "'" '/^[ \t]*data_directory[ \t]*=/ {
    count = split(FILENAME, part, "/")
    print "/var/lib/postgresql/" part[count - 2] "/" part[count - 1], $2
  }' "$@"
}

# Units of clusters that a deploy set up, by its drop-in for the unit or its settings, or by the access
# rules that an uninstall leaves to the data; where a cluster's data, WAL and tablespaces are; and what
# the journal of the last move from one to another says.
database() {
  for file in /etc/systemd/system/postgresql*.service.d/mattermost-host.conf; do
    [ -f "$file" ] || continue
    file=${file%.d/*}
    echo "unit ${file##*/}"
  done
  for file in /etc/postgresql/*/*/conf.d/mattermost-host.conf /etc/postgresql/*/*/pg_hba.conf; do
    [ -f "$file" ] || continue
    said="Written by mattermost-host"
    [ "${file##*/}" != pg_hba.conf ] || read -r said <"$file"
    case $said in *"Written by mattermost-host"*) ;; *) continue ;; esac
    file=${file#/etc/postgresql/}
    file=${file%/pg_hba.conf}
    file=${file%/conf.d/*}
    echo "unit postgresql@${file%/*}-${file#*/}.service"
  done
  for link in /var/lib/postgresql/*/*/pg_wal /var/lib/postgresql/*/*/pg_tblspc/* \
    /var/lib/pgsql/data/pg_wal /var/lib/pgsql/data/pg_tblspc/* \
    /var/lib/pgsql/*/data/pg_wal /var/lib/pgsql/*/data/pg_tblspc/*; do
    [ ! -L "$link" ] || echo "link $link $(readlink -f "$link")"
  done
  elsewhere | while read -r usual actual; do echo "link $usual $actual"; done
  journal=/var/lib/mattermost-host/postgresql/journal
  [ ! -f "$journal" ] || while IFS='=' read -r key value; do echo "$key $value"; done <"$journal"
}

# The unit of ufw is active on every Ubuntu; it filters only where it is enabled in its own file.
units() {
  have systemctl || { echo '?'; return; }
  systemctl list-units --plain --no-legend --state=active $UNITS | while read -r unit rest; do
    [ "$unit" != ufw.service ] || grep -qi '^ENABLED=yes' /etc/ufw/ufw.conf || continue
    echo "${unit%.service}"
  done
}

# Not in a container, whose clock is that of the machine it runs on: timedatectl starts a service, which
# takes half as long as all other facts together.
clock() {
  [ ! -s /run/systemd/container ] || return 0
  timeout 10 timedatectl show -p NTPSynchronized --value || echo '?'
}

releases() {
  for folder in /opt/mattermost/releases/*; do [ ! -e "$folder" ] || echo "${folder##*/}"; done
}

current_release() { readlink /opt/mattermost/current; }

journal() {
  [ -f "$1" ] || return 0
  while IFS="=" read -r key value; do
    case $key in step | old | new) echo "$key $value" ;; esac
  done <"$1"
}

last_upgrade() { journal /opt/mattermost/upgrade/journal; }

system_upgrade() { journal /var/lib/mattermost-host/system/journal; }

restore() { journal /var/lib/mattermost-host/backup/restore-journal; }

noted_release() {
  [ -f /opt/mattermost/release ] && read -r noted </opt/mattermost/release && echo "$noted"
}

lego() {
  note=/opt/mattermost/lego/bin/lego.unpacked
  [ -f "$note" ] && read -r noted <"$note" && echo "$noted"
}

# What it keeps of a database on several hosts.
cluster_data() {
  [ ! -d /var/lib/etcd/mattermost-host/member ] || echo etcd
  [ -f /etc/mattermost-host/patroni/patroni.yml ] || return 0
  for file in /var/lib/postgresql/*/*/PG_VERSION; do [ ! -f "$file" ] || echo database; done
}

patroni() {
  note=/opt/mattermost-host/patroni/unpacked
  [ -f "$note" ] && read -r noted <"$note" && echo "$noted"
}

locales() { locale -a || echo '?'; }

# systemd leaves there what kind of container it found itself in when it started.
container() {
  if [ -d /run/systemd/system ]; then [ ! -r /run/systemd/container ] || shown /run/systemd/container
  elif have systemd-detect-virt; then systemd-detect-virt --container || true
  else tr '\0' '\n' </proc/1/environ | sed -n 's/^container=//p'; fi
}

# sudo may have taken SSH_CONNECTION away; an ancestor still has it.
ssh_port() {
  process=$$
  set --
  while [ "${process:-0}" -gt 1 ]; do
    set -- "$@" "/proc/$process/environ"
    parent=
    while read -r key value; do [ "$key" != PPid: ] || parent=$value; done <"/proc/$process/status"
    process=$parent
  done
  sed -nz '/^SSH_CONNECTION=/ { s/.* //; s/$/\n/; p; q }' "$@"
}

# A server that no deploy set up, and how far a take-over of it came.
foreign() {
  for path in /opt/mattermost/bin/mattermost /etc/mattermost/mmomni.yml; do
    [ ! -e $path ] || echo "path $path"
  done
  [ -f /var/lib/mattermost-host/take-over/journal ] || return 0
  while IFS="=" read -r key value; do
    [ "$key" != step ] || echo "step $value"
  done </var/lib/mattermost-host/take-over/journal
}

managed() { [ -d /etc/mattermost-host ] && echo yes; }

# Without the elements of sets, which may be many. No nft, no rules of nftables.
nftables() { ! have nft || nft -t list ruleset || echo '?'; }

# Rules of the older iptables, which nft does not list, in words of nft; the kernel names such tables
# once somebody has used them.
legacy_rules() {
  for family in ip ip6; do
    [ -r "/proc/net/${family}_tables_names" ] || continue
    names=
    while read -r name; do names=$name; done <"/proc/net/${family}_tables_names"
    [ -n "$names" ] || continue
    tables=${family}tables
    have "$tables-legacy-save" && have "$tables-restore-translate" || { echo '?'; return; }
    "$tables-legacy-save" | "$tables-restore-translate" -f /dev/stdin || echo '?'
  done
}

# What generators of systemd made for our units, as systemd has read it; mostly there is none.
generated() {
  for file in /run/systemd/generator*/*.service.d/*.conf /run/systemd/generator*/service.d/*.conf \
    /run/systemd/generator*/mattermost-.service.d/*.conf; do
    [ -e "$file" ] || continue
    systemctl show -p Id,DropInPaths 'mattermost*.service' 'nginx.service' 'postgresql*.service' |
      awk '
        sub(/^Id=/, "") { unit = $0 }
        sub(/^DropInPaths=/, "") {
          count = split($0, path, " ")
          for (at = 1; at <= count; at++)
            if (path[at] ~ /^\/run\/systemd\/generator/ && path[at] !~ /\/zzz-lxc-/) print unit, path[at]
        }'
    break
  done
}

# Links, pipes and devices in the upper levels of the server's own folders: kind, path.
odd_files() {
  state=/var/lib/mattermost
  find $state/config $state/data $state/plugins $state/client-plugins /var/log/mattermost \
    -mindepth 1 -maxdepth 2 \( -type l -o -type p -o -type b -o -type c \) -printf '%y %p\n' |
    head -n 100
}

# Interfaces to which others forward: bridges of containers and virtual machines, tunnels. That the
# kernel may forward says little by itself: containers inherit it from the machine below.
forwarding() {
  four=0
  six=0
  # Such a file gives its digit and then nothing, not even an end of line: `read` says that it failed.
  read -r four </proc/sys/net/ipv4/ip_forward
  read -r six </proc/sys/net/ipv6/conf/all/forwarding
  [ "$four$six" != 00 ] || return 0
  for one in /sys/class/net/*; do
    kind=
    while read -r line; do
      [ "$line" != DEVTYPE=wireguard ] || kind=wireguard
    done <"$one/uevent"
    [ ! -d "$one/bridge" ] || kind=bridge
    [ ! -e "$one/tun_flags" ] || kind=tunnel
    [ -z "$kind" ] || echo "${one##*/}"
  done
}

# Where even root can't write: a file system that is mounted read-only.
read_only() {
  for one in /usr /etc /opt /var /var/lib /tmp /var/tmp; do
    [ ! -d "$one" ] || [ -w "$one" ] || echo "$one"
  done
}

# A line of titles, then /tmp and /var/tmp: device, KiB, used, free, per cent, mount point
temporary() { df -Pk /tmp /var/tmp; }

selinux() {
  if [ -r /sys/fs/selinux/enforce ]; then shown /sys/fs/selinux/enforce
  elif have getenforce; then getenforce; fi
}

# cloud-init is at work from the boot on until it has left its result; its own `status` looks there.
first_boot() { [ ! -e /run/cloud-init/enabled ] || [ -e /run/cloud-init/result.json ] || echo yes; }

# The key that the backups are encrypted with, as its digest. Before there is a timer that makes them,
# it is one that a lost host's were looked into with, and may have been the wrong one.
backup_key() {
  [ ! -f /etc/mattermost-host/backup.key ] || [ ! -f /etc/systemd/system/mattermost-backup.timer ] ||
    sha256sum </etc/mattermost-host/backup.key
}

# A program with the rights of the folder's owner, who may have put a link or a pipe there.
as_owner() {
  owner=$(stat -L -c '--reuid=%u --regid=%g' "$1")
  shift
  timeout 5 setpriv $owner --clear-groups "$@"
}

# The system identifier of the cluster in a folder, which is what its first file begins with.
system_in() {
  [ -f "$1/global/pg_control" ] || return 0
  printf 'system '
  as_owner "$1" od -An -tu8 -N8 "$1/global/pg_control" || echo
}

# What tells whose a repository of backups is, where the site has one: kind, value. Of a repository in a
# folder its mark and archive.info; one elsewhere is asked by the preflight.
backups() {
  [ -n "$BACKUP" ] || return 0
  while read -r id; do echo "machine $id"; done </etc/machine-id
  for data in /var/lib/postgresql/*/* /var/lib/pgsql/data /var/lib/pgsql/*/data; do
    system_in "$data"
  done
  elsewhere | while read -r usual data; do [ "$usual" = "$data" ] || system_in "$data"; done
  [ ! -f /etc/mattermost-host/restic.env ] ||
    echo "settings $(sha256sum </etc/mattermost-host/restic.env)"
  folder=$BACKUP/mattermost-host/database
  case $BACKUP in /*) [ -d "$folder" ] || return 0 ;; *) return 0 ;; esac
  echo "info $(as_owner "$folder" head -c 65536 "$folder/archive/mattermost/archive.info" | base64 -w0)"
  echo "mark $(as_owner "$folder" head -c 300 "$folder/mattermost-host-owner" | head -n 1)"
}

# Commands of snaps.
snaps() { for one in /snap/bin/*; do [ ! -e "$one" ] || echo "${one##*/}"; done; }

# What dnf keeps of its modules, as it stands in its files.
modules() {
  for file in /etc/dnf/modules.d/*.module; do [ ! -f "$file" ] || shown "$file"; done
}

# Names of the repositories of dnf that are enabled; Red Hat's file has hundreds that are not.
repositories() {
  set --
  for file in /etc/yum.repos.d/*.repo; do [ ! -f "$file" ] || set -- "$@" "$file"; done
  [ $# = 0 ] || awk '
    function told() { if (name != "" && enabled) print name; name = "" }
    /^\[/ { told(); name = $0; gsub(/^\[|\].*/, "", name); enabled = 1 }
    /^enabled[ \t]*=/ { sub(/.*=[ \t]*/, ""); enabled = tolower($0) !~ /^(0|no|false|off)/ }
    END { told() }' "$@"
}

registered() { [ -e /etc/pki/consumer/cert.pem ] && echo yes; }

fips() { [ ! -r /proc/sys/crypto/fips_enabled ] || shown /proc/sys/crypto/fips_enabled; }

# Name of the system-wide policy for cryptography.
crypto_policy() {
  file=/etc/crypto-policies/state/current
  [ ! -r "$file" ] || shown "$file"
}

# Whether fapolicyd has rules for the server's folder.
allowed_programs() {
  [ ! -d /etc/fapolicyd ] || { grep -rqs /opt/mattermost /etc/fapolicyd && echo yes; }
}

# Rules of sudo for an account of a service, a group of that name, or everybody: file, account.
sudo_rules() {
  accounts='%?(ALL|mattermost|postgres|nginx|www-data)'
  find /etc/sudoers /etc/sudoers.d -maxdepth 1 -type f \
    -exec grep -HEo "^[[:blank:]]*$accounts[[:blank:]]" {} +
}
