#include "proto/value_skip.h"

#define FIRST_ROW 0xc0
#define N_ROWS    0x20

/* What follows the markers 0xC0 … 0xDF. */
static const struct {
    uint8_t length_bytes; /* of a length, or of a count */
    uint8_t fixed_bytes;  /* besides what the length says */
    uint8_t n_per_item;   /* values for each of the count; 0: it is a length */
    bool invalid;
} rows[N_ROWS] = {
    [0x01] = {.invalid = true}, [0x04] = {1, 0, 0, false}, [0x05] = {2, 0, 0, false},
    [0x06] = {4, 0, 0, false},  [0x07] = {1, 1, 0, false}, [0x08] = {2, 1, 0, false},
    [0x09] = {4, 1, 0, false},  [0x0a] = {0, 4, 0, false}, [0x0b] = {0, 8, 0, false},
    [0x0c] = {0, 1, 0, false},  [0x0d] = {0, 2, 0, false}, [0x0e] = {0, 4, 0, false},
    [0x0f] = {0, 8, 0, false},  [0x10] = {0, 1, 0, false}, [0x11] = {0, 2, 0, false},
    [0x12] = {0, 4, 0, false},  [0x13] = {0, 8, 0, false}, [0x14] = {0, 2, 0, false},
    [0x15] = {0, 3, 0, false},  [0x16] = {0, 5, 0, false}, [0x17] = {0, 9, 0, false},
    [0x18] = {0, 17, 0, false}, [0x19] = {1, 0, 0, false}, [0x1a] = {2, 0, 0, false},
    [0x1b] = {4, 0, 0, false},  [0x1c] = {2, 0, 1, false}, [0x1d] = {4, 0, 1, false},
    [0x1e] = {2, 0, 2, false},  [0x1f] = {4, 0, 2, false},
};

/* One value's head: how many bytes of it follow, and how many values. */
struct head {
    uint64_t n_bytes, n_values;
};

static void read_small(uint8_t marker, struct head *out)
{
    *out = (struct head){0};
    if (marker >= 0x80 && marker <= 0x8f)
        out->n_values = 2 * (uint64_t)(marker & 0x0f);
    else if (marker >= 0x90 && marker <= 0x9f)
        out->n_values = marker & 0x0f;
    else if (marker >= 0xa0 && marker <= 0xbf)
        out->n_bytes = marker & 0x1f;
}

static bool take(struct bytes *rest, uint64_t n)
{
    if (n > rest->n)
        return false;
    rest->data += n;
    rest->n -= (size_t)n;
    return true;
}

static bool read_head(struct bytes *rest, struct head *out)
{
    uint64_t length = 0;
    uint8_t marker;
    unsigned row;

    if (rest->n == 0)
        return false;
    marker = rest->data[0];
    take(rest, 1);
    if (marker < FIRST_ROW || marker >= FIRST_ROW + N_ROWS) {
        read_small(marker, out);
        return true;
    }
    row = marker - FIRST_ROW;
    if (rows[row].invalid || rest->n < rows[row].length_bytes)
        return false;
    for (unsigned i = 0; i < rows[row].length_bytes; i++)
        length = length << 8 | rest->data[i];
    take(rest, rows[row].length_bytes);
    out->n_bytes = rows[row].fixed_bytes + (rows[row].n_per_item == 0 ? length : 0);
    out->n_values = length * rows[row].n_per_item;
    return true;
}

bool value_skip(struct bytes *rest, struct bytes *value_out)
{
    struct bytes left = *rest;
    struct head head;
    uint64_t n_open = 1; /* each one costs a byte at least: no overflow */

    while (n_open != 0) {
        if (n_open > left.n || !read_head(&left, &head) || !take(&left, head.n_bytes))
            return false;
        n_open += head.n_values - 1;
    }
    *value_out = (struct bytes){rest->data, rest->n - left.n};
    *rest = left;
    return true;
}

bool payload_split(struct bytes payload, uint8_t *graph_out, uint32_t *n_values_out,
                   struct bytes *values_out)
{
    struct bytes rest = payload;
    struct head head;
    uint8_t marker;

    *graph_out = 0;
    *n_values_out = 0;
    *values_out = rest;
    if (payload.n == 0)
        return true;
    if (payload.n < 2 || payload.data[0] > 1)
        return false;
    *graph_out = payload.data[0];
    take(&rest, 1);
    marker = rest.data[0];
    if (!((marker >= 0x90 && marker <= 0x9f) || marker == 0xdc || marker == 0xdd) ||
        !read_head(&rest, &head))
        return false;
    *n_values_out = (uint32_t)head.n_values;
    *values_out = rest;
    return true;
}
