# A minimal Debian in a folder, with the settings of this machine: sourced by tests/fresh/run and tests/systemd/run.
# shellcheck shell=bash disable=SC2016  # what stands in single quotes is for awk and apt

# Makes Debian $1 in folder $2, from the mirror of this machine and with its settings of apt; $3 is the log.
make_debian() {
  local suite=$1 root=$2 log=$3 mirror
  mirror=$(apt-get indextargets --no-release-info --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 2>/dev/null |
    awk -v release="$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)" '$2 == release {print $1; exit}')
  debootstrap --variant=minbase "$suite" "$root" "${mirror:-http://deb.debian.org/debian}" >"$log" 2>&1 || return
  [[ -s $root/etc/hosts ]] || echo '127.0.0.1 localhost' >"$root/etc/hosts" # which an installer writes
  apt-config dump | grep '^Acquire::' >"$root/etc/apt/apt.conf.d/90machine" || true
}

# Gives pip in folder $1 the settings of this machine's pip; prints the files that its settings name, which must be
# shown there.
give_pip_settings() {
  local root=$1 python=.venv/bin/python settings word
  [[ -x $python ]] || python=python3
  settings=$(
    echo '[global]'
    "$python" -m pip config list 2>/dev/null |
      sed -nE "s/^:env:\.//; s/^(global|install)\.//; s/^([a-z-]+)='(.*)'\$/\1 = \2/p"
  )
  # What the environment sets comes last in the list of settings, and wins as it does here.
  awk -F ' = ' '!/ = / {print; next} {value[$1] = $2} END {for (name in value) print name " = " value[name]}' \
    <<<"$settings" >"$root/etc/pip.conf"
  sed -n 's/^[a-z-]* = //p' "$root/etc/pip.conf" | tr ' ' '\n' | while read -r word; do
    case $word in
      file:///*) word=$(dirname "${word#file://}") ;; # an index names its files relative to itself
    esac
    [[ $word != /?* || ! -e $word ]] || echo "$word"
  done
}

# The project's files as they are now, committed or not, as an archive on stdout, below the folder $1.
present_files() {
  if git rev-parse --git-dir >/dev/null 2>&1; then
    git ls-files -z --cached --others --exclude-standard --deduplicate
  else
    find . -path ./.venv -prune -o -path './.venv-*' -prune -o -path ./var -prune -o -type f -print0
  fi | tar --create --null --files-from=- --ignore-failed-read --transform "s,^,$1/,S" 2>/dev/null
}
