#include "supervisor/worker_private.h"

#include <stdio.h>
#include <unistd.h>

#include "common/err.h"
#include "common/mem.h"
#include "common/value.h"

#include "proto/conn.h"
#include "proto/frame.h"
#include "proto/value_codec.h"

static int on_hello(struct worker *w, struct bytes body, struct err *err)
{
    struct frame_hello frame;

    if (frame_decode_hello(body, &frame, err) == -1)
        return -1;
    if (frame.version != PROTO_VERSION)
        return err_set(err, ERR_INVALID, "it speaks protocol version %u, not %d",
                       frame.version, PROTO_VERSION);
    worker_step(w, WEV_HELLO);
    return 0;
}

static int on_ready(struct worker *w, struct bytes body, struct err *err)
{
    struct frame_ready frame;

    if (frame_decode_ready(body, &frame, err) == -1)
        return -1;
    worker_step(w, WEV_READY);
    return 0;
}

static int on_failed(struct worker *w, struct bytes body, struct err *err)
{
    struct frame_failed frame;
    struct err why;

    if (frame_decode_failed(body, &frame, err) == -1 ||
        error_decode(frame.error, &why, err) == -1)
        return -1;
    worker_step(w, WEV_FAILED);
    if (w->priv->refused || w->priv->why[0] != '\0')
        return 0;
    snprintf(w->priv->why, sizeof(w->priv->why), "failed to start: %.200s", why.text);
    if (w->priv->owner->on_failed != NULL)
        w->priv->owner->on_failed(w->priv->owner_context, w, &why);
    return 0;
}

#define FIGURES_MAX_WEIGHT 16384
#define FIGURE_MOST        (INT64_C(1) << 52) /* of a worker; so that sums are numbers */

static void tame_figures(struct value *figures)
{
    for (size_t i = 0; figures->type == VALUE_MAP && i < figures->as.map.n; i++) {
        struct value *figure = &figures->as.map.pairs[i].value;

        if (figure->type == VALUE_INT &&
            (figure->as.integer < 0 || figure->as.integer > FIGURE_MOST))
            figure->as.integer = 0;
    }
}

static int on_pong(struct worker *w, struct bytes body, struct err *err)
{
    struct frame_pong frame;
    struct value figures;

    if (frame_decode_pong(body, &frame, err) == -1)
        return -1;
    if (frame.seq > w->priv->workers->beat)
        return err_set(err, ERR_INVALID, "it answers a PING that was never sent");
    if (value_decode_bounded(frame.figures, FIGURES_MAX_WEIGHT, &figures, err) == -1)
        return -1;
    tame_figures(&figures);
    if (w->figures == NULL)
        w->figures = xcalloc(1, sizeof(*w->figures));
    value_finish(w->figures);
    *w->figures = figures;
    w->n_actors = (uint32_t)value_get_int(&figures, "actors", w->n_actors);
    w->last_pong_at_ns = worker_now_ns();
    return 0;
}

static int on_map(struct worker *w, struct bytes body, struct err *err)
{
    struct frame_map frame;
    struct frame_mapped answer;
    int fd = -1;

    if (frame_decode_map(body, &frame, err) == -1)
        return -1;
    if (frame.index < PID_MAX_WORKERS)
        fd = worker_table_open_readonly(&w->priv->workers->tables[frame.index]);
    if (fd != -1 && !conn_attach_fd(w->conn, fd)) {
        conn_flush(w->conn); /* sixteen are waiting: make room */
        if (!conn_attach_fd(w->conn, fd)) {
            close(fd);
            fd = -1;
        }
    }
    answer = (struct frame_mapped){.index = frame.index, .found = fd != -1};
    if (frame_encode_mapped(conn_out(w->conn), &answer))
        conn_wrote(w->conn);
    else
        conn_shutdown(w->conn); /* it would wait for ever for this answer */
    if (fd != -1)
        close(fd);
    return 0;
}

static int (*const own_frames[FRAME_MAP + 1])(struct worker *w, struct bytes body,
                                              struct err *err) = {
    [FRAME_HELLO] = on_hello, [FRAME_READY] = on_ready, [FRAME_FAILED] = on_failed,
    [FRAME_PONG] = on_pong,   [FRAME_MAP] = on_map,
};

int worker_on_frame(void *context, uint8_t type, struct bytes body, struct err *err)
{
    struct worker *w = context;
    int outcome;

    if (w->state == WORKER_STARTING && type != FRAME_HELLO)
        return err_set(err, ERR_INVALID, "its first frame is %s", frame_name(type));
    if (type < N_ELEMENTS(own_frames) && own_frames[type] != NULL) {
        outcome = own_frames[type](w, body, err);
        if (w->priv->refused)
            outcome = err_set(err, ERR_INVALID, "it sent %s while %s", frame_name(type),
                              worker_state_name(w->state));
    } else {
        outcome = w->priv->workers->hooks.on_frame(w->sup, w, type, body, err);
    }
    if (outcome == -1)
        err->kind = ERR_INVALID; /* whatever it was: the conn's reason says hostile */
    return outcome;
}
