# Where everything of this suite lies, and how a Windows program is started. Sourced by setup.sh and run.sh.
#
# VDT_WINDOWS_HOME (default ~/.cache/vdt-windows) holds the downloads and one Wine prefix a Python version: two versions
# run side by side and share neither drives nor registry.

home=${VDT_WINDOWS_HOME:-${XDG_CACHE_HOME:-$HOME/.cache}/vdt-windows}
project=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
wine=/usr/lib/wine/wine64
export WINEDEBUG=${WINEDEBUG:--all} WINEARCH=win64 WINEDLLOVERRIDES='mscoree,mshtml='
unset DISPLAY

prefix_of() { echo "$home/prefix-$1"; }

# Root's power to read and write everything is dropped: read-only and unreadable files are refused as on Windows. The
# file calls are made by the wineserver, so the first program of a prefix decides.
plainly() {
  if [ "$(id -u)" = 0 ]; then setpriv --bounding-set=-dac_override,-dac_read_search -- "$@"; else "$@"; fi
}

# windows VERSION PROGRAM ARGUMENTS...: standard output and error go through pipes, since Python does not start under
# Wine where one of them is a plain file. The exit code is the program's.
windows() {
  local version=$1
  shift
  {
    WINEPREFIX=$(prefix_of "$version") plainly "$wine" "$@" </dev/null 2>&1 1>&3 | cat >&2
    exit "${PIPESTATUS[0]}"
  } 3>&1 | cat
  return "${PIPESTATUS[0]}"
}

python_exe() { echo "C:\\py${1/./}\\python.exe"; }

end_wineserver() { WINEPREFIX=$(prefix_of "$1") /usr/lib/wine/wineserver64 -k 2>/dev/null || true; }
