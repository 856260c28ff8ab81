# Shared by the scripts of this folder: what the build needs, and how to build it.
# Debian 12 or newer, Ubuntu 24.04 or newer; elsewhere install the equivalents of `packages` by hand.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${TERSOR_BUILD:-$root/build/release}

packages=(g++ cmake ninja-build ccache libprotobuf-dev protobuf-compiler libjpeg-dev libpng-dev
  zlib1g-dev nlohmann-json3-dev libtomlplusplus-dev libcli11-dev libfmt-dev libgtest-dev
  dataset-fashion-mnist python3-venv)

say() { printf '\n== %s\n' "$*"; }

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

installed() { dpkg -s "$1" 2>/dev/null | grep -q '^Status: install ok installed$'; }

# Installs what is missing from `packages`, as root or through sudo.
install_packages() {
  command -v apt-get >/dev/null || {
    say "no apt-get here: expecting the equivalents of ${packages[*]}"
    return 0
  }
  local missing=() package
  for package in "${packages[@]}"; do
    installed "$package" || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      die "missing packages, and neither root nor sudo: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  say "installing ${missing[*]} (apt-get${as_root[0]:+ through sudo})"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -q
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -q -y --no-install-recommends "${missing[@]}"
}

# build_targets [TARGET...]: a release build of these targets, or of everything.
build_targets() {
  say "building ${*:-everything} in ${build#"$root"/}"
  local launcher=()
  command -v ccache >/dev/null && launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release "${launcher[@]}" >/dev/null
  cmake --build "$build" ${1:+--target "$@"}
}

# python_environment FOLDER REQUIREMENTS: makes or updates a virtual environment.
python_environment() {
  local folder=$1 requirements=$2 stamp
  stamp=$(cat "$root"/tests/requirements.txt "$requirements" | sha256sum)
  if [ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ]; then
    say "installing ${requirements#"$root"/} into ${folder#"$root"/}"
    python3 -m venv "$folder"
    "$folder/bin/python" -m pip install -q --disable-pip-version-check -r "$requirements"
    printf '%s\n' "$stamp" >"$folder/stamp"
  fi
}
