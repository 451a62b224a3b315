#!/bin/sh
# Fetches the C sources that holdfast is built with and unpacks them to build/third-party/NAME.
#
# They are Debian's source packages, taken for Debian's patches (cJSON's carry CVE fixes), from the mirror this machine
# itself uses, checked by apt against the archive's signed index and here against the hash below. Debian's suites are
# asked in order, and the newest release of the pinned series is taken. Where there is no Debian, HF_SOURCES names a
# folder with the same files: the .orig tarball of each, and its .debian.tar for the patches. A hash given beside them
# (SHA256SUMS, or FILE.sha256) says what is taken there, else the pinned one.
#
#   port/third-party.sh mbedtls cjson lwip
#   port/third-party.sh choose mbedtls     only the choice: "suite version" lines in, the acceptable ones out, best first
set -eu

# The suites in the order in which they are asked, by either of their names.
suites='stable:trixie testing:forky unstable:sid'

# A later patch release of the series is taken with a notice, an earlier one with a warning; another series never.
describe() {
    case $1 in
    mbedtls)
        series=3.6 version=3.6.7
        sha256=a7e8bcbec0e6f761b4af24f25677626b35f762f68eef79c08677a363212d11f6
        ;;
    cjson)
        series=1.7 version=1.7.19
        sha256=7fa616e3046edfa7a28a32d5f9eacfd23f92900fe1f8ccd988c1662f30454562
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

# Debian's version is [epoch:]release[-revision].
release_of() {
    release=${1#*:}
    echo "${release%-*}"
}

older() { # than
    [ "$1" != "$2" ] && [ "$(printf '%s\n' "$1" "$2" | sort -V | head -n 1)" = "$1" ]
}

# Of lines "suite version" those of the pinned series, newest release first. Where two suites have the same release
# the one that was asked first is first: stable is who gets security uploads.
choose() {
    while read -r suite full; do
        release=$(release_of "$full")
        case $release in
        *~*) echo "note: $suite has $1 $release, a preview: skipped" >&2 ;;
        "$series" | "$series".*) echo "$release $suite $full" ;;
        *) echo "note: $suite has $1 $release, not $series.x: skipped" >&2 ;;
        esac
    done | sort -s -k1,1rV | cut -d ' ' -f 2-
}

# What is taken instead of the pinned release is said.
tell() { # name, release, from where
    if older "$2" "$version"; then
        cat >&2 <<NOTICE
==============================================================================================
WARNING: $1 $2 is OLDER than $version, which holdfast is pinned to. It lacks repairs of known
security faults. $3 has no newer one of $series.x: do not ship what is built with it.
==============================================================================================
NOTICE
    elif [ "$2" != "$version" ]; then
        echo "note: $1 $2 instead of $version, as $3 has it"
    fi
}

# ---- from Debian's archive ----------------------------------------------------------------------

# The suites that the mirror has, each under the first of its names that works, become the private sources.
ask_suites() {
    mkdir -p "$apt"
    : >"$apt/log"
    found=
    for names in $suites; do
        for suite in ${names%:*} ${names#*:}; do
            echo "deb-src [signed-by=$keyring] $mirror $suite main" >"$apt/sources.list"
            if private apt-get -o APT::Get::List-Cleanup=false update >>"$apt/log" 2>&1; then
                found="$found $suite"
                continue 2
            fi
        done
        echo "note: the mirror has no suite ${names%:*}: skipped"
    done
    : >"$apt/sources.list"
    for suite in $found; do
        echo "deb-src [signed-by=$keyring] $mirror $suite main" >>"$apt/sources.list"
    done
    [ -n "$found" ] || {
        cat "$apt/log" >&2
        die "could not read Debian's index of sources"
    }
}

# "suite version" of a source package, in the order in which the suites were asked.
offered() {
    private apt-cache madison "$1" >"$apt/index" # name | version | uri suite/component Sources
    for suite in $found; do
        awk -F ' *[|] *' -v suite="$suite" \
            '{ split($3, from, " "); if (from[2] == suite "/main") print suite, $2 }' "$apt/index"
    done
}

fetch() { # sets `tarball` and `patches`
    echo "fetching the sources of $1"
    offered "$1" >"$apt/offered"
    choose "$1" <"$apt/offered" >"$apt/chosen"
    [ -s "$apt/chosen" ] || die "Debian's suites have no $1 $series.x: put its sources into a folder and" \
        "name that with HF_SOURCES=/folder"
    # An index can be ahead of its mirror's files: then the next best is taken, and that is said.
    while read -r suite full; do
        release=$(release_of "$full")
        if (cd "$downloads" && private apt-get source --download-only "$1=$full") >>"$apt/log" 2>&1; then
            tell "$1" "$release" "Debian's $suite"
            tarball=$(newest "$1_$release.orig.tar.*")
            patches=$(newest "$1_${full#*:}.debian.tar.*")
            [ "$release" != "$version" ] || is_pinned "$tarball" ||
                die "$tarball is not the $1 $version that holdfast is pinned to: its sha256 should be $sha256"
            return
        fi
        echo "note: the mirror lists $1 $full of $suite, but does not have it"
    done <"$apt/chosen"
    cat "$apt/log" >&2
    die "could not fetch the sources of $1"
}

# ---- from a folder ------------------------------------------------------------------------------

# The one file of a name's pattern, or nothing.
newest() {
    find "$downloads/" -maxdepth 1 -name "$1" ! -name '*.asc' ! -name '*.sha256' | sort -V | tail -n 1
}

is_pinned() {
    echo "$sha256  $1" | sha256sum --check --status
}

# The hash that the folder gives for a file, and where it says so; nothing if it gives none.
given() {
    if [ -e "$1.sha256" ]; then
        sed -n "1s|^\([0-9a-fA-F]\{64\}\).*|\1 ${1##*/}.sha256|p" "$1.sha256"
    elif [ -e "$downloads/SHA256SUMS" ]; then
        awk -v name="${1##*/}" '{ file = $2; sub(/^[*]?([.]\/)?/, "", file) }
            file == name { print $1, "SHA256SUMS"; exit }' "$downloads/SHA256SUMS"
    fi
}

# Fails where the folder gives no hash for a file; stops where it gives another.
as_given() {
    hash=$(given "$1")
    [ -n "$hash" ] || return 1
    echo "${hash%% *}  $1" | sha256sum --check --status 2>/dev/null ||
        die "$1 is not the file that ${hash#* } beside it names: its sha256 should be ${hash%% *}"
}

# The releases in the folder that a hash names, the pinned one among them; if there is none, what is there.
trusted() {
    find "$downloads/" -maxdepth 1 -name "$1_*.orig.tar.*" ! -name '*.asc' ! -name '*.sha256' >"$top/there"
    while read -r file; do
        if [ -n "$(given "$file")" ] || is_pinned "$file"; then echo "$file"; fi
    done <"$top/there" >"$top/trusted"
    [ -s "$top/trusted" ] || cp "$top/there" "$top/trusted"
    sed "s|.*/$1_\(.*\)\.orig\.tar\..*|HF_SOURCES \1|" "$top/trusted"
}

take() { # sets `tarball` and `patches`
    trusted "$1" | choose "$1" >"$top/chosen"
    read -r _ release <"$top/chosen" || die "no $1_$version.orig.tar.*, nor another $1 $series.x, in $downloads"
    tarball=$(newest "$1_$release.orig.tar.*")
    patches=$(newest "$1_$release-*.debian.tar.*")
    if as_given "$tarball"; then
        tell "$1" "$release" "$downloads"
    elif ! is_pinned "$tarball"; then
        die "$tarball is not the $1 $version that holdfast is pinned to: its sha256 should be $sha256." \
            "To take another release, put the sha256 that you trust into $tarball.sha256, or into SHA256SUMS beside it"
    fi
    [ -z "$patches" ] || as_given "$patches" ||
        echo "note: no hash is given for $patches: it is taken as it is"
}

# ---- unpacking ----------------------------------------------------------------------------------

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
    rm -rf "${top:?}/$1"
    mkdir -p "$top/$1"
    tar -xf "$tarball" -C "$top/$1" --strip-components=1
    if [ -n "$patches" ]; then
        tar -xf "$patches" -C "$top/$1"
        sed -e 's/[[:space:]]*#.*//' -e '/^$/d' "$top/$1/debian/patches/series" 2>/dev/null |
            while read -r patch _; do
                patch -s -f -p1 -d "$top/$1" <"$top/$1/debian/patches/$patch" ||
                    die "$1: Debian's $patch does not apply"
            done
    else
        echo "note: no $1_$release-*.debian.tar.* in $downloads: built without Debian's patches"
    fi
    repair "$1"
}

# Unpacked since this script and its patches last changed?
fresh() {
    [ -e "$top/.fetched-$1" ] &&
        [ -z "$(find port/third-party.sh "port/$1"/*.patch -newer "$top/.fetched-$1" 2>/dev/null)" ]
}

cd "$(dirname "$0")/.."
if [ "${1:-}" = choose ]; then
    describe "$2"
    choose "$2"
    exit
fi
for name; do describe "$name"; done # a wrong name is told before anything is fetched
top=build/third-party
downloads=${HF_SOURCES:-$PWD/$top/downloads}
apt=$PWD/$top/apt
mkdir -p "$top"
exec 9>"$top/.lock"
flock 9 # two builds at once: the second finds the first one's work done
missing=
for name; do fresh "$name" || missing="$missing $name"; done
if [ -n "$missing" ] && [ -z "${HF_SOURCES:-}" ]; then
    command -v apt-get >/dev/null || die "no apt-get here: put the sources of$missing into a folder and" \
        "name that with HF_SOURCES=/folder"
    . port/apt.sh
    mkdir -p "$downloads"
    find_mirror
    ask_suites
fi
for name in $missing; do
    describe "$name"
    if [ -n "${HF_SOURCES:-}" ]; then take "$name"; else fetch "$name"; fi
    unpack "$name"
    touch "$top/.fetched-$name"
done
