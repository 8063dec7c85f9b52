# Puts files in place as root, also in folders of other users. Whoever may write a folder can put a
# link there or exchange its files at any moment; so nothing is done by a path. A folder is entered
# and then worked in: it stays the same one, whatever becomes of its name.

subject= inside= hops=0

refuse() { echo "$subject: $1" >&2; exit 1; }

# Whether nobody but us can have put a link into the working folder.
only_ours() { [ -O . ] && [ -z "$(find . -maxdepth 0 -perm /022)" ]; }

here() { env pwd -P; } # the shell's own pwd may tell what it remembers

# Makes the folder $1 the working folder. What is missing on the way there is made, mode 755.
enter() {
  cd -P -- "$1" 2>/dev/null && [ "$(here)" = "$1" ] && return
  cd /
  way=$1
  while way=${way#/}; [ "$way" ]; do
    name=${way%%/*}
    rest=${way#"$name"}
    [ "$name" ] || continue
    if [ -L "./$name" ]; then
      at=$(here)
      only_ours || refuse "${at%/}/$name is a link, in a folder where others than root can put one. \
Move it away."
      [ "$((hops += 1))" -lt 40 ] || refuse "its folder is a link that leads to itself."
      way=$(readlink -- "./$name")$rest
      case $way in /*) cd / ;; esac
      continue
    fi
    [ -e "./$name" ] || mkdir -m 755 -- "./$name"
    step "$name"
    way=$rest
  done
}

# Goes down into $1, which is no link.
step() {
  from=$(here)
  cd -P -- "./$1" || refuse "${from%/}/$1 is no folder that can be entered."
  case $1 in . | ..) return ;; esac
  [ "$(here)" = "${from%/}/$1" ] || refuse "${from%/}/$1 was exchanged at this very moment."
}

# Goes into a new folder in the working folder, so on its file system, that only we may write.
aside() {
  rm -rf ./.mattermost-host.* # of a run that was killed
  inside=$(mktemp -d ./.mattermost-host.XXXXXXXXXX)
  step "${inside#./}"
  [ -O . ] && [ -z "$(find . -maxdepth 0 -perm /077)" ] || refuse "somebody exchanges folders there."
}

# Where SELinux is on, gives $1 the context of the path $subject: a rename keeps the one that the
# folder of its making gave it. By the path in the policy, not in the file system.
labelled() {
  selinuxenabled 2>/dev/null || return 0
  context=$(matchpathcon -n "$subject") && [ "$context" != '<<none>>' ] || return 0
  chcon -h -- "$context" "$1"
}

# Puts the file $1 in place, from the folder $stage, with mode $2 and owner $3.
place() {
  subject=$1
  enter "${1%/*}"
  aside
  cp -- "$stage$1" new
  chown -- "$3" new
  chmod -- "00$2" new
  labelled ./new
  sync new
  named "${1##*/}"
}

# Puts the link $1 to $2 in place.
link() {
  subject=$1
  enter "${1%/*}"
  aside
  ln -s -- "$2" new
  labelled ./new
  named "${1##*/}"
}

# Gives what was made aside its name in the folder: a rename never follows a link.
named() {
  mv -fT -- new "../$1"
  cd -P ..
  rmdir -- "$inside"
  inside=
}

# Keeps the folder $1, with mode $2 and owner $3.
folder() {
  subject=$1
  enter "$1"
  chown -- "$3" .
  chmod -- "00$2" . # with five digits, set-uid and set-gid go, too
  labelled .
}

# Lets everybody through the folder $1 of the system.
passable() {
  subject=$1
  enter "$1"
  chmod a+x .
}

gone() {
  subject=$1
  enter "${1%/*}"
  rm -rf -- "./${1##*/}"
}

# Leaves nothing in the folder $1 but what the following words exclude from a search.
alone() {
  subject=$1
  enter "$1"
  shift
  find . -mindepth 1 -maxdepth 1 "$@" -exec rm -rf -- {} +
}

# An empty folder makes room for the file $1.
vacate() {
  subject=$1
  enter "${1%/*}"
  rmdir -- "./${1##*/}" 2>/dev/null ||
    refuse "is a folder with something in it, and must be a file. Move away what is there."
}

# Keeps mode $2 and owner $3 of the file $1, whose content is its service's. The file is opened, and
# what was opened is judged and changed; a pipe in its place can make the opening wait.
owned() {
  subject=$1
  enter "${1%/*}"
  file="$(here)/${1##*/}" timeout 10 sh -euc '
    exec 3<"./${file##*/}"
    [ -f /proc/self/fd/3 ] && [ "$(stat -L -c %h /proc/self/fd/3)" = 1 ] &&
      [ "$(readlink /proc/self/fd/3)" = "$file" ] || exit 1
    chown -- "$2" /proc/self/fd/3
    chmod -- "00$1" /proc/self/fd/3' sh "$2" "$3" ||
    refuse "is no plain file, or has a second name (a hard link). Move it away."
}

# Clears away, and says which file could not be put right and what keeps it.
ended() {
  status=$?
  trap - EXIT
  [ -z "$inside" ] || { rm -f ./new; cd -P .. && rmdir -- "$inside"; }
  [ -z "$stage" ] || rm -rf -- "$stage"
  cat >/dev/null # else the run hears of a broken line only
  [ "$status" = 0 ] || [ -z "$subject" ] || explain
  exit "$status"
}

explain() {
  echo "$subject could not be put right." >&2
  ! mountpoint -q -- "$subject" ||
    echo "$subject is a mount of its own. If it may change, type: umount $subject" >&2
  for each in "$subject" "${subject%/*}"; do
    marks=$(lsattr -d -- "$each" 2>/dev/null) || continue
    case ${marks%% *} in
      *[ia]*) echo "$each is immutable. If it may change, type: chattr -i -a $each" >&2 ;;
    esac
  done
}
