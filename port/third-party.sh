#!/bin/sh
# Fetches the C sources that holdfast is built with and unpacks them to build/third-party/NAME.
#
# They are Debian's source packages, taken for Debian's patches (cJSON's carry CVE fixes), from the
# mirror this machine itself uses, checked by apt against the archive's signed index and here against
# the hash below. Where there is no Debian, HF_SOURCES names a folder with the same files: the
# .orig tarball of each, and its .debian.tar for the patches.
#
#   port/third-party.sh mbedtls cjson lwip
set -eu

suite=trixie
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# A later patch release of the series is taken with a notice; another series is an error.
describe() {
    case $1 in
    mbedtls)
        series=3.6 version=3.6.6
        sha256=8fb65fae8dcae5840f793c0a334860a411f884cc537ea290ce1c52bb64ca007a
        ;;
    cjson)
        series=1.7 version=1.7.18
        sha256=3aa806844a03442c00769b83e99970be70fbef03735ff898f4811dd03b9f5ee5
        ;;
    lwip)
        series=2.2 version=2.2.1+dfsg1
        sha256=83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1
        ;;
    *) die "no source named '$1': mbedtls, cjson, lwip" ;;
    esac
}

die() {
    echo "third-party.sh: $*" >&2
    exit 1
}

cd "$(dirname "$0")/.."
top=build/third-party
downloads=${HF_SOURCES:-$PWD/$top/downloads}

# The mirror as apt itself reads it from the machine's settings, whichever format they are in.
mirror() {
    # shellcheck disable=SC2016 # apt's own placeholders
    apt-get indextargets --format '$(ORIGIN) $(LABEL) $(COMPONENT) $(REPO_URI)' \
        'Created-By: Packages' | sed -n 's/^Debian Debian main //p' | head -n 1
}

fetch() {
    command -v apt-get >/dev/null || die "no apt-get here: put the sources of $* in a folder and" \
        "name it with HF_SOURCES=/folder"
    uri=$(mirror)
    if [ -z "$uri" ]; then # the origin is known only once the lists are there
        if [ "$(id -u)" = 0 ]; then apt-get -q update; else sudo apt-get -q update; fi
        uri=$(mirror)
    fi
    [ -n "$uri" ] || die "found no Debian mirror in this machine's apt sources: use HF_SOURCES=/folder"

    apt=$PWD/$top/apt
    mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$downloads"
    echo "deb-src [signed-by=$keyring] $uri $suite main" >"$apt/sources.list"
    echo "fetching the sources of $*"
    (
        cd "$downloads"
        # Its own lists and cache: what the machine's apt knows is neither used nor changed.
        private() {
            apt-get -qq -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- \
                -o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" \
                -o APT::Sandbox::User="$(id -un)" "$@"
        }
        private update
        private source --download-only "$@"
    ) >"$apt/log" 2>&1 || {
        cat "$apt/log" >&2
        die "could not fetch the sources of $*"
    }
}

# The one file of a name's pattern, or nothing.
pick() {
    find "$downloads/" -maxdepth 1 -name "$1" | sort -V | tail -n 1
}

check() { # name, tarball
    got=${2##*/"$1"_}
    got=${got%%.orig.tar.*}
    if echo "$sha256  $2" | sha256sum --check --status; then
        return
    elif [ "$got" = "$version" ] || [ -n "${HF_SOURCES:-}" ]; then
        die "$2 is not $1 $version: its sha256 should be $sha256"
    fi
    case $got in
    "$series".*) echo "note: $1 $got instead of $version, as the archive's signed index has it" ;;
    *) die "the archive has $1 $got, but holdfast is built with $series.x: use HF_SOURCES=/folder" ;;
    esac
}

# Our own repairs, each saying in its head what it is for. A later release may have it already.
repair() {
    for patch in "port/$1"/*.patch; do
        [ -e "$patch" ] || continue
        if patch -s -f -p1 --dry-run -d "$top/$1" <"$patch" >/dev/null; then
            patch -s -f -p1 -d "$top/$1" <"$patch"
        else
            echo "note: $patch does not apply to this $1 and is left out"
        fi
    done
}

unpack() {
    describe "$1"
    tarball=$(pick "$1_*.orig.tar.*[!c]")
    [ -n "$tarball" ] || die "no $1_$version.orig.tar.* in $downloads"
    check "$1" "$tarball"
    rm -rf "${top:?}/$1"
    mkdir -p "$top/$1"
    tar -xf "$tarball" -C "$top/$1" --strip-components=1
    patches=$(pick "$1_*.debian.tar.*")
    [ -n "$patches" ] || {
        echo "note: no $1_*.debian.tar.* in $downloads: built without Debian's patches"
        repair "$1"
        return 0
    }
    tar -xf "$patches" -C "$top/$1"
    sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$top/$1/debian/patches/series" 2>/dev/null |
        while read -r patch _; do
            patch -s -f -p1 -d "$top/$1" <"$top/$1/debian/patches/$patch" ||
                die "$1: Debian's $patch does not apply"
        done
    repair "$1"
}

# Unpacked since this script and its patches last changed?
fresh() {
    [ -e "$top/.fetched-$1" ] &&
        [ -z "$(find port/third-party.sh "port/$1"/*.patch -newer "$top/.fetched-$1" 2>/dev/null)" ]
}

for name; do describe "$name"; done # a wrong name is told before anything is fetched
mkdir -p "$top"
exec 9>"$top/.lock"
flock 9 # two builds at once: the second finds the first one's work done
missing=
for name; do fresh "$name" || missing="$missing $name"; done
# shellcheck disable=SC2086 # a list of words
[ -z "$missing" ] || [ -n "${HF_SOURCES:-}" ] || fetch $missing
for name in $missing; do
    unpack "$name"
    touch "$top/.fetched-$name"
done
