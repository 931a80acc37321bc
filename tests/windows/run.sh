#!/usr/bin/env bash
# Runs the Windows suite with real Windows Pythons under Wine: the tests in this folder, then the portable unit tests.
#
#   usage: run.sh [3.9] [3.13]          both where none is named; they run side by side
#          run.sh --only 3.9 NAME...    this folder's tests alone, with what pytest takes as arguments (-k disk)
#
# Ends with 0 when everything passed. What cannot be set up is a failure, not a skip.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/wine.sh"
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

portable() { # VERSION: the arguments that choose the unit tests of portable.txt
  local module="" word name
  while read -r word name; do
    case $word in
      "" | "#") ;;
      -) printf '%s\n' "--deselect=tests/$module::$name" ;;
      *) module=$word; printf '%s\n' "P:\\tests\\$word" ;;
    esac
  done <"$here/portable.txt"
}

python_of() { # VERSION ARGUMENTS...
  (cd "$(prefix_of "$1")/drive_c/home" && PYTHONDONTWRITEBYTECODE=1 windows "$1" "$(python_exe "$1")" "${@:2}")
}

install_program() { # VERSION: the wheel of this project, from a folder of wheels and without internet
  local wheels
  wheels="$(prefix_of "$1")/drive_c/py${1/./}/wheels"
  rm -f "$wheels"/vizgen_data_transfer-*
  cp "$work/dist/"*.whl "$wheels/"
  python_of "$1" -m pip --isolated install -q --no-index --find-links "C:\\py${1/./}\\wheels" --force-reinstall --no-deps \
    --no-warn-script-location vizgen_data_transfer
}

made_by_linux() { # VERSION: names that Windows cannot make, on Q:
  local folder
  folder="$(prefix_of "$1")/disks/q/made by linux"
  rm -rf "$folder"
  mkdir -p "$folder"/case/{Folder,folder} "$folder"/{illegal,odd}
  (
    cd "$folder"
    printf plain | tee plain illegal/plain >/dev/null
    printf upper >case/Data.txt && printf lower >case/data.txt
    printf 1 >case/Folder/x && printf 2 >case/folder/y
    printf colon >'illegal/a:b' && printf mark >'illegal/what?'
    printf odd | tee odd/con odd/nul.txt odd/ends. 'odd/blank ' >/dev/null
  )
}

stagehand() { # VERSION: takes the folder behind N: away while a file asks for it; Windows could not, a file in it is open
  local disks
  disks="$(prefix_of "$1")/disks"
  rm -f "$disks/take n away"
  while sleep 0.1; do
    if [ -e "$disks/take n away" ]; then
      [ ! -d "$disks/n" ] || mv "$disks/n" "$disks/n away"
    elif [ -d "$disks/n away" ]; then
      mv "$disks/n away" "$disks/n"
    fi
  done
}

suite() { # VERSION PYTEST-ARGUMENTS...
  local version=$1 code=0
  shift
  mkdir -p "$(prefix_of "$version")/drive_c/home"
  end_wineserver "$version"
  install_program "$version"
  made_by_linux "$version"
  stagehand "$version" &
  local helper=$!
  python_of "$version" -m pytest -p no:cacheprovider -vv -rs --durations=5 "P:\\tests\\windows" "$@" || code=$?
  local manifests=()
  mapfile -t manifests < <(find "$(prefix_of "$version")/disks/l/"kept* -name '*.xxh128' 2>/dev/null)
  for manifest in "${manifests[@]}"; do
    (cd "${manifest%.xxh128}" && xxhsum -c --quiet "../$(basename "$manifest")") || { echo "xxhsum refuses $manifest"; code=1; }
  done
  echo "Windows Python $version: xxhsum -c took ${#manifests[@]} manifests"
  if [ "$only" = no ]; then
    [ ${#manifests[@]} -gt 0 ] || code=1
    mapfile -t chosen < <(portable "$version")
    python_of "$version" -m pytest -p no:cacheprovider -rs --durations=5 --rootdir 'P:\' "${chosen[@]}" || code=$?
  fi
  kill "$helper"
  end_wineserver "$version"
  return "$code"
}

only=no
if [ "${1:-}" = --only ]; then
  only=yes
  shift
  versions=("$1")
  shift
else
  versions=("$@")
  [ ${#versions[@]} -gt 0 ] || versions=(3.9 3.13)
  set --
fi

mkdir -p "$home"
exec 9>"$home/lock"
flock 9 # one suite at a time: its drives are the same
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/setup.sh" "${versions[@]}"
(cd "$project" && "${PYTHON:-python3}" -m pip wheel -qq --no-deps -w "$work/dist" .)

failed=""
for version in "${versions[@]}"; do
  (suite "$version" "$@" >"$work/$version.log" 2>&1 9>&-) &
  echo $! >"$work/$version.pid"
done
for version in "${versions[@]}"; do
  wait "$(cat "$work/$version.pid")" || failed="$failed $version"
  printf '\n-- Windows Python %s\n' "$version"
  cat "$work/$version.log"
done
[ -z "$failed" ] || { echo "the Windows suite failed with Python$failed"; exit 1; }
