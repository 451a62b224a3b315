#!/bin/sh
# Makes a folder with the C library and the libraries that holdfast needs for another machine, for gcc's --sysroot and
# QEMU's -L. They are the packages of this machine's own Debian release for the other architecture, from the mirror that
# the machine itself uses, checked by apt against the archive's signed index, and unpacked, not installed: nothing of the
# machine changes.
#
#   boards/linux/sysroot.sh aarch64-linux-gnu build/third-party/sysroot-aarch64-linux-gnu
set -eu

triplet=$1 root=$2
packages="libc6-dev libc-ares-dev libcsv-dev libidn-dev zlib1g-dev libcmocka-dev"

die() {
    echo "sysroot.sh: $*; with a folder of your own that has them: make CROSS=$triplet- SYSROOT=/folder" >&2
    exit 1
}

for program in apt-get dpkg-architecture; do
    command -v $program >/dev/null || die "no $program here to fetch $packages for $triplet"
done
architecture=$(dpkg-architecture -f -t "$triplet" -qDEB_HOST_ARCH 2>/dev/null) ||
    die "Debian has no architecture '$triplet'"
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
[ -n "$codename" ] || die "/etc/os-release names no release of Debian"

cd "$(dirname "$0")/../.."
case $root in /*) ;; *) root=$PWD/$root ;; esac
apt=$root.apt
. port/apt.sh

mkdir -p "$apt"
exec 9>"$apt/lock"
flock 9 # two builds at once: the second finds the first one's work done
[ ! -e "$root/.made" ] || [ -n "$(find boards/linux/sysroot.sh -newer "$root/.made")" ] || exit 0

find_mirror
echo "deb [signed-by=$keyring] $mirror $codename main" >"$apt/sources.list"
: >"$apt/status" # nothing is installed there yet: all that is needed comes along
private_options="-o APT::Architecture=$architecture -o APT::Architectures=$architecture
    -o Dir::State::status=$apt/status -o Debug::NoLocking=1 -o APT::Install-Recommends=false"
echo "fetching $packages for $architecture"
# shellcheck disable=SC2086 # a list of words
{ private apt-get update && private apt-get -y --download-only install $packages; } >"$apt/log" 2>&1 || {
    cat "$apt/log" >&2
    die "could not fetch $packages for $architecture"
}

rm -rf "$root"
mkdir -p "$root"
for package in "$apt"/cache/archives/*.deb; do
    dpkg-deb -x "$package" "$root"
done
rm -rf "$apt/cache" "$apt/lists"
# Links of the target's are of its own root.
find "$root" -type l -lname '/*' | while read -r link; do
    ln -sfr "$root$(readlink "$link")" "$link"
done
for folder in lib lib64; do # one folder with the other's name, from Debian 13 on
    [ -e "$root/$folder" ] || [ ! -e "$root/usr/$folder" ] || ln -s "usr/$folder" "$root/$folder"
done
touch "$root/.made"
