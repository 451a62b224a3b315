"""What a finished report must contain, computed from the server by another client and another writer of CSV."""

import contextlib

import psycopg2.extensions


def cell(value):
    """One cell as PostgreSQL's COPY … CSV writes it: NULL empty, the empty string `""`, quotes where needed."""
    if value is None:
        return ""
    if value == "" or any(character in value for character in ',"\r\n'):
        return '"' + value.replace('"', '""') + '"'
    return value


def csv_line(cells):
    return ",".join(cell(value) for value in cells) + "\n"


def csv_file(header, rows):
    """A whole file as bytes, ending in \\n as ours do."""
    return "".join(csv_line(row) for row in [header, *rows]).encode()


def as_text(connection):
    """Let every type come as the text that the server sent."""
    for oid in list(psycopg2.extensions.string_types):
        raw = psycopg2.extensions.new_type((oid,), "RAW", lambda value, cursor: value)
        psycopg2.extensions.register_type(raw, connection)
    return connection


def unique(columns):
    """The result's names, numbered where it has one already: the second `a` is `a_2`."""
    named = []
    for place, name in enumerate(columns):
        fresh, number = name, 2
        while fresh in named or (fresh != name and fresh in columns[place + 1:]):
            fresh, number = f"{name}_{number}", number + 1
        named.append(fresh)
    return named


def report(cluster, header, rows, sql, params):
    """The finished output: the input's columns, then the result's; one line with empty cells where no row is."""
    places = [header.index(name) for name in params]
    with contextlib.closing(as_text(cluster.connect(client_encoding="UTF8"))) as connection:
        cursor = connection.cursor()
        cursor.execute(f"PREPARE line AS {sql}")
        out, columns = [], None
        for row in rows:
            marks = ", ".join(["%s"] * len(places))
            cursor.execute(f"EXECUTE line({marks})" if places else "EXECUTE line", [row[i] for i in places] or None)
            columns = [column.name for column in cursor.description]
            results = cursor.fetchall() or [(None,) * len(columns)]
            out += [(*row, *result) for result in results]
    return csv_file([*header, *unique(columns)], out)
