#include "common/luac_head.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"

#define FORMAT 1 /* counts up with every change of what a compiled chunk expects */

enum head_at {
    AT_MAGIC = 0,
    AT_FORMAT = 8,
    AT_INT,
    AT_SIZE,
    AT_INTEGER,
    AT_NUMBER,
    AT_ORDER,
    AT_LUA = 16, /* text, the rest is zero */
};

static const char magic[AT_FORMAT] = "\x1bTroupe";

void luac_head_write(uint8_t out[LUAC_HEAD_BYTES])
{
    const uint16_t order = 1;

    memset(out, 0, LUAC_HEAD_BYTES);
    memcpy(out, magic, sizeof(magic));
    out[AT_FORMAT] = FORMAT;
    out[AT_INT] = sizeof(int);
    out[AT_SIZE] = sizeof(size_t);
    out[AT_INTEGER] = sizeof(long long);
    out[AT_NUMBER] = sizeof(double);
    out[AT_ORDER] = *(const uint8_t *)&order;
    snprintf((char *)out + AT_LUA, LUAC_HEAD_BYTES - AT_LUA, "%s", TROUPE_LUA_VERSION);
}

bool luac_head_matches(struct bytes file)
{
    uint8_t head[LUAC_HEAD_BYTES];

    luac_head_write(head);
    return file.n >= sizeof(head) && memcmp(file.data, head, sizeof(head)) == 0;
}

void luac_head_describe(struct bytes file, char *out, size_t out_bytes)
{
    char lua[LUAC_HEAD_BYTES - AT_LUA + 1] = "";

    if (file.n < LUAC_HEAD_BYTES || memcmp(file.data, magic, sizeof(magic)) != 0) {
        snprintf(out, out_bytes, "no bytecode of ours");
        return;
    }
    memcpy(lua, file.data + AT_LUA, LUAC_HEAD_BYTES - AT_LUA);
    for (char *at = lua; *at != '\0'; at++)
        if (*at < ' ' || *at > '~')
            *at = '?';
    snprintf(out, out_bytes, "Lua %s, form %u, %u bits", lua, file.data[AT_FORMAT],
             8u * file.data[AT_SIZE]);
}
