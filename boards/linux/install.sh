#!/bin/sh
# Installs program, libraries, headers and pkg-config files.
#
#   boards/linux/install.sh BUILD PREFIX DESTDIR
#
# The headers go to a folder of their own: an application writes #include <holdfast/holdfast.h>, and error.h or
# config.h get in nobody's way.
set -eu

build=$1 prefix=$2 root=$3$2

pc() { # name, description, library, other libraries
    cat >"$root/lib/pkgconfig/$1.pc" <<EOF
prefix=$prefix
libdir=\${prefix}/lib
includedir=\${prefix}/include

Name: $1
Description: $2
Version: $version
Libs: -L\${libdir} -l$3 $4
Cflags: -I\${includedir}
EOF
}

version=$(sed -n 's/^#define HF_VERSION "\(.*\)"/\1/p' core/include/holdfast/holdfast.h)
mkdir -p "$root/bin" "$root/lib/pkgconfig"
[ ! -f "$build/holdfast" ] || install -m 755 "$build/holdfast" "$root/bin/holdfast"
install -m 644 "$build/libholdfast.a" "$build/libholdfast_test.a" "$root/lib/"

# What the public headers are and what they include, as the compiler sees it.
for public in core/include/holdfast/holdfast.h port/linux/holdfast_linux.h port/script/holdfast_test.h; do
    # shellcheck disable=SC2086 # words: the compiler, and for another machine its folder of headers
    ${CC:-gcc} -std=c11 -MM -MT headers -Icore/include -Iport/linux -Iport/script -x c "$public"
done | tr -s ' ' '\n' | grep '\.h$' | sort -u | while read -r path; do
    install -D -m 644 "$path" "$root/include/holdfast/${path##*/}"
done

pc holdfast "Keeps a client talking to its database" holdfast "${LIBS:-}"
pc holdfast_test "holdfast with a scripted link and a virtual clock" holdfast_test ""
