#include "common/series.h"

#include <stdlib.h>

#include "common/utf8.h"

static bool is_letter(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* May c stand at that place of a name? Labels have no colons. */
static bool fits(uint8_t c, size_t at, bool is_label)
{
    return is_letter(c) || (at > 0 && is_digit(c)) || (c == ':' && !is_label);
}

static uint8_t cleaned(struct bytes name, size_t at, bool is_label)
{
    return fits(name.data[at], at, is_label) ? name.data[at] : '_';
}

/* ---- writing --------------------------------------------------------------------- */

static bool append_name(struct buf *out, struct bytes name, bool is_label)
{
    for (size_t i = 0; i < name.n; i++) {
        uint8_t c = cleaned(name, i, is_label);

        if (!buf_append(out, &c, 1))
            return false;
    }
    return name.n != 0;
}

/* The bucket's bound is the exporter's own label. */
static struct bytes free_of_reserved(struct bytes name)
{
    static const uint8_t other[] = "exported_le";

    if (name.n != 2 || memcmp(name.data, "le", 2) != 0)
        return name;
    return (struct bytes){other, sizeof(other) - 1};
}

static bool append_value(struct buf *out, struct bytes value)
{
    static const char replacement[] = "\xef\xbf\xbd";
    size_t at = 0;

    while (at < value.n) {
        const char *text = (const char *)value.data + at;
        size_t n = utf8_sequence_bytes(text, value.n - at);
        bool ok;

        if (n == 0 || *text == '\0')
            ok = buf_append(out, replacement, sizeof(replacement) - 1);
        else if (*text == '\\' || *text == '"')
            ok = buf_append(out, "\\", 1) && buf_append(out, text, 1);
        else if (*text == '\n')
            ok = buf_append(out, "\\n", 2);
        else
            ok = buf_append(out, text, n);
        if (!ok)
            return false;
        at += n != 0 ? n : 1;
    }
    return true;
}

static int compare_names(struct bytes a, struct bytes b)
{
    for (size_t i = 0; i < a.n && i < b.n; i++) {
        int order = cleaned(a, i, true) - cleaned(b, i, true);

        if (order != 0)
            return order;
    }
    return (a.n > b.n) - (a.n < b.n);
}

static int compare_values(struct bytes a, struct bytes b)
{
    size_t n = a.n < b.n ? a.n : b.n;
    int order = n != 0 ? memcmp(a.data, b.data, n) : 0;

    return order != 0 ? order : (a.n > b.n) - (a.n < b.n);
}

/* By name as it will be, so that labels that become one stand side by side. */
static int compare_labels(const void *a, const void *b)
{
    const struct series_label *left = a, *right = b;
    int order = compare_names(left->name, right->name);

    return order != 0 ? order : compare_values(left->value, right->value);
}

static bool append_labels(struct buf *out, const struct series_label *labels, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && compare_names(labels[i].name, labels[i - 1].name) == 0)
            continue;
        if (!buf_append(out, i == 0 ? "{" : ",", 1) ||
            !append_name(out, labels[i].name, true) || !buf_append(out, "=\"", 2) ||
            !append_value(out, labels[i].value) || !buf_append(out, "\"", 1))
            return false;
    }
    return n == 0 || buf_append(out, "}", 1);
}

bool series_append(struct buf *out, struct bytes name, struct series_label *labels,
                   size_t n_labels)
{
    size_t before = buf_len(out);

    if (name.n == 0 || name.n > SERIES_MAX_BYTES || n_labels > SERIES_MAX_LABELS)
        return false;
    for (size_t i = 0; i < n_labels; i++) {
        if (labels[i].name.n == 0 || labels[i].name.n > SERIES_MAX_BYTES ||
            labels[i].value.n > SERIES_MAX_BYTES)
            return false;
        labels[i].name = free_of_reserved(labels[i].name);
    }
    if (n_labels > 1)
        qsort(labels, n_labels, sizeof(*labels), compare_labels);
    if (append_name(out, name, false) && append_labels(out, labels, n_labels) &&
        buf_len(out) - before <= SERIES_MAX_BYTES)
        return true;
    out->end = out->start + before;
    return false;
}

/* ---- checking -------------------------------------------------------------------- */

/* Bytes of a name at the start of text; 0 = there is none. */
static size_t name_bytes(struct bytes text, bool is_label)
{
    size_t n = 0;

    while (n < text.n && fits(text.data[n], n, is_label))
        n++;
    return n;
}

static bool skip(struct bytes *text, size_t n)
{
    if (n == 0 || n > text->n)
        return false;
    text->data += n;
    text->n -= n;
    return true;
}

static bool skip_byte(struct bytes *text, uint8_t c)
{
    return text->n != 0 && text->data[0] == c && skip(text, 1);
}

/* What lies between the quotes, and the quote behind it. */
static bool skip_value(struct bytes *text)
{
    while (text->n != 0 && text->data[0] != '"') {
        uint8_t c = text->data[0];
        size_t n = utf8_sequence_bytes((const char *)text->data, text->n);

        if (c == '\n' || c == '\0')
            return false;
        if (c == '\\') {
            n = 2;
            if (text->n < 2 || memchr("\\\"n", text->data[1], 3) == NULL)
                return false;
        }
        if (!skip(text, n))
            return false;
    }
    return skip_byte(text, '"');
}

/* Labels come in order, each once, none is the bucket's. */
static bool skip_label(struct bytes *text, struct bytes *last)
{
    struct bytes name = {text->data, name_bytes(*text, true)};

    if (!skip(text, name.n) || (name.n == 2 && memcmp(name.data, "le", 2) == 0))
        return false;
    if (last->n != 0 && compare_names(*last, name) >= 0)
        return false;
    *last = name;
    return skip_byte(text, '=') && skip_byte(text, '"') && skip_value(text);
}

bool series_check(struct bytes text, size_t *n_name_out)
{
    size_t n_name = name_bytes(text, false);
    struct bytes rest = text, last = {NULL, 0};

    if (text.n > SERIES_MAX_BYTES || !skip(&rest, n_name))
        return false;
    if (rest.n != 0) {
        if (!skip_byte(&rest, '{'))
            return false;
        do {
            if (!skip_label(&rest, &last))
                return false;
        } while (skip_byte(&rest, ','));
        if (!skip_byte(&rest, '}') || rest.n != 0)
            return false;
    }
    *n_name_out = n_name;
    return true;
}
