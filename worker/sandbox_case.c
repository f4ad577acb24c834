#include "worker/sandbox_lib.h"

#include <locale.h>
#include <wctype.h>

#include <lauxlib.h>

#include "worker/object.h"

/* A locale that knows the letters of Unicode; 0 where the system has none. */
struct letters {
    locale_t locale;
};

static int free_letters(lua_State *L)
{
    struct letters *letters = lua_touserdata(L, 1);

    if (letters->locale != (locale_t)0)
        freelocale(letters->locale);
    return 0;
}

static void push_letters(lua_State *L)
{
    struct letters *letters = lua_newuserdatauv(L, sizeof(*letters), 0);

    letters->locale = (locale_t)0;
    object_set_collector(L, free_letters);
    letters->locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static bool is_ascii(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] >= 0x80)
            return false;
    return true;
}

/* The length of the UTF-8 character at text, 1 (and its byte) for what is none. */
static size_t decode_char(const unsigned char *text, size_t n, wint_t *char_out)
{
    static const wint_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t length = text[0] >= 0xf0 ? 4 : (text[0] >= 0xe0 ? 3 : 2);
    wint_t c;

    *char_out = text[0];
    if (text[0] < 0xc2 || text[0] > 0xf4 || n < length)
        return 1;
    c = text[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 1;
        c = c << 6 | (text[i] & 0x3f);
    }
    if (c < least[length])
        return 1;
    *char_out = c;
    return length;
}

static size_t encode_char(char *text, wint_t c)
{
    size_t length = c < 0x80 ? 1 : (c < 0x800 ? 2 : (c < 0x10000 ? 3 : 4));

    for (size_t i = length - 1; i > 0; i--) {
        text[i] = (char)(0x80 | (c & 0x3f));
        c >>= 6;
    }
    text[0] = (char)(length == 1 ? c : (c | (0xf00u >> length & 0xff)));
    return length;
}

static int change_case(lua_State *L, wint_t (*change)(wint_t, locale_t))
{
    const struct letters *letters = lua_touserdata(L, lua_upvalueindex(2));
    const char *text;
    luaL_Buffer buffer;
    size_t n, length;
    wint_t c;

    sandbox_text(L, 1);
    text = luaL_checklstring(L, 1, &n);
    if (letters->locale == (locale_t)0 || is_ascii(text, n))
        return sandbox_call_stock(L);
    luaL_buffinitsize(L, &buffer, n);
    for (; n != 0; text += length, n -= length) {
        length = decode_char((const unsigned char *)text, n, &c);
        if (length == 1 && c >= 0x80)
            luaL_addchar(&buffer, *text); /* not UTF-8: stays as it is */
        else
            luaL_addsize(&buffer, encode_char(luaL_prepbuffsize(&buffer, 4),
                                              change(c, letters->locale)));
    }
    luaL_pushresult(&buffer);
    return 1;
}

static int string_lower(lua_State *L)
{
    return change_case(L, towlower_l);
}

static int string_upper(lua_State *L)
{
    return change_case(L, towupper_l);
}

void sandbox_wrap_case(lua_State *L, bool upper)
{
    push_letters(L);
    lua_pushcclosure(L, upper ? string_upper : string_lower, 2);
}
