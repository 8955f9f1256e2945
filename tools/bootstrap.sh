#!/bin/sh
# Makes .venv: a Python 3.11 or newer, the packages of requirements.lock, this project as it stands.
# Does nothing when nothing changed. PYTHON= names the interpreter.
set -eu
cd "$(dirname "$0")/.."

venv=.venv
log=$venv/setup.log
scratch=

say() { printf 'setup: %s\n' "$*"; }
die() { printf 'setup: %s\n' "$*" >&2; exit 1; }

# step LABEL COMMAND...: the command's output goes to the log; a terminal sees the log's last line move.
step() {
    label=$1
    shift
    say "$label"
    echo "\$ $*" >>"$log"
    "$@" >>"$log" 2>&1 &
    job=$!
    trap 'kill $job 2>/dev/null; exit 130' INT TERM
    while [ -t 1 ] && kill -0 $job 2>/dev/null; do
        printf '\r\033[K  %s' "$(tail -n 1 "$log" | cut -c 1-70)"
        sleep 1
    done
    status=0
    wait $job || status=$?
    trap - INT TERM
    [ ! -t 1 ] || printf '\r\033[K'
    [ $status -eq 0 ] || { tail -n 12 "$log" >&2; die "that failed; the whole output is in $log."; }
}

pip_install() { $venv/bin/python -m pip --disable-pip-version-check install "$@"; }

# --- the interpreter

new_enough() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        new_enough "$PYTHON" || die "PYTHON=$PYTHON does not start a Python 3.11 or newer."
        found=$PYTHON
    else
        found=$(sed -n 2p $venv/packages.stamp 2>/dev/null) || true # the one chosen before, whatever PATH says now
        new_enough "$found" || found=
        for name in python3 python3.14 python3.13 python3.12 python3.11; do
            [ -z "$found" ] && new_enough "$name" && found=$name
        done
        [ -n "$found" ] || die "no Python 3.11 or newer was found; install one, or name it: make setup PYTHON=/path/to/python3."
    fi
    # The program behind pyenv's shims and behind an active environment: .venv must outlive both.
    python=$("$found" -c 'import sys; print(getattr(sys, "_base_executable", None) or sys.executable)')
}

# --- an empty virtual environment, also where the system's Python came without ensurepip

make_venv() {
    rm -rf $venv
    "$python" -m venv $venv >/dev/null 2>&1 && return
    rm -rf $venv
    "$python" -c 'import venv' 2>/dev/null || die "$python has no venv module; install your system's full python3 package."
    command -v apt-get >/dev/null || die "$python has no ensurepip; install your system's package for venv and pip."
    version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" -eq 0 ]; then
        say "installing python$version-venv"
        install="apt-get -qq -y --no-install-recommends install python$version-venv"
        { $install || { apt-get -qq update; $install; }; } >/dev/null 2>&1 || true
        "$python" -m venv $venv >/dev/null 2>&1 && return
        rm -rf $venv
    fi
    say "$python came without ensurepip: taking pip from the package python3-pip-whl, for $venv only"
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    (cd "$scratch" && unpack_pip) >"$scratch/log" 2>&1 || true
    wheel=$(find "$scratch" -name 'pip-*.whl' | head -n 1)
    [ -n "$wheel" ] || { cat "$scratch/log" >&2; die "python3-pip-whl could not be fetched; as root, run: apt-get install python$version-venv."; }
    "$python" -m venv --without-pip $venv
    $venv/bin/python "$wheel/pip" --quiet install --no-index --no-deps "$wheel"
}

# Needs no root. Container images ship empty package lists: then ours are fetched into the scratch directory.
unpack_pip() {
    apt-get -qq download python3-pip-whl || {
        mkdir -p lists/partial cache/archives/partial
        set -- -qq -o Dir::State::lists="$PWD/lists" -o Dir::Cache="$PWD/cache" -o Debug::NoLocking=1 \
            -o APT::Sandbox::User= -o Acquire::Languages=none
        apt-get "$@" update || true # one dead source must not hide the others
        apt-get "$@" download python3-pip-whl
    }
    dpkg -x python3-pip-whl_*.deb .
}

# --- what was installed from what: the two stamps

packages_state() { printf '%s\n' "$PWD" "$python" "$(cksum requirements.lock)"; }

project_state() {
    cksum pyproject.toml setup.py
    find native workbench/spec/declarations.py workbench/spec/data -type f \
        \( -name '*.[ch]' -o -name '*.py' -o -name '*.json' \) -exec cksum {} + | sort
    # A compiler or headers that came later must lead to a new build.
    # shellcheck disable=SC2086 # CC may carry options
    echo "CC=${CC:-} CFLAGS=${CFLAGS:-} $(command -v ${CC:-cc}) headers=$(have_headers && echo yes || echo no)"
}

have_headers() {
    "$python" -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))'
}

kernel_report() {
    set -- workbench/measure/_kernel*.so
    [ ! -e "$1" ] || return 0
    # shellcheck disable=SC2086
    if ! command -v ${CC:-cc} >/dev/null; then
        why="there is no C compiler"
    elif ! have_headers; then
        why="the headers of $python are missing"
    else
        why="the compiler failed, see $log"
    fi
    say "the load kernel was not compiled ($why): benchmarks drive their load from Python threads, slower and" \
        "labelled so; with a compiler and headers (Debian: gcc, python3-dev), run make setup again."
}

choose_python
if [ "$(cat $venv/packages.stamp 2>/dev/null)" != "$(packages_state)" ] || ! new_enough $venv/bin/python; then
    make_venv
    # The locked pip first: it needs half the time of those that Python and Debian ship.
    sed -n '/^pip==/,/[^\\]$/p' requirements.lock >$venv/pip.lock
    step "making $venv for $python" pip_install --require-hashes -r $venv/pip.lock
    # The lock is complete, so nothing is to be resolved; modules are compiled when first used.
    step "installing $(grep -c '^[a-z].*==' requirements.lock) packages (half a minute, longer when they must be downloaded)" \
        pip_install --no-deps --no-compile --require-hashes -r requirements.lock
    packages_state >$venv/packages.stamp
fi
if [ "$(cat $venv/project.stamp 2>/dev/null)" != "$(project_state)" ]; then
    rm -f workbench/measure/_kernel*.so # a failed build must not leave the old kernel behind
    step "installing the workbench and compiling its load kernel" \
        pip_install -v --no-deps --no-build-isolation -e .
    $venv/bin/python -m pip check >>"$log" || die "requirements.lock does not satisfy pyproject.toml (see $log): run make lock."
    project_state >$venv/project.stamp
    kernel_report
fi
