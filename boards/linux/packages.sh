#!/bin/sh
# Installs the Debian packages that the named groups need: only what is missing, silent when
# nothing is. On another system it says what is needed and stops, unless HF_SOURCES is set: then
# somebody has read it. HF_NO_INSTALL=1 skips it on Debian too.
#
#   boards/linux/packages.sh build [test] [bench] [board] [cross] [npm]
set -eu

build="gcc libc6-dev make pkgconf libc-ares-dev libcsv-dev libidn-dev zlib1g-dev dpkg-dev patch bzip2 xz-utils ca-certificates"
test="clang clang-format clang-tidy libclang-rt-dev llvm shellcheck libcmocka-dev
      postgresql postgresql-client pgbouncer pgpool2 haproxy openssl procps iproute2 util-linux
      python3 python3-pytest python3-pytest-xdist python3-psycopg2 qemu-user"
bench="libpq-dev valgrind strace"
board="gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm"
cross="gcc-aarch64-linux-gnu gcc-arm-linux-gnueabihf qemu-user" # their libraries are not installed: sysroot.sh
npm="npm" # only where none is in PATH: tests/integration/harness/postgres18.py

wanted=
for group; do
    case $group in
    build) wanted="$wanted $build" ;;
    test) wanted="$wanted $test" ;;
    bench) wanted="$wanted $bench" ;;
    board) wanted="$wanted $board" ;;
    cross) wanted="$wanted $cross" ;;
    npm) wanted="$wanted $npm" ;;
    *)
        echo "packages.sh: no group '$group': build, test, bench, board, cross, npm" >&2
        exit 1
        ;;
    esac
done

[ -z "${HF_NO_INSTALL:-}" ] || exit 0

if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    [ -z "${HF_SOURCES:-}" ] || exit 0
    cat >&2 <<EOF
This is not a Debian system, so nothing is installed for you. What is needed, by Debian's names:
$(printf '%s\n' "$wanted" | fold -s -w 90 | sed 's/^ */    /')
and, in a folder named by HF_SOURCES, the sources that port/third-party.sh lists.
With these in place: make HF_SOURCES=/folder
EOF
    exit 1
fi

installed() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=
for package in $wanted; do
    installed "$package" || missing="$missing $package"
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" != 0 ]; then
    as_root=sudo
    if ! command -v sudo >/dev/null; then
        echo "Missing packages, and neither root nor sudo to install them. As root, run:" >&2
        echo "    apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT

apt() {
    # Two builds at once wait for each other. env: sudo drops the caller's environment.
    $as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=600 "$@" </dev/null >>"$log" 2>&1
}

install() {
    # The first try may fail because the machine's package lists are missing or old.
    apt install --no-install-recommends "$@" && return
    apt update && apt install --no-install-recommends "$@" && return
    cat "$log" >&2
    echo "packages.sh: could not install $*" >&2
    exit 1
}

echo "installing$missing"

# The server's package makes and starts a cluster of its own unless told not to before it is there.
# The tests start theirs on a free port; a machine that has PostgreSQL already is left as it is.
case " $missing " in
*" postgresql "*)
    if ! installed postgresql-common; then
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
    trap 'rm -f "$log"; $as_root rm -f "$policy"' EXIT
fi

# shellcheck disable=SC2086 # a list of words
install $missing

for service in $services; do
    # Whatever policy stood there before may have let it start.
    $as_root sh -c "update-rc.d $service disable && invoke-rc.d $service stop" >>"$log" 2>&1 || true
done
