#!/usr/bin/env bash
# Sets up what the tests and benches need and this machine lacks. Each step does nothing where it was done before.
#
#   tests/setup.sh run|test|bench        what `make run`, `make test`, `make bench` need
#   tests/setup.sh STEP...               system-run system-test system-bench original frameworks uwsgitop peers pythons
#
# Everything from PyPI goes into virtualenvs below ${UWSGI_CACHE:-.cache}; packages of the distribution are
# installed only where missing, with sudo only where this is not root.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${UWSGI_CACHE:-$PWD/.cache}
mkdir -p "$cache"

say() { printf '==> %s\n' "$*"; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

# apt_install PACKAGE...: those of them that are missing.
apt_install() {
    local missing=() package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
    done
    [ "${#missing[@]}" -eq 0 ] && return 0
    command -v apt-get >/dev/null || { echo "missing: ${missing[*]} (no apt-get here: install them by hand)" >&2; exit 1; }
    say "installing ${missing[*]}"
    if [ ! -e "$cache/apt-updated" ] && [ -z "${UWSGI_APT_UPDATED:-}" ]; then
        as_root apt-get -q update && touch "$cache/apt-updated"
    fi
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends install "${missing[@]}"
}

# A Python with a shared library that the server can load: any python3 that says it has one, else Debian's.
python_with_library() {
    python3 - 2>/dev/null <<'PY' || return 1
import os, sys, sysconfig
name = sysconfig.get_config_var("INSTSONAME") or ""
folders = [sysconfig.get_config_var("LIBDIR") or "", os.path.join(sys.base_prefix, "lib")]
folders += [os.path.join(f, sysconfig.get_config_var("MULTIARCH") or "") for f in folders[:1]]
sys.exit(0 if ".so" in name and any(os.path.exists(os.path.join(f, name)) for f in folders) else 1)
PY
}

# libjansson with what a linker needs, from the distribution or built here. A library without a header is none.
jansson_for_linking() {
    echo 'int main(void) { return json_delete != 0 ? 0 : 1; }' |
        cc -include jansson.h -x c -o /dev/null - -ljansson 2>/dev/null
}

need_cargo() {
    command -v cargo >/dev/null || { echo "cargo is missing: install Rust 1.88 or later first" >&2; exit 1; }
}

system_run() {
    need_cargo
    command -v cc >/dev/null || apt_install gcc libc6-dev
    command -v python3 >/dev/null || apt_install python3
    jansson_for_linking || apt_install libjansson-dev
    command -v c++ >/dev/null || apt_install g++ # libzmq is built with it
    python_with_library || apt_install "libpython$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
}

# nginx, Mongrel2 and wrk are used as programs only: a service that Debian starts on installing them is not wanted.
system_test() {
    system_run
    command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || { prevent_service; apt_install nginx-light; allow_service; }
    # The other front ends. Apache's programs come without its service, the others would start one.
    local program fronts=()
    for program in apache2:apache2-bin lighttpd:lighttpd haproxy:haproxy caddy:caddy cgi-fcgi:libfcgi-bin mongrel2:mongrel2-core; do
        PATH="$PATH:/usr/sbin" command -v "${program%%:*}" >/dev/null || fronts+=("${program#*:}")
    done
    [ "${#fronts[@]}" -eq 0 ] || { prevent_service; apt_install "${fronts[@]}"; allow_service; }
    command -v wrk >/dev/null || apt_install wrk
    command -v ip >/dev/null || [ -x /usr/sbin/ip ] || apt_install iproute2 # networks of the tests of clusters
    command -v curl >/dev/null || apt_install curl
    command -v make >/dev/null || apt_install make
    python3 -c 'import ensurepip, venv' 2>/dev/null || apt_install python3-venv
    python3-config --includes >/dev/null 2>&1 || apt_install python3-dev
}

prevent_service() {
    [ -e /usr/sbin/policy-rc.d ] && return 0
    printf '#!/bin/sh\nexit 101\n' | as_root tee /usr/sbin/policy-rc.d >/dev/null
    as_root chmod +x /usr/sbin/policy-rc.d
    touch "$cache/policy-written"
}

allow_service() {
    [ -e "$cache/policy-written" ] || return 0
    as_root rm -f /usr/sbin/policy-rc.d "$cache/policy-written"
}

system_bench() {
    system_test
    apt_install libev-dev
    command -v taskset >/dev/null || apt_install util-linux
}

# venv NAME [PYTHON] -- REQUIREMENT...: a virtualenv in the cache with these, made again when the list changes.
venv() {
    local name=$1 python=python3 folder="$cache/$1"
    shift
    if [ "$1" != -- ]; then python=$1; shift; fi
    shift
    local stamp="$python $*"
    [ "$(cat "$folder/.stamp" 2>/dev/null)" = "$stamp" ] && return 0
    say "building $folder"
    rm -rf "$folder"
    "$python" -m venv "$folder"
    [ "$#" -eq 0 ] || "$folder/bin/python" -m pip -q --disable-pip-version-check install "$@"
    echo "$stamp" >"$folder/.stamp"
}

# The original, with this machine's Python built in, and all formats of configuration files: its own reader of
# YAML understands neither lists nor quotes.
original() {
    apt_install libpcre2-dev libjansson-dev libyaml-dev libxml2-dev
    UWSGI_PROFILE_OVERRIDE='yaml=libyaml' venv original -- --no-cache-dir --no-binary=uwsgi uwsgi==2.0.31
}

frameworks() { venv frameworks -- Django==5.2.* Flask==3.1.* Werkzeug==3.1.* bottle==0.13.* web.py==0.62; }

# The monitor that people run against the stats server.
uwsgitop() { venv uwsgitop -- uwsgitop==0.12; }

peers() { venv peers -- uwsgi==2.0.31 granian==2.* bjoern==3.* fastpysgi gunicorn Flask==3.1.* pyzmq; }

# A bare virtualenv of every further CPython 3.9 to 3.13 that is installed here and has a shared library.
pythons() {
    local version python
    for version in 3.9 3.10 3.11 3.12 3.13; do
        for python in "$HOME"/.pyenv/versions/"$version".*/bin/python3 "/usr/bin/python$version"; do
            [ -x "$python" ] && "$python" -c 'import ensurepip, venv' 2>/dev/null || continue
            venv "python$version" "$python" --
            break
        done
    done
}

for step in "$@"; do
    case $step in
    run) system_run ;;
    test) system_test; original; frameworks; uwsgitop; pythons ;;
    bench) system_bench; original; peers ;;
    system-run | system-test | system-bench) "${step/-/_}" ;;
    original | frameworks | uwsgitop | peers | pythons) "$step" ;;
    *) echo "unknown step $step" >&2; exit 2 ;;
    esac
done
