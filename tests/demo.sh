#!/bin/sh
# holdfast's demonstration: a long report, a server that dies in the middle of it, and a file without a scratch.
#
# HOLDFAST names the program (make demo does). Everything happens below build/demo and on a loopback port; the
# server is a private one and is stopped again however this ends. Exit 0 only if the outages fell into the runs,
# the reconnects were seen, the file equals what psql writes, and the table has each line that was written once.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
program=${HOLDFAST:-$root/build/linux/holdfast}
items=100000
lines=6000
work=$root/build/demo

if [ -t 1 ]; then bold=$(printf '\033[1m') plain=$(printf '\033[0m'); else bold='' plain=''; fi
say()  { printf '\n%s%s%s\n' "$bold" "$*" "$plain"; }
note() { printf '   %s\n' "$*"; }
fail() { printf '\nThe demonstration failed: %s\n' "$*" >&2; exit 1; }

[ -x "$program" ] || fail "$program is not there: run make first"
bin=$(dirname "$(command -v initdb || echo /none)")
for folder in /usr/lib/postgresql/*/bin; do         # Debian keeps the servers' programs off the PATH
    if [ -x "$folder/initdb" ]; then bin=$folder; fi
done
[ -x "$bin/initdb" ] || fail "PostgreSQL's server is not installed: apt-get install postgresql"

# PostgreSQL refuses to run as root; as root its part runs as the user postgres, who must be able to enter the folder.
if [ "$(id -u)" -eq 0 ]; then
    as_server() { runuser -u postgres -- "$@"; }
else
    as_server() { "$@"; }
fi
rm -rf "$work"
mkdir -p "$work/server"
if [ "$(id -u)" -eq 0 ]; then
    chown postgres "$work/server"
fi
server=$work/server
# A socket's path has 107 bytes at most, so a deep or closed place sends the server to a temporary folder.
if ! as_server test -w "$server" || [ ${#server} -gt 80 ]; then
    server=$(mktemp -d)
    if [ "$(id -u)" -eq 0 ]; then chown postgres "$server"; fi
fi

run_pid='' tee_pid=''
clean_up() {
    trap - EXIT INT TERM HUP
    if [ -n "$run_pid" ]; then kill "$run_pid" 2>/dev/null || true; fi
    if [ -n "$tee_pid" ]; then kill "$tee_pid" 2>/dev/null || true; fi
    if [ -s "$server/data/postmaster.pid" ]; then
        as_server "$bin/pg_ctl" stop -D "$server/data" -m immediate -s || true
    fi
    rm -rf "$server"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start_server() {
    (cd "$server" && as_server "$bin/pg_ctl" start -D "$server/data" -l "$server/log" -w -s -t 60 \
        -o "-p $port -k $server") || fail "the server did not start: see its log: $(tail -5 "$server/log")"
}
stop_server() { (cd "$server" && as_server "$bin/pg_ctl" stop -D "$server/data" -m "$1" -w -s); }
admin() { psql -X -q -v ON_ERROR_STOP=1 -h "$server" -p "$port" -U postgres -d postgres "$@"; }
written() { if [ -f "$1.part" ]; then wc -l <"$1.part"; else echo 0; fi; }

# holdfast with these words, as app over TLS, shown here and kept in output.log.
start_program() {
    tee "$work/output.log" <"$work/fifo" &
    tee_pid=$!
    PGHOST=127.0.0.1 PGPORT=$port PGDATABASE=postgres PGUSER=app PGPASSWORD=$password PGSSLMODE=verify-full \
    PGSSLROOTCERT=$work/ca.crt "$program" "$@" >"$work/fifo" 2>&1 &
    run_pid=$!
}

finish_program() {
    status=0
    wait "$run_pid" || status=$?
    run_pid=''
    wait "$tee_pid" || true
    tee_pid=''
    [ "$status" -eq 0 ] || fail "$1 ended with exit status $status"
}

# The report to FILE runs; when a third of it is written the server dies without a goodbye, for 5 seconds.
take_server_away() {
    tries=0
    while [ "$(written "$1")" -lt $((lines / 3)) ]; do
        kill -0 "$run_pid" 2>/dev/null || fail "the report ended before the outage could begin"
        tries=$((tries + 1))
        [ "$tries" -lt 6000 ] || fail "a third of the report was not done after 10 minutes"
        sleep 0.1
    done
    stop_server immediate
    say "   >>> the server is gone, with about $(written "$1") of $lines lines written"
    sleep 5
    kill -0 "$run_pid" 2>/dev/null || fail "the report ended during the outage"
    [ "$(written "$1")" -lt "$lines" ] || fail "the outage did not fall into the run"
    start_server
    say "   >>> the server is back after 5 seconds"
}

say "1. A private PostgreSQL server with TLS, SCRAM and a table of $items items"
port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])' 2>/dev/null) ||
    port=$((20000 + $$ % 10000))
password=demo-$$-$(od -An -N6 -tx1 /dev/urandom | tr -d ' \n')
(cd "$server" && as_server "$bin/initdb" -N -D data -U postgres -A trust -E UTF8 --locale=C.UTF-8 >/dev/null)
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj '/CN=holdfast demo' \
    -addext 'subjectAltName=IP:127.0.0.1,DNS:localhost' -keyout "$server/server.key" -out "$work/ca.crt" 2>/dev/null
cp "$work/ca.crt" "$server/server.crt"
chmod 600 "$server/server.key"
if [ "$(id -u)" -eq 0 ]; then chown postgres "$server/server.key" "$server/server.crt"; fi
cat >>"$server/data/postgresql.conf" <<END
listen_addresses = '127.0.0.1'
ssl = on
ssl_cert_file = '$server/server.crt'
ssl_key_file = '$server/server.key'
END
cat >"$server/data/pg_hba.conf" <<END
local   all postgres trust
hostssl all app 127.0.0.1/32 scram-sha-256
END
start_server
admin <<END
CREATE ROLE app LOGIN PASSWORD '$password';
CREATE TABLE item (id int PRIMARY KEY, name text, price numeric(10,2), note text);
INSERT INTO item SELECT i, 'item ' || i, CASE WHEN i % 100 <> 0 THEN i * 0.25 END,
    (ARRAY['', 'plain', 'a, b', 'say "hi"', E'two\nlines', NULL])[i % 6 + 1] FROM generate_series(1, $items) i;
ANALYZE item;
GRANT SELECT ON item TO app;
END
note "listening on 127.0.0.1:$port"

say "2. The input: cost.csv with $lines lines, each an item and a quantity"
admin -c "\\copy (SELECT (i * 7919) % ($items + 500) + 1 AS id, i % 9 + 1 AS quantity, 'order \"' || i || '\", net' AS label FROM generate_series(1, $lines) i) TO '$work/cost.csv' WITH (FORMAT csv, HEADER)"
cat >"$work/report.sql" <<'END'
SELECT item.name, item.price, item.note, round(item.price * $2::int, 2) AS total
FROM pg_sleep(0.005), item
WHERE item.id = $1::int
END
head -3 "$work/cost.csv" | sed 's/^/   /'
note "…and report.sql asks for each line:"
sed 's/^/   /' "$work/report.sql"

say "3. The report. In its middle the server dies without a goodbye (pg_ctl stop -m immediate) for 5 seconds"
note "holdfast report --cost-file cost.csv --query report.sql --params id,quantity --output report.csv \\"
note "    --max-concurrent 3 --retry-delay 500ms --max-retry-delay 2s"
printf '\n'
mkfifo "$work/fifo"
start_program report --cost-file "$work/cost.csv" --query "$work/report.sql" --params id,quantity \
    --output "$work/report.csv" --max-concurrent 3 --retry-delay 500ms --max-retry-delay 2s
take_server_away "$work/report.csv"
finish_program "the report"
grep -q '✓ Reconnected to database' "$work/output.log" || fail "no reconnect was reported"

say "4. The same question answered by psql, in one join, for comparison"
admin <<END
CREATE TABLE cost (line bigserial, id int, quantity int, label text);
\\copy cost (id, quantity, label) FROM '$work/cost.csv' WITH (FORMAT csv, HEADER)
\\copy (SELECT cost.id, quantity, label, name, price, note, round(price * quantity, 2) AS total FROM cost LEFT JOIN item USING (id) ORDER BY line) TO '$work/expected.csv' WITH (FORMAT csv, HEADER)
END
if ! cmp "$work/report.csv" "$work/expected.csv"; then
    diff "$work/report.csv" "$work/expected.csv" | head -10 >&2 || true
    fail "report.csv differs from what psql says"
fi
rows=$(admin -At -c 'SELECT count(*) FROM cost')
note "report.csv and psql's file are the same, byte for byte: $rows lines, $(wc -c <"$work/report.csv") bytes."

say "5. Now the lines are written, exactly once: the same input, an INSERT for each line, and a ledger"
admin -c "CREATE TABLE booking (label text, quantity int, total numeric(10,2))" \
    -c "GRANT SELECT, INSERT ON booking TO app" -c "GRANT CREATE ON SCHEMA public TO app"
cat >"$work/booking.sql" <<'END'
INSERT INTO booking SELECT :label, :quantity::int, price * :quantity::int
FROM pg_sleep(0.005), (SELECT (SELECT price FROM item WHERE id = :id::int)) AS found(price)
RETURNING total
END
sed 's/^/   /' "$work/booking.sql"
note "holdfast ledger create"
note "holdfast report --cost-file cost.csv --query booking.sql --output booking.csv --write --ledger --batch 20"
start_program ledger create
finish_program "holdfast ledger create"
start_program report --cost-file "$work/cost.csv" --query "$work/booking.sql" --output "$work/booking.csv" --write \
    --ledger --batch 20 --max-concurrent 3 --retry-delay 500ms --max-retry-delay 2s
take_server_away "$work/booking.csv"
finish_program "the report"
grep -q '✓ Reconnected to database' "$work/output.log" || fail "no reconnect was reported"
doubled="SELECT count(*) FROM (SELECT FROM booking GROUP BY label HAVING count(*) > 1) AS twice"
missing="SELECT count(*) FROM cost LEFT JOIN booking USING (label) WHERE booking.label IS NULL"
note "…and SQL, of the table that has no key of its own:"
for question in "SELECT count(*) FROM booking" "$doubled" "$missing"; do
    answer=$(admin -At -c "$question")
    note "$question: $answer"
    found="${found:-}$answer "
done
[ "$found" = "$lines 0 0 " ] || fail "the table does not have each line once"
admin -c "\\copy (SELECT cost.id, cost.quantity, label, total FROM cost JOIN booking USING (label) ORDER BY line) TO '$work/booked.csv' WITH (FORMAT csv, HEADER)"
cmp "$work/booking.csv" "$work/booked.csv" || fail "booking.csv is not what the table has"
say "Done: the server was away twice for 5 seconds; the report has every line, and the table has each line exactly once."
note "Look at them: $work/report.csv and $work/booking.csv"
