#include "worker/modules/mod_metrics.h"

#include <math.h>

#include <lauxlib.h>

#include "common/err.h"
#include "common/series.h"

#include "worker/frozen.h"
#include "worker/metrics.h"
#include "worker/modules/errors.h"
#include "worker/runtime.h"
#include "worker/text_at.h"
#include "worker/vm.h"

/* Only pairs of texts count. The texts belong to the table, which is an argument. One
 * label more than there may be says that there are too many. */
static size_t read_labels(lua_State *L, int idx,
                          struct series_label labels[SERIES_MAX_LABELS + 1])
{
    size_t n = 0;

    if (lua_isnoneornil(L, idx))
        return 0;
    luaL_checktype(L, idx, LUA_TTABLE);
    luaL_checkstack(L, 5, "too many labels");
    if (!frozen_push_contents(L, idx))
        lua_pushvalue(L, idx);
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING ||
            n > SERIES_MAX_LABELS)
            continue;
        labels[n++] = (struct series_label){text_at(L, -2), text_at(L, -1)};
    }
    lua_pop(L, 1);
    return n;
}

static int note(lua_State *L, enum metric_type type, bool is_set, double value,
                int labels_idx)
{
    struct metrics *metrics = vm_of(L)->rt->metrics;
    struct series_label labels[SERIES_MAX_LABELS + 1];
    size_t n_labels;

    luaL_checkstring(L, 1);
    n_labels = read_labels(L, labels_idx, labels);
    if (metrics == NULL)
        return errors_return(L, ERR_INTERNAL, "metrics collector not available");
    if (type != METRIC_COUNTER || (value >= 0 && isfinite(value)))
        metrics_note(metrics, type, text_at(L, 1), labels, n_labels, is_set, value);
    lua_pushboolean(L, true);
    lua_pushnil(L);
    return 2;
}

static int counter_inc(lua_State *L)
{
    return note(L, METRIC_COUNTER, false, 1, 2);
}

static int counter_add(lua_State *L)
{
    return note(L, METRIC_COUNTER, false, luaL_checknumber(L, 2), 3);
}

static int gauge_set(lua_State *L)
{
    return note(L, METRIC_GAUGE, true, luaL_checknumber(L, 2), 3);
}

static int gauge_inc(lua_State *L)
{
    return note(L, METRIC_GAUGE, false, 1, 2);
}

static int gauge_dec(lua_State *L)
{
    return note(L, METRIC_GAUGE, false, -1, 2);
}

static int histogram(lua_State *L)
{
    return note(L, METRIC_HISTOGRAM, false, luaL_checknumber(L, 2), 3);
}

int mod_metrics_open(lua_State *L)
{
    static const luaL_Reg functions[] = {{"counter_add", counter_add},
                                         {"counter_inc", counter_inc},
                                         {"gauge_dec", gauge_dec},
                                         {"gauge_inc", gauge_inc},
                                         {"gauge_set", gauge_set},
                                         {"histogram", histogram},
                                         {NULL, NULL}};

    luaL_newlib(L, functions);
    return 1;
}
