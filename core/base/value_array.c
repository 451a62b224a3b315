#include "value.h"

/* Arrays as text (PostgreSQL docs 8.15.6): "{", elements or arrays with commas between them, "}"; before it the bounds,
 * "[2:3]=", where a dimension does not begin at 1. An element that is not plain stands in double quotes, with a
 * backslash before each quote and backslash. */

/* --- reading ----------------------------------------------------------------------------------------- */

static const char *skip_blanks(const char *at, const char *end) {
    while (at < end && hf_is_blank(*at)) {
        at++;
    }
    return at;
}

/* Behind the element at `at`, which is quoted or ends before a comma, a brace or the end; NULL: it is malformed. */
static const char *skip_element(const char *at, const char *end) {
    const bool quoted = at < end && *at == '"';
    const char *last = NULL; /* behind what is no blank, or one behind a backslash */

    at += quoted;
    while (at < end && (quoted ? *at != '"' : !memchr(",{}\"", *at, 4))) {
        const bool escaped = *at == '\\';
        if (escaped && ++at == end) {
            return NULL;
        }
        at++;
        last = escaped || !hf_is_blank(at[-1]) ? at : last;
    }
    if (quoted) {
        return at < end ? at + 1 : NULL;
    }
    return last;
}

/* A subscript of "[2:3]=". */
static bool take_subscript(const char **at, const char *end, int32_t *out) {
    const char *from = *at;
    int64_t number;

    while (*at < end && (**at == '-' || **at == '+' || (**at >= '0' && **at <= '9'))) {
        ++*at;
    }
    if (!hf_value_integer((hf_value){ from, (size_t)(*at - from) }, INT32_MIN, INT32_MAX,
                          &number)) {
        return false;
    }
    *out = (int32_t)number;
    return true;
}

/* The bounds before the first brace, into from and, as sizes, into *said. NULL: they are malformed. */
static const char *take_bounds(hf_array *array, const char *at, const char *end, unsigned *n_said,
                               int64_t said[HF_ARRAY_DIMENSIONS]) {
    for (*n_said = 0; at < end && *at == '['; at++, ++*n_said) {
        int32_t last;
        if (*n_said == HF_ARRAY_DIMENSIONS) {
            return NULL;
        }
        at++;
        if (!take_subscript(&at, end, &array->from[*n_said])) {
            return NULL;
        }
        last = array->from[*n_said];
        if (at < end && *at == ':') {
            at++;
            if (!take_subscript(&at, end, &last)) {
                return NULL;
            }
        } else { /* "[3]=" is "[1:3]=" */
            array->from[*n_said] = 1;
        }
        said[*n_said] = (int64_t)last - array->from[*n_said] + 1;
        if (at == end || *at != ']') {
            return NULL;
        }
    }
    if (*n_said == 0) {
        return at;
    }
    at = skip_blanks(at, end);
    return at < end && *at == '=' ? skip_blanks(at + 1, end) : NULL;
}

/* One dimension of an array has been closed: it must have as many elements as the others of its kind. */
static bool close_dimension(hf_array *array, unsigned depth, uint32_t count, bool seen[]) {
    if (seen[depth] && array->sizes[depth] != count) {
        return false;
    }
    array->sizes[depth] = count;
    seen[depth] = true;
    return true;
}

/* Walks over the whole text from the first brace on: what is between, how deep, and how many. Returns where it ends, or
 * NULL, with why in *misfit. */
static const char *walk(hf_array *array, const char *at, const char *end, hf_misfit *misfit) {
    uint32_t counts[HF_ARRAY_DIMENSIONS] = { 0 };
    bool seen[HF_ARRAY_DIMENSIONS] = { false };
    unsigned depth = 0,
             deepest = 0; /* arrays that are open; … that the first element is in, 0: not known */
    bool after = false;   /* an element or array has just ended: a comma or brace follows */
    size_t count = 0;

    do {
        at = skip_blanks(at, end);
        if (at == end) {
            return NULL;
        }
        if (*at == '{' && !after && (deepest == 0 || depth < deepest)) {
            if (depth == HF_ARRAY_DIMENSIONS) {
                *misfit = HF_MISFIT_RANGE;
                return NULL;
            }
            counts[depth++] = 0;
            at++;
        } else if (*at == '}' && (after || (count == 0 && deepest == 0 && depth == 1))) {
            depth--;
            if (after && !close_dimension(array, depth, counts[depth], seen)) {
                return NULL;
            }
            after = true;
            counts[depth > 0 ? depth - 1 : 0] += depth > 0;
            at++;
        } else if (*at == ',' && after) {
            after = false;
            at++;
        } else if (!after && *at != ',' && *at != '}' && *at != '{' &&
                   (deepest == 0 || depth == deepest)) {
            deepest = depth;
            at = skip_element(at, end);
            if (!at) {
                return NULL;
            }
            counts[depth - 1]++;
            count++;
            after = true;
        } else {
            return NULL;
        }
    } while (depth > 0);
    array->n_dimensions = deepest;
    array->count = count;
    return skip_blanks(at, end);
}

hf_misfit hf_array_open(hf_array *array, hf_value value) {
    hf_array read = { .from = { 1, 1, 1, 1, 1, 1 } };
    int64_t said[HF_ARRAY_DIMENSIONS];
    hf_misfit misfit = HF_MISFIT_MALFORMED;
    unsigned n_said;

    if (!value.data) {
        return HF_MISFIT_NULL;
    }
    const char *const end = value.data + value.bytes;
    const char *at = take_bounds(&read, skip_blanks(value.data, end), end, &n_said, said);
    if (!at || at == end || *at != '{') {
        return misfit;
    }
    read.at = at;
    read.end = end;
    at = walk(&read, at, end, &misfit);
    if (!at) {
        return misfit;
    }
    if (at != end || (n_said > 0 && n_said != read.n_dimensions)) {
        return HF_MISFIT_MALFORMED;
    }
    for (unsigned i = 0; i < n_said; i++) {
        if (said[i] != read.sizes[i]) {
            return HF_MISFIT_MALFORMED;
        }
    }
    *array = read;
    return HF_FITS;
}

hf_misfit hf_array_next(hf_array *array, char *room, size_t size, hf_value *element) {
    const char *at = array->at, *const end = array->end;
    size_t bytes = 0;

    while (at < end && (memchr("{},", *at, 3) || hf_is_blank(*at))) {
        at++;
    }
    const char *behind = at < end ? skip_element(at, end) : NULL;
    if (!behind) {
        return HF_MISFIT_NULL; /* no element is left */
    }
    const bool quoted = *at == '"';
    const char *from = at + quoted, *to = behind - quoted;
    const size_t length = (size_t)(to - from);
    if (!quoted && hf_is_word(from, length, "null")) {
        *element = (hf_value){ 0 };
    } else if (!memchr(from, '\\', length)) {
        *element = (hf_value){ .data = from, .bytes = length };
    } else {
        for (; from < to; from++, bytes++) {
            from += *from == '\\';
            if (bytes == size) {
                return HF_MISFIT_ROOM;
            }
            room[bytes] = *from;
        }
        *element = (hf_value){ .data = room, .bytes = bytes };
    }
    array->at = behind;
    return HF_FITS;
}

/* --- writing ----------------------------------------------------------------------------------------- */

static void spoil(hf_array_writer *writer, hf_misfit misfit) {
    if (writer->misfit == HF_FITS) {
        writer->misfit = misfit;
    }
}

static void put(hf_array_writer *writer, char letter) {
    if (writer->length >= writer->size) {
        spoil(writer, HF_MISFIT_ROOM);
    } else {
        writer->out[writer->length++] = letter;
    }
}

static void open_dimension(hf_array_writer *writer) {
    if (writer->depth == HF_ARRAY_DIMENSIONS) {
        spoil(writer, HF_MISFIT_RANGE);
        return;
    }
    put(writer, '{');
    writer->counts[writer->depth++] = 0;
}

/* Begins the next element, or array, of the innermost array that is open. */
static void begin_next(hf_array_writer *writer) {
    if (writer->depth == 0) {
        spoil(writer, HF_MISFIT_MALFORMED);
        return;
    }
    if (writer->counts[writer->depth - 1]++ > 0) {
        put(writer, ',');
    }
}

hf_array_writer hf_array_begin(char *room, size_t size) {
    hf_array_writer writer = { .out = room, .size = size };

    open_dimension(&writer);
    return writer;
}

void hf_array_nest(hf_array_writer *writer) {
    if (writer->deepest > 0 && writer->depth >= writer->deepest) {
        spoil(writer, HF_MISFIT_MALFORMED); /* an array beside elements */
    }
    begin_next(writer);
    if (writer->misfit == HF_FITS) {
        open_dimension(writer);
    }
}

void hf_array_up(hf_array_writer *writer) {
    if (writer->depth < 2) {
        spoil(writer, HF_MISFIT_MALFORMED);
    }
    if (writer->misfit != HF_FITS) {
        return;
    }
    const unsigned depth = writer->depth - 1;
    const uint32_t count = writer->counts[depth];
    /* An array that is empty cannot be in another, and those of one dimension have as many elements. */
    if (count == 0 || (writer->sizes[depth] != 0 && writer->sizes[depth] != count)) {
        spoil(writer, HF_MISFIT_MALFORMED);
        return;
    }
    writer->sizes[depth] = count;
    writer->depth = depth;
    put(writer, '}');
}

/* Can the element stand there as it is? */
static bool is_plain(hf_value element) {
    if (element.bytes == 0 || hf_is_word(element.data, element.bytes, "null")) {
        return false;
    }
    for (size_t i = 0; i < element.bytes; i++) {
        if (memchr("\"\\{},", element.data[i], 5) || hf_is_blank(element.data[i])) {
            return false;
        }
    }
    return true;
}

void hf_array_put(hf_array_writer *writer, hf_value element) {
    hf_value text = element;

    if (writer->deepest > 0 && writer->depth != writer->deepest) {
        spoil(writer, HF_MISFIT_MALFORMED); /* an element beside arrays */
    }
    if (element.data && hf_put_text(element.data, element.bytes, &text) != HF_FITS) {
        spoil(writer, HF_MISFIT_MALFORMED);
    }
    begin_next(writer);
    if (writer->misfit != HF_FITS) {
        return;
    }
    writer->deepest = writer->depth;
    if (!element.data) {
        text = hf_text("NULL");
    }
    const bool plain = !element.data || is_plain(text);
    if (!plain) {
        put(writer, '"');
    }
    for (size_t i = 0; i < text.bytes; i++) {
        if (!plain && (text.data[i] == '"' || text.data[i] == '\\')) {
            put(writer, '\\');
        }
        put(writer, text.data[i]);
    }
    if (!plain) {
        put(writer, '"');
    }
}

hf_misfit hf_array_end(hf_array_writer *writer, hf_value *value) {
    if (writer->misfit == HF_FITS && writer->depth != 1) {
        spoil(writer, HF_MISFIT_MALFORMED);
    }
    put(writer, '}');
    if (writer->misfit == HF_FITS) {
        writer->depth = 0;
        *value = (hf_value){ .data = writer->out, .bytes = writer->length };
    }
    return writer->misfit;
}
