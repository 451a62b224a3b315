#!/bin/sh
# Installs program, libraries, headers and pkg-config files.
#
#   boards/linux/install.sh BUILD PREFIX DESTDIR
#
# SIZES: the -DHF_…= that the libraries were built with, which an application needs too.
#
# The headers go to a folder of their own, which alone is in nobody's way: an application writes
# #include <holdfast/holdfast.h>, and <error.h> is still the system's.
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
Cflags: -I\${includedir}${SIZES:+ $SIZES}
EOF
}

version=$(sed -n 's/^#define HF_VERSION "\(.*\)"/\1/p' core/include/holdfast/holdfast.h)
mkdir -p "$root/bin" "$root/lib/pkgconfig"
[ ! -f "$build/holdfast" ] || install -m 755 "$build/holdfast" "$root/bin/holdfast"
install -m 644 "$build/libholdfast.a" "$build/libholdfast_test.a" "$root/lib/"

install -D -m 644 -t "$root/include/holdfast" core/include/holdfast/*.h \
    port/linux/include/holdfast/linux.h port/script/include/holdfast/test.h

pc holdfast "Keeps a client talking to its database" holdfast "${LIBS:-}"
pc holdfast_test "holdfast with a scripted link and a virtual clock" holdfast_test ""
