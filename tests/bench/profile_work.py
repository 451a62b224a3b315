"""Where the instructions of one work go: callgrind's account, per unit of work, by function."""

import re
import subprocess

# "1,234 (5.67%)  ???:function [/path/of/object]", or with "file:function'2" where it calls itself.
LINE = re.compile(r"^\s*([\d,]+) \([ \d.]+%\)\s+(\S+):(.+?)(?: \[([^\]]*)\])?$")


def _functions(out, inclusive):
    text = subprocess.run(["callgrind_annotate", f"--inclusive={'yes' if inclusive else 'no'}", "--threshold=99.9",
                           "--auto=no", str(out)], capture_output=True, text=True, check=True).stdout
    found = []
    for line in text.splitlines():
        match = LINE.match(line)
        if match:
            file, function, library = match.group(2), match.group(3), match.group(4) or ""
            where = file.rsplit("/", 1)[-1] if file != "???" else library.rsplit("/", 1)[-1]
            found.append((int(match.group(1).replace(",", "")), function, where))
    return found


def show(bench, side, work, tls, count, top=40):
    out = bench.callgrind(side, work, tls, count)
    for inclusive in (False, True):
        print(f"{work}{' with TLS' if tls else ''}, bench_{side}: instructions per unit of work, "
              f"{'with what it calls' if inclusive else 'in the function itself'}")
        for cost, function, where in _functions(out, inclusive)[:top]:
            print(f"{cost / count:12,.1f}  {function}  ({where})")
        print()
    print(f"More: callgrind_annotate {out}")
