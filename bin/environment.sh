# Makes the Python environment of a checkout, once for each lock file. Sourced by bin/changeover and bin/test;
# sets $environment to its folder. Talks on stderr only. What it makes is complete or absent: the stamp comes last.
#
#   make_environment NAME LOCKFILE     e.g. make_environment .venv requirements.lock

say() { printf 'changeover: %s\n' "$*" >&2; }

python_for_environment() {
    local candidate
    for candidate in "${CHANGEOVER_PYTHON:-}" python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue
        if ! "$candidate" -c 'import venv, ensurepip' 2>/dev/null; then
            [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || continue
            say "installing python3-venv (apt-get), which makes the environment"
            { apt-get install -y -qq python3-venv || { apt-get update -qq && apt-get install -y -qq python3-venv; }; } >&2
            "$candidate" -c 'import venv, ensurepip' 2>/dev/null || continue
        fi
        command -v "$candidate"
        return
    done
    say "no usable Python: changeover needs Python 3.11 or newer with its venv module."
    say "Install it (as root: apt-get install python3 python3-venv), or name one in CHANGEOVER_PYTHON."
    return 1
}

fill_environment() { # fill_environment FOLDER LOCKFILE
    local folder=$1 lock=$2 python
    python=$(python_for_environment) || return 1
    say "setting up $folder from ${lock##*/} (once, some seconds)"
    "$python" -m venv --clear "$folder" >&2 &&
        "$folder/bin/python" -m pip install -qq --disable-pip-version-check uv >&2 &&
        "$folder/bin/uv" pip sync --quiet --no-config --python "$folder/bin/python" --require-hashes "$lock" >&2 &&
        echo "$root/src" >"$("$folder/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/changeover.pth" &&
        "$folder/bin/python" -m compileall -q -j 0 "$folder/lib" "$root/src" >/dev/null
    # compileall fails on files that were never meant to compile; the check that counts is that ours starts
    "$folder/bin/python" -c 'import changeover.errors' >&2
}

make_environment() {
    local name=$1 lock=$root/$2
    environment=$root/$name
    [ -w "$root" ] || environment=${XDG_CACHE_HOME:-$HOME/.cache}/changeover/$(printf %s "$root" | cksum | tr ' ' -)$name
    cmp -s "$lock" "$environment/filled-from.lock" && return
    mkdir -p "${environment%/*}"
    (
        flock 9
        cmp -s "$lock" "$environment/filled-from.lock" && exit 0 # another process was faster
        fill_environment "$environment" "$lock" && cp "$lock" "$environment/filled-from.lock"
    ) 9>"$environment.lock" || { say "the environment could not be set up; see the lines above"; return 1; }
}
