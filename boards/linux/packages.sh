#!/bin/sh
# The packages that holdfast needs, group by group: `check` says which are missing and changes nothing, `install`
# installs these.
#
#   boards/linux/packages.sh check GROUP… [-- COMPILE…]
#   boards/linux/packages.sh install GROUP…
#
# A group is one of those below, or a compiler by the name of its command: gcc, clang, aarch64-linux-gnu-gcc. COMPILE is
# the command that will compile, with its flags: the headers have to be where it looks.
#
# A check looks for the thing itself, not for its package: a library built from its source is there as well. Where there
# is no Debian a check is the same, and names in words what is missing; `install` says what to install and stops, unless
# HF_SOURCES or HF_NO_INSTALL is set: then somebody has read it. HF_NO_INSTALL=1 keeps it from installing on Debian too.
set -eu

die() {
    echo "packages.sh: $*" >&2
    exit 1
}

# What a group has, a line for each package: its name in Debian, what shows that it is there, and its name elsewhere.
needs() {
    case $1 in
    libraries)
        cat <<END
libc6-dev header stdio.h the C library (stdio.h)
libc-ares-dev header ares.h c-ares (ares.h)
libcsv-dev header csv.h libcsv (csv.h)
libidn-dev header stringprep.h GNU libidn (stringprep.h)
zlib1g-dev header zlib.h zlib (zlib.h)
END
        ;;
    faster) [ "$(uname -m)" != x86_64 ] || echo "libipsec-mb-dev optional -" ;; # ipsec_mb.sh; a build does without
    sources) # what port/third-party.sh fetches with, from a mirror that may speak https, and unpacks with
        cat <<END
patch command patch patch
bzip2 command bzip2 bzip2
xz-utils command xz xz
ca-certificates debian -
END
        ;;
    sysroot) echo "dpkg-dev command dpkg-architecture dpkg-architecture" ;;
    sanitizers) echo "libclang-rt-dev links - clang's sanitizers (compiler-rt)" ;;
    newlib) echo "libnewlib-arm-none-eabi header string.h newlib (string.h)" ;;
    *-*-gcc) echo "gcc-${1%-gcc} command $1 the compiler $1" ;;
    gcc | clang | gcc-[0-9]* | clang-[0-9]*) echo "$1 command $1 the compiler $1" ;;
    # Only installed, never looked for.
    test)
        printf '%s - -\n' g++ clang clang-format clang-tidy libclang-rt-dev llvm shellcheck libcmocka-dev pkgconf \
            postgresql postgresql-client pgbouncer pgpool2 haproxy openssl procps iproute2 util-linux \
            parallel libuv1-dev libglib2.0-dev python3 python3-pytest python3-pytest-xdist python3-psycopg2 python3-yaml qemu-user
        ;;
    bench) printf '%s - -\n' libpq-dev valgrind strace ;;
    qemu) echo "qemu-system-arm - -" ;;
    npm) echo "npm - -" ;; # only where none is in PATH: tests/integration/harness/postgres18.py
    *) die "no group '$1': libraries, faster, sources, sysroot, sanitizers, newlib, test, bench, qemu, npm, or a compiler" ;;
    esac
}

verb=${1:-}
case $verb in
check | install) shift ;;
*) die "say check or install, and the groups" ;;
esac
lines=
while [ $# -gt 0 ] && [ "$1" != -- ]; do
    lines="$lines$(needs "$1")
"
    shift
done
if [ $# -gt 1 ]; then shift; else set -- gcc; fi # now "$@" is what compiles

debian=
! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null || debian=yes

# ---- what is there ------------------------------------------------------------------------------

log=$(mktemp)
trap 'rm -rf "$log" "$log.made"' EXIT

# All headers in one compilation, of which the log tells; most often it is the only one.
headers_compile() { # COMPILE…
    printf '%s' "$lines" | sed -n 's/^[^ ]* header \([^ ]*\) .*/#include <\1>/p' | "$@" -fsyntax-only -x c - 2>"$log"
}

# One header. Without a compiler it is where compilers look.
has_header() { # header, COMPILE…
    header=$1
    shift
    if echo 'int it;' | "$@" -fsyntax-only -x c - 2>/dev/null; then
        printf '#if !__has_include(<%s>)\n#error\n#endif\nint it;\n' "$header" | "$@" -fsyntax-only -x c - 2>/dev/null
    else
        [ -e "/usr/include/$header" ] || [ -e "/usr/local/include/$header" ]
    fi
}

is_there() { # kind, what, COMPILE…
    kind=$1 what=$2
    shift 2
    case $kind in
    command) command -v "$what" >/dev/null ;;
    header) [ -n "$compiles" ] || has_header "$what" "$@" ;;
    debian | optional) ;; # of no use elsewhere, and there only to fetch; not missed
    links) echo 'int main(void) { return 0; }' | "$@" -x c - -o "$log.made" 2>/dev/null ;;
    *) [ "$verb" = check ] ;;
    esac
}

# Sets `missing` to the packages of what is not there, and `words` to the names of these.
look() { # COMPILE…
    missing='' words='' compiles=''
    ! headers_compile "$@" || compiles=yes
    while read -r package kind what name; do
        if [ -n "$package" ] && ! is_there "$kind" "$what" "$@" </dev/null; then
            missing="$missing $package"
            words="$words${words:+, }${name:-$package}"
        fi
    done <<END
$lines
END
}

# Which of some packages Debian has not installed.
not_installed() {
    there=" $(dpkg-query -W -f '${Package}/${db:Status-Status} ' "$@" 2>/dev/null || true)"
    for package; do
        case $there in
        *" $package/installed "*) ;;
        *) echo "$package" ;;
        esac
    done
}

listed() { # words, with commas
    echo "$*" | sed 's/ /, /g'
}

elsewhere() { # what there is to be done on a system that is no Debian
    {
        [ "$verb" = check ] || echo "Not all of this was looked for:"
        echo "holdfast needs what was not found here: $words."
        echo "This is no Debian system: install it with the system's own tools, libraries with their headers."
        [ -n "${HF_SOURCES:-}" ] ||
            echo "Put the sources that port/third-party.sh names into a folder: make HF_SOURCES=/that/folder"
        [ "$verb" = check ] || echo "HF_NO_INSTALL=1 says that all is there."
    } >&2
    exit 1
}

# shellcheck disable=SC2086 # lists of words
if [ "$verb" = check ]; then
    look "$@"
    [ -n "$missing" ] || exit 0
    [ -n "$debian" ] || elsewhere
    absent=$(not_installed $missing)
    if [ -n "$absent" ]; then
        echo "holdfast needs these Debian packages: $(listed $absent) (${HF_DEPS:-make deps} installs them)" >&2
    else
        echo "holdfast needs $words: installed ($(listed $missing)), but not found by $*" >&2
        cat "$log" >&2
    fi
    exit 1
fi

# ---- install ------------------------------------------------------------------------------------

[ -z "${HF_NO_INSTALL:-}" ] || exit 0
if [ -z "$debian" ]; then
    [ -z "${HF_SOURCES:-}" ] || exit 0
    look "$@"
    [ -z "$missing" ] || elsewhere
    exit 0
fi
wanted() { # 0, or 1 for the optional ones
    printf '%s' "$lines" | awk -v optional="$1" '($2 == "optional") == optional { print $1 }' | sort -u
}

# shellcheck disable=SC2046 # a list of words
missing=$(not_installed $(wanted 0) | sed 's/^/ /' | tr -d '\n')
# shellcheck disable=SC2046 # a list of words
optional=$(not_installed $(wanted 1) | sed 's/^/ /' | tr -d '\n')
[ -n "$missing$optional" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    if ! command -v sudo >/dev/null; then
        [ -z "$optional" ] || echo "note: neither root nor sudo to install$optional: it is built without, and slower"
        [ -n "$missing" ] || exit 0
        echo "Missing packages, and neither root nor sudo to install them. As root, run:" >&2
        echo "    apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
fi

apt() {
    # Two builds at once wait for each other. env: sudo drops the caller's environment.
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=600 "$@" </dev/null >>"$log" 2>&1
}

installed() {
    # The first try may fail because the machine's package lists are missing or old.
    apt install --no-install-recommends "$@" && return
    apt update && apt install --no-install-recommends "$@"
}

install() {
    installed "$@" && return
    cat "$log" >&2
    echo "packages.sh: could not install $*" >&2
    exit 1
}

echo "installing$missing$optional"

# The server's package makes and starts a cluster of its own unless told not to before it is there.
# The tests start theirs on a free port; a machine that has PostgreSQL already is left as it is.
case " $missing " in
*" postgresql "*)
    if [ -n "$(not_installed postgresql-common)" ]; then
        install postgresql-common
        $as_root sed -i 's/^#* *create_main_cluster *=.*/create_main_cluster = false/' \
            /etc/postgresql-common/createcluster.conf
    fi
    ;;
esac

# These start a service when they are installed and at every boot after it; the tests want the programs
# alone. Only what was not there before is kept from it: a service that somebody runs is left as it is.
services=
for package in pgbouncer pgpool2 haproxy; do
    case " $missing " in *" $package "*) services="$services $package" ;; esac
done
policy=/usr/sbin/policy-rc.d
if [ -n "$services" ] && [ ! -e "$policy" ]; then
    $as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$policy && chmod 755 $policy"
    trap 'rm -rf "$log" "$log.made"; $as_root rm -f "$policy"' EXIT
fi

# shellcheck disable=SC2086 # a list of words
[ -z "$missing" ] || install $missing
# shellcheck disable=SC2086 # a list of words
[ -z "$optional" ] || installed $optional || echo "note: could not install$optional: it is built without, and slower"

for service in $services; do
    # Whatever policy stood there before may have let it start.
    $as_root sh -c "update-rc.d $service disable && invoke-rc.d $service stop" >>"$log" 2>&1 || true
done
