#include "supervisor/hops_private.h"

#include <string.h>

#include "proto/context_map.h"
#include "proto/frame.h"
#include "proto/value_codec.h"
#include "proto/value_skip.h"

#include "supervisor/interceptors.h"

bool hops_via_lists(struct bytes via, const char *id)
{
    size_t n = strlen(id);

    for (size_t at = 0; at < via.n;) {
        const uint8_t *end = memchr(via.data + at, '\n', via.n - at);
        size_t n_item = end != NULL ? (size_t)(end - via.data) - at : via.n - at;

        if (n_item == n && memcmp(via.data + at, id, n) == 0)
            return true;
        at += n_item + 1;
    }
    return false;
}

static bool put_text(struct buf *out, const char *text, size_t n)
{
    uint8_t head[3] = {0xda, (uint8_t)(n >> 8), (uint8_t)n};

    return n <= STR_MAX_BYTES && buf_append(out, head, sizeof(head)) &&
           buf_append(out, text, n);
}

static bool put_key(struct buf *out, const char *key)
{
    return put_text(out, key, strlen(key));
}

static bool put_attempt(struct buf *out, uint32_t attempt)
{
    uint8_t bytes[5] = {0xce};

    wire_put_u32(bytes + 1, attempt);
    return buf_append(out, bytes, sizeof(bytes));
}

static bool put_list_head(struct buf *out, uint32_t n)
{
    uint8_t bytes[5] = {0xdd};

    wire_put_u32(bytes + 1, n);
    return buf_append(out, bytes, sizeof(bytes));
}

static bool put_options(struct buf *out, const struct step *step,
                        const struct chain_link *link)
{
    static const struct value none = {.type = VALUE_MAP};
    const struct value *options = &step->options;

    return put_key(out, "options") &&
           value_encode(out, options->type == VALUE_MAP ? options : &none) &&
           (link->option == NULL ||
            (put_key(out, "option") &&
             value_encode(out, value_get(options, link->option))));
}

/* What the handler gets as arguments: a map of all that it is told about the call, then
 * the call's own arguments. attempt_at_out: from the start of out. */
static bool put_handler_args(struct buf *out, const struct step *step,
                             size_t *attempt_at_out)
{
    const struct chain_link *link = &step->chain->links[step->position];
    struct bytes root = context_map_find_text(step->context, HOPS_ROOT), values;
    uint8_t head, graph;
    uint32_t n;

    if (!payload_split(step->args, &graph, &n, &values) || n == UINT32_MAX)
        return false;
    if (root.n == 0)
        root = bytes_of_text("process");
    head = (uint8_t)(0x80 | (link->n_head + 3 + (link->option != NULL)));
    if (!buf_append(out, &graph, 1) || !put_list_head(out, n + 1) ||
        !buf_append(out, &head, 1) || !put_key(out, "attempt"))
        return false;
    *attempt_at_out = buf_len(out) + 1;
    return put_attempt(out, step->attempt) &&
           buf_append(out, buf_head(&link->head), buf_len(&link->head)) &&
           put_key(out, "root") && put_text(out, (const char *)root.data, root.n) &&
           put_options(out, step, link) && buf_append(out, values.data, values.n);
}

/* The handler's own context: its calls don't come back to it, nor to those outside. No
 * id is in both lists, as those of the first were skipped. */
static bool put_handler_context(struct buf *out, const struct step *step)
{
    struct bytes before = context_map_find_text(step->context, HOPS_VIA);
    struct buf via;
    bool done;

    if (before.n == 0)
        return context_map_put_text(out, step->context, HOPS_VIA, step->active);
    buf_init(&via, 0);
    done = buf_append(&via, before.data, before.n) &&
           buf_append(&via, step->active.data, step->active.n) &&
           context_map_put_text(out, step->context, HOPS_VIA, buf_bytes(&via));
    buf_finish(&via);
    return done;
}

bool hops_put_handler_frame(struct buf *out, const struct step *step,
                            uint32_t *attempt_at_out)
{
    const char *id = step->chain->links[step->position].id;
    struct frame_call frame = {.caller = step->caller, .target = bytes_of_text(id)};
    struct buf context, args;
    size_t attempt_at;
    bool done;

    buf_init(&context, 0);
    buf_init(&args, 0);
    done = put_handler_context(&context, step) &&
           put_handler_args(&args, step, &attempt_at);
    if (done) {
        frame.context = buf_bytes(&context);
        frame.args = buf_bytes(&args);
        done = frame_encode_call(out, &frame);
        *attempt_at_out =
            (uint32_t)(buf_len(out) - FRAME_HEADER_BYTES - buf_len(&args) + attempt_at);
    }
    buf_finish(&context);
    buf_finish(&args);
    return done;
}

bool hops_put_target_frame(struct buf *out, const struct step *step)
{
    struct frame_call frame = {.caller = step->caller,
                               .target = step->target,
                               .context = step->context,
                               .args = step->args};

    return frame_encode_call(out, &frame);
}

bool hops_take_handler_args(struct bytes body, struct buf *args,
                            struct value *options_out)
{
    struct bytes values, head;
    struct frame_call frame;
    struct value map = {0};
    const struct value *options;
    uint8_t graph;
    uint32_t n;

    if (frame_decode_call(body, &frame, NULL) == -1 ||
        !payload_split(frame.args, &graph, &n, &values) || n == 0 ||
        !value_skip(&values, &head) || !buf_append(args, &graph, 1) ||
        !put_list_head(args, n - 1) || !buf_append(args, values.data, values.n) ||
        value_decode(head.data, head.n, NULL, &map, NULL) == -1)
        return false;
    options = value_get(&map, "options");
    *options_out = options != NULL ? value_copy(options) : (struct value){0};
    value_finish(&map);
    return true;
}
