/*
 * limit_messages -- the fastest possible message between two coroutines of one process.
 *
 *     limit_messages SECONDS
 *
 * Two coroutines of one bare lua_State send each other a table of four fields,
 * ping-pong. Nothing is shared: C takes the table that one of them yields, writes it as
 * msgpack into a byte buffer, makes a new table out of the bytes, and resumes the other
 * one with it. The copy takes any flat table of strings, integers, floats and booleans;
 * it knows nothing about the fields beforehand. The receiver uses what it got (one
 * field goes on into its answer), so that nothing of the copy can be left out.
 *
 * What makes it the limit: no mailbox, no scheduler, one buffer for ever, the table
 * made with its final size. Prints one line of JSON; the first fifth is warm-up.
 */
#include <stdbool.h>

#include "common/clock.h"

#include "proto/frame.h"

#include "tests/bench/limit.h"

#define BUFFER_BYTES 4096
#define BATCH        1000 /* messages between two looks at the clock */

/* The same table that the product's actors exchange (tests/bench/app). */
static const char player_source[] = //
    "local yield = coroutine.yield\n"
    "return function(message)\n"
    "    while true do\n"
    "        message = yield({id = message.id + 1, kind = 'reading',\n"
    "                         value = 20.5, valid = true})\n"
    "    end\n"
    "end\n";

/* ---- Lua to bytes ---------------------------------------------------------------- */

struct writer {
    uint8_t *at;
    const uint8_t *end;
};

static void writer_need(const struct writer *writer, size_t n_bytes)
{
    if ((size_t)(writer->end - writer->at) < n_bytes)
        fail("message too long");
}

static void write_u64(struct writer *writer, uint8_t marker, uint64_t number)
{
    writer_need(writer, 9);
    writer->at[0] = marker;
    wire_put_u64(writer->at + 1, number);
    writer->at += 9;
}

static void write_string(struct writer *writer, const char *text, size_t n_bytes)
{
    writer_need(writer, 2 + n_bytes);
    if (n_bytes > 255)
        fail("string too long");
    writer->at[0] = 0xd9;
    writer->at[1] = (uint8_t)n_bytes;
    memcpy(writer->at + 2, text, n_bytes);
    writer->at += 2 + n_bytes;
}

static void write_number(struct writer *writer, lua_State *L, int index)
{
    uint64_t bits;
    double number;

    if (lua_isinteger(L, index)) {
        write_u64(writer, 0xd3, (uint64_t)lua_tointeger(L, index));
        return;
    }
    number = lua_tonumber(L, index);
    memcpy(&bits, &number, 8);
    write_u64(writer, 0xcb, bits);
}

static void write_value(struct writer *writer, lua_State *L, int index)
{
    size_t n_bytes;
    const char *text;

    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &n_bytes);
        write_string(writer, text, n_bytes);
        break;
    case LUA_TNUMBER:
        write_number(writer, L, index);
        break;
    case LUA_TBOOLEAN:
        writer_need(writer, 1);
        *writer->at++ = lua_toboolean(L, index) ? 0xc3 : 0xc2;
        break;
    default:
        fail("only flat tables");
    }
}

/* Encodes the table on top of L's stack; leaves it there. */
static void write_table(struct writer *writer, lua_State *L)
{
    uint8_t *head = writer->at;
    unsigned n_fields = 0;

    writer_need(writer, 1);
    writer->at++;
    for (lua_pushnil(L); lua_next(L, -2) != 0; lua_pop(L, 1)) {
        write_value(writer, L, -2);
        write_value(writer, L, -1);
        n_fields++;
    }
    if (n_fields > 15)
        fail("too many fields");
    *head = (uint8_t)(0x80 | n_fields);
}

/* ---- bytes to Lua ---------------------------------------------------------------- */

struct reader {
    const uint8_t *at;
    const uint8_t *end;
};

static const uint8_t *reader_take(struct reader *reader, size_t n_bytes)
{
    const uint8_t *at = reader->at;

    if ((size_t)(reader->end - at) < n_bytes)
        fail("message too short");
    reader->at += n_bytes;
    return at;
}

static void push_float(lua_State *L, uint64_t bits)
{
    double number;

    memcpy(&number, &bits, 8);
    lua_pushnumber(L, number);
}

static void push_value(lua_State *L, struct reader *reader)
{
    uint8_t marker = *reader_take(reader, 1);
    size_t n_bytes;

    switch (marker) {
    case 0xd9:
        n_bytes = *reader_take(reader, 1);
        lua_pushlstring(L, (const char *)reader_take(reader, n_bytes), n_bytes);
        break;
    case 0xd3:
        lua_pushinteger(L, (lua_Integer)wire_get_u64(reader_take(reader, 8)));
        break;
    case 0xcb:
        push_float(L, wire_get_u64(reader_take(reader, 8)));
        break;
    case 0xc2:
    case 0xc3:
        lua_pushboolean(L, marker == 0xc3);
        break;
    default:
        fail("bad marker");
    }
}

static void push_table(lua_State *L, struct reader *reader)
{
    unsigned n_fields = *reader_take(reader, 1) & 15u;

    lua_createtable(L, 0, (int)n_fields);
    for (unsigned i = 0; i < n_fields; i++) {
        push_value(L, reader);
        push_value(L, reader);
        lua_rawset(L, -3);
    }
}

/* ---- the exchange ---------------------------------------------------------------- */

/* Takes the table that from has yielded over to a new one on to's stack. */
static void message_copy(lua_State *from, lua_State *to)
{
    uint8_t buffer[BUFFER_BYTES];
    struct writer writer = {buffer, buffer + sizeof(buffer)};
    struct reader reader = {buffer, NULL};

    write_table(&writer, from);
    lua_pop(from, 1);
    reader.end = writer.at;
    push_table(to, &reader);
}

static void exchange(lua_State *L, lua_State *players[2], unsigned n_messages)
{
    for (unsigned i = 0; i < n_messages; i++) {
        message_copy(players[i & 1], players[~i & 1]);
        coroutine_resume(players[~i & 1], L, 1);
    }
}

static void start_players(lua_State *L, lua_State *players[2])
{
    for (int i = 0; i < 2; i++)
        players[i] = coroutine_create(L, player_source);
    lua_createtable(players[0], 0, 1);
    lua_pushinteger(players[0], 0);
    lua_setfield(players[0], -2, "id");
    coroutine_resume(players[0], L, 1);
}

int main(int argc, char **argv)
{
    double seconds = argc == 2 ? strtod(argv[1], NULL) : 0;
    int64_t now_ns, from_ns, until_ns, began_ns = 0;
    uint64_t n_messages = 0;
    lua_State *players[2];
    lua_State *L = luaL_newstate();

    if (seconds <= 0) {
        fprintf(stderr, "usage: limit_messages SECONDS\n");
        return 2;
    }
    luaL_openlibs(L);
    start_players(L, players);
    now_ns = clock_monotonic_ns();
    from_ns = now_ns + (int64_t)(seconds * 0.2e9);
    until_ns = now_ns + (int64_t)(seconds * 1e9);
    for (; now_ns < until_ns; now_ns = clock_monotonic_ns()) {
        if (now_ns >= from_ns && began_ns == 0)
            began_ns = now_ns;
        exchange(L, players, BATCH);
        n_messages += began_ns != 0 ? BATCH : 0;
    }
    printf("{\"messages_per_s\": %.0f}\n",
           (double)n_messages * 1e9 / (double)(now_ns - began_ns));
    lua_close(L);
    return 0;
}
