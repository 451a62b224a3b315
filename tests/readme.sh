#!/bin/sh
# Compiles the C and C++ programs that README.md shows, as a reader would: outside the tree, with what `make install`
# installs and what pkg-config says of it. One that uses the scripted port needs no server and is run.
# What stands between "<!-- tables: NAME -->" and "<!-- end -->" is printed by tests/tables.c.
#
#   tests/readme.sh BUILD           checks
#   tests/readme.sh BUILD --write   prints the tables anew into README.md
set -eu

build=$1
out=$build/readme
rm -rf "$out"
mkdir -p "$out"
[ -f README.md ] || { echo "no README.md"; exit 0; }

${CC:-gcc} -std=c11 -Wall -Wextra -Werror -Icore/include -Icore tests/tables.c -o "$out/tables"
awk -v tables="$out/tables" '
    /^<!-- end -->$/ { inside = 0 }
    !inside { print }
    /^<!-- tables: [a-z]+ -->$/ { inside = 1; fflush(); system(tables " " $3) }' README.md >"$out/README.md"
if [ "${2:-}" = --write ]; then
    cp "$out/README.md" README.md
elif ! diff -u README.md "$out/README.md"; then
    echo "README.md: its tables have drifted from the code; to mend: tests/readme.sh $build --write"
    exit 1
fi

# Every ```c or ```cpp block to a file named after its line.
awk -v out="$out" '
    /^```c(pp)?$/ {
        file = sprintf("%s/line_%d.%s", out, NR + 1, substr($0, 4))
        printf "#line %d \"README.md\"\n", NR + 1 >file
        next
    }
    /^```/ { if (file) close(file); file = ""; next }
    file { print >file }' README.md

root=$(cd "$out" && pwd)/root # without blanks, as pkg-config's words are split
CC=${CC:-gcc} LIBS=${LIBS:-} boards/linux/install.sh "$build" "$root" ''
PKG_CONFIG_PATH=$root/lib/pkgconfig
export PKG_CONFIG_PATH

passed=0 failed=0
for source in "$out"/line_*.c "$out"/line_*.cpp; do
    [ -f "$source" ] || continue
    grep -q 'main(' "$source" || continue # a fragment beside the program it is from
    package=holdfast compiler="${CC:-gcc} -std=c11 -Wextra"
    case $source in *.cpp) compiler="${CXX:-g++} -std=c++17 -Wextra -Wpedantic" ;; esac
    ! grep -q holdfast/test.h "$source" || package=holdfast_test
    # shellcheck disable=SC2046,SC2086 # lists
    if (cd / && $compiler -Wall -Werror "$root/../${source##*/}" -o "$root/${package}_program" \
        $(pkg-config --cflags --libs $package)) &&
        { [ $package != holdfast_test ] || "$root/${package}_program"; }; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "README.md: the program at ${source##*/} does not work; to repeat: make test-readme"
    fi
done
echo "readme: $passed passed, $failed failed"
[ $failed = 0 ] && [ $passed -gt 0 ]
