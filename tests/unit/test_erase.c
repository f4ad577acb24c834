#include "worker/erase.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"

#include "tests/unit/unit.h"

struct row {
    const char *source, *want;
};

static void check_row(const char *source, const char *want)
{
    struct erased erased = {0}, again = {0};
    struct err err = {0};

    if (erase_types(source, strlen(source), "c", &erased, &err) == -1)
        ck_abort_msg("%s\n%s", source, err.text);
    ck_assert_msg(strcmp(erased.text, want) == 0, "source: %s\nwant:   %s\ngot:    %s",
                  source, want, erased.text);
    ck_assert_uint_eq(erased.n_bytes, strlen(want));
    ck_assert_msg(erase_types(erased.text, erased.n_bytes, "c", &again, &err) == 0,
                  "again: %s\n%s", erased.text, err.text);
    ck_assert_str_eq(again.text, erased.text); /* plain Lua stays as it is */
    erased_finish(&erased);
    erased_finish(&again);
}

/* Every form of the type grammar (TYPE-02). */
static const char *const types[] = {
    "nil",
    "true",
    "false",
    "function",
    "\"on\"",
    "'\\q'",
    "[[long]]",
    "42",
    "0x1F",
    "2.5e3",
    "any",
    "string",
    "T",
    "lib.T",
    "a.b.c.T",
    "List<T>",
    "Map<string, lib.V>",
    "Map<string, List<T>>",
    "Map<string, List<List<T>>>",
    "table<string, number>",
    "{}",
    "{T}",
    "{ T }",
    "{[string]: T}",
    "{[string]: {[number]: T}}",
    "{name: T}",
    "{name: T, side?: number}",
    "{name: T, side ?: number,}",
    "{type: T, as: T, is: U, end: V, fun: W}",
    "{n: number @min(0) @max(10), s: string @pattern(\"..\")}",
    "{n: A | B @min(0)}",
    "{[string]: T, name: U}",
    "readonly {T}",
    "readonly {a: T}",
    "readonly {[string]: T}",
    "interface {}",
    "interface {a: T, b?: U}",
    "() -> ()",
    "() -> T",
    "(T) -> U",
    "(T, U) -> V",
    "(a: T, b: U) -> (V, W)",
    "(a?: T) -> ()",
    "(T, ...any) -> T",
    "(...any) -> T",
    "(...: any) -> T",
    "(T) -> (U) -> V",
    "(T) -> (U, V) -> W",
    "(cb: (string) -> ()) -> ()",
    "(T) -> U | nil",
    "(T) -> (U)",
    "(T)",
    "((T))",
    "(A | B)[]",
    "((T) -> U)?",
    "fun()",
    "fun(T): U",
    "fun(a: T, b: U): (V, W)",
    "fun(): ()",
    "asserts x",
    "asserts x is T",
    "asserts x is {a: T}",
    "typeof(x)",
    "typeof(f(1)[2].y:z(\"q\"))",
    "typeof(function(a: T): U return (a :: T)! end)",
    "keyof(T)",
    "keyof({a: T})[]",
    "T[]",
    "T[][]",
    "T[K]",
    "T[\"name\"]",
    "T[keyof(T)]",
    "T @len(1) []",
    "T?",
    "T??",
    "T[]?",
    "{T}?",
    "A | B",
    "A & B",
    "A | B & C | nil",
    "\"a\" | \"b\" | 3",
    "A? | B?",
    "string @min_len(1 + 2) @max_len(#x)",
    "string @email",
    "string @email()",
    "number @min(0) @max(10)?",
    "A extends B ? C : D",
    "A extends B? ? C : D",
    "A extends {B} ? C? : D?",
    "A extends B ? C extends D ? E : F : G",
    "A extends B ? C : D extends E ? F : G",
    "(A extends B ? C : D)[]",
    "{a: A extends B ? (C) : D, b: E}",
    "fun | as | is | interface | readonly | typeof | asserts | keyof | T",
};

static void check_type_at(const char *before, const char *type, const char *behind,
                          const char *want_before, const char *want_behind)
{
    char source[512], want[512], blanks[256];
    size_t n = strlen(type);

    memset(blanks, ' ', n);
    blanks[n] = '\0';
    snprintf(source, sizeof(source), "%s%s%s", before, type, behind);
    snprintf(want, sizeof(want), "%s%s%s", want_before, blanks, want_behind);
    check_row(source, want);
}

START_TEST(eraser_blanks_every_form_of_type)
{
    const char *type = types[_i];

    check_type_at("local a: ", type, " = 1", "local a  ", " = 1");
    check_type_at("local a:", type, "\n(g)()", "local a ", "\n(g)()");
    check_type_at("local a, b :", type, ", c", "local a, b  ", ", c");
    check_type_at("f(function(a: ", type, ") end)", "f(function(a  ", ") end)");
    check_type_at("function f(a, ...: ", type, ") end", "function f(a, ...  ", ") end");
    check_type_at("function f(): ", type, " a = 1 end", "function f()  ", " a = 1 end");
    check_type_at("function f(): ", type, "\n(g)() end", "function f()  ",
                  "\n(g)() end");
    check_type_at("function f(): A, ", type, " return 1 end", "function f()     ",
                  " return 1 end");
    check_type_at("x() type X = ", type, "\n(g)()", "x() ;        ", "\n(g)()");
    check_type_at("type X<A, B: ", type, "> = A", ";            ", "     ");
    check_type_at("x = y as ", type, "\nz = 1", "x = y    ", "\nz = 1");
    check_type_at("x = y :: ", type, " + 1", "x = y    ", " + 1");
    check_type_at("f::<A, ", type, ">(x)", "f      ", " (x)");
    check_type_at("interface I a: ", type, " function m(b: T): U end",
                  ";              ", "                        ");
}
END_TEST

static const struct row rows[] = {
    {"", ""},
    {"\xEF\xBB\xBFlocal a", "   local a"},
    {"#!/usr/bin/lua\nf()", "              \nf()"},
    {"-- only a comment", "-- only a comment"},

    /* TYPE-01: where annotations stand */
    {"function f(n: integer, cb: (string) -> (), ...: any) end",
     "function f(n         , cb                , ...     ) end"},
    {"function f(a?: T, b ?: U) end", "function f(a    , b     ) end"},
    {"function a.b.c:m(x: T): T, U return x end",
     "function a.b.c:m(x   )       return x end"},
    {"local function f(): () end", "local function f()     end"},
    {"local function f(): (T) end", "local function f()      end"},
    {"local function f(): (T, U) end", "local function f()         end"},
    {"local a: T, b: U? = f()", "local a   , b     = f()"},
    {"local a: T", "local a   "},
    {"local a <const>: T, b: U <close> = 1, 2",
     "local a <const>   , b    <close> = 1, 2"},
    {"local a: number <const> = 1", "local a         <const> = 1"},
    {"local a: A | B<C> <const> = 1", "local a           <const> = 1"},
    {"local a: () -> T <close> = f()", "local a          <close> = f()"},
    {"local a: {T <close>}", "local a             "},
    {"local a: T= 5", "local a   = 5"},
    {"local a: List<T>= 5", "local a         = 5"},
    {"local a: List<List<T>>= 5", "local a               = 5"},
    {"local a: T?= 5", "local a    = 5"},
    {"type Job = {\n  id: integer, -- why\n  data: {[string]: any},\n}\nf()",
     ";           \n                     \n                        \n \nf()"},
    {"type Pair<A, B: Base<A>> = {A, B}", ";                                "},
    {"interface Shape: Base, Other  name: string  side?: number\n"
     "  function area(self: any): number end f()",
     ";                                                        \n"
     "                                       f()"},
    {"interface Box<T> get: () -> T, type: T function map<U>(f: U) end",
     ";                                                               "},
    {"interface I end", ";              "},
    {"function map<T, U: Bound>(a: {T}): {U} end",
     "function map             (a     )      end"},
    {"local function f<T>(a: T) end", "local function f   (a   ) end"},
    {"x = function<T>(a: T): T end", "x = function   (a   )    end"},
    {"function a:b<T>() end", "function a:b   () end"},
    {"f::<T>(x)", "f     (x)"},
    {"y = obj:m::<T, List<U>>(x)", "y = obj:m              (x)"},
    {"y = f::<T>{x} .. g :: <T> 'x'", "y = f     {x} .. g        'x'"},

    /* casts */
    {"x = a as T + b :: U ^ c!", "x = a      + b      ^ c "},
    {"x = -a as T", "x = -a     "},
    {"x = (u!).name", "x = (u ).name"},
    {"x = a! == b", "x = a  == b"},
    {"x = a!==b", "x = a ==b"},
    {"x = a as T as U :: V!!", "x = a                 "},
    {"x = {} as T", "x = {}     "},
    {"x = function() end as T", "x = function() end     "},
    {"x = 'a' as string .. 1 as number", "x = 'a'           .. 1          "},
    {"if a as number < 3 then end", "if a           < 3 then end"},
    {"if a as T < -b then end", "if a      < -b then end"},
    {"x = a as function", "x = a            "},
    {"x = a as (T) -> U", "x = a            "},
    {"x = a\nas T", "x = a\n    "},
    {"x = a as\nT", "x = a   \n "},
    {"x = a -- b\nas T", "x = a -- b\n    "},
    {"x = a --[[@as T]]", "x = a --[[@as T]]"},

    /* a cast of what yields many values truncates (TYPE-21) */
    {"return f() as T", "return(f() )   "},
    {"return\nf() as T", "return\n(f() )   "},
    {"return a, f()!", "return a,(f())"},
    {"return f()!, a", "return f() , a"},
    {"return ... as T", "return(... )   "},
    {"return ...::T", "return(...)  "},
    {"return f()! + 1", "return f()  + 1"},
    {"return -f()!", "return -f() "},
    {"return (f())!", "return (f()) "},
    {"return a.b!", "return a.b "},
    {"return a[f()!]", "return a[f() ]"},
    {"g(a, f() as T)", "g(a,(f() )   )"},
    {"g(f() as T)", "g((f() )   )"},
    {"g{f()!}", "g{(f())}"},
    {"g{ f()!, }", "g{(f()), }"},
    {"g{ f()!; a }", "g{ f() ; a }"},
    {"g{ k = f()!, [1] = f()! }", "g{ k = f() , [1] = f()  }"},
    {"x = f():m'a' as T", "x =(f():m'a' )   "},
    {"for k in f() as T do end", "for k in(f() )    do end"},
    {"for i = f()!, g()! do end", "for i = f() , g()  do end"},
    {"x = f::<T>()!", "x =(f     ())"},
    {"local x: T = f(g() as U) as T", "local x    =(f((g() )   ) )   "},

    /* what a cast ends must not go on in plain Lua */
    {"x = a as T\n(g)()", "x = a    ;\n(g)()"},
    {"x = a!\n(g)()", "x = a;\n(g)()"},
    {"x = f()!\n(g)()", "x =(f());\n(g)()"},
    {"x = f() as T (g)()", "x =(f() )  ; (g)()"},
    {"repeat until a! (g)()", "repeat until a; (g)()"},
    {"x = a as T (g)() type X = T (h)()", "x = a    ; (g)() ;          (h)()"},
    {"x = a!\ny = (g)()", "x = a \ny = (g)()"},

    /* TYPE-20: ambiguities */
    {"f()\ntype X = T\n(g)()", "f()\n;         \n(g)()"},
    {"function f(): T (g)() end", "function f()    (g)() end"},
    {"function f(): (T) (g)() end", "function f()      (g)() end"},
    {"function f(): () (g)() end", "function f()     (g)() end"},
    {"function f(): T, U a, b = 1, 2 end", "function f()       a, b = 1, 2 end"},
    {"function f(): T @pos\n(g)() end", "function f()        \n(g)() end"},
    {"function f(): T extends = 5 end", "function f()    extends = 5 end"},
    {"function f(): T\nextends(5) end", "function f()   \nextends(5) end"},
    {"function f(): asserts x is = 1 end", "function f()            is = 1 end"},
    {"function f(): function function g() end end",
     "function f()           function g() end end"},
    {"local f: function\nfunction g() end", "local f          \nfunction g() end"},
    {"type(x)", "type(x)"},
    {"type = 1", "type = 1"},
    {"type.x = 1 type[1] = 2 type:m() type'x' type{}",
     "type.x = 1 type[1] = 2 type:m() type'x' type{}"},
    {"type, x = 1, 2", "type, x = 1, 2"},
    {"x = type type = x", "x = type type = x"},
    {"local type = type(x)", "local type = type(x)"},
    {"type type = type", ";               "},
    {"type T\n=\n{}\ntype U<V>=V", ";     \n \n  \n;          "},
    {"interface.x = 1 interface(2)", "interface.x = 1 interface(2)"},
    {"a:b(c) x = a:b'c' y = a:b{}", "a:b(c) x = a:b'c' y = a:b{}"},
    {"local a = b:c()", "local a = b:c()"},
    {"x = a ::l:: y = 1", "x = a ::l:: y = 1"},
    {"x = a :: l \t:: y = 1", "x = a :: l \t:: y = 1"},
    {"x = a :: l\n::m:: y = 1", "x = a     \n::m:: y = 1"},
    {"x = f()::l::", "x = f()::l::"},
    {"::\nl\n::", "::\nl\n::"},
    {"goto continue ::continue::", "goto continue ::continue::"},
    {"local fun, as, is, interface, readonly, typeof, keyof, extends, asserts = 1",
     "local fun, as, is, interface, readonly, typeof, keyof, extends, asserts = 1"},
    {"x = as as as", "x = as      "},
    {"x = y\nas = 5 as.b = 1", "x = y\nas = 5 as.b = 1"},
    {"x = y\nas(5)", "x = y\nas(5)"},
    {"x = y\nas{5} as'5' as[1] = 2 as:m()", "x = y\nas{5} as'5' as[1] = 2 as:m()"},
    {"t.as = t.is t:typeof() t = {keyof = 1, fun = 2, type = 3}",
     "t.as = t.is t:typeof() t = {keyof = 1, fun = 2, type = 3}"},
    {"function extends(fun: T) return fun(is) end",
     "function extends(fun   ) return fun(is) end"},

    /* LUA-10: escapes, line ends */
    {"x = '\\q\\-\\\\\\n\\65\\x41\\u{48}\\z  \\'\\\"'",
     "x = 'q-\\\\\\n\\65\\x41\\u{48}\\z  \\'\\\"'"},
    {"x = '\\xg' y = '\\u{zz}' z = '\\x4'", "x = 'xg' y = 'u{zz}' z = 'x4'"},
    {"x = '\\u{7FFFFFFF}\\u{80000000}\\u'", "x = '\\u{7FFFFFFF}u{80000000}u'"},
    {"x = '\\\r\n\\\n\\ '", "x = '\\\r\n\\\n '"},
    {"x = [[\\q]] -- \\q", "x = [[\\q]] -- \\q"},
    {"x = '\\q', f()! y = '\\q'", "x = 'q',(f()) y = 'q'"},
    {"x = '\\q'\n,\nf('\\q')! y = '\\q'", "x = 'q'\n,\n(f('q')) y = 'q'"},
    {"local a: {\r\n T\n\r}\r", "local a   \r\n  \n\r \r"},

    /* plain Lua 5.4 */
    {"local a <const>, b <close> = 1 // 2 >> 3 << 4 & 5 | 6 ~ 7, ~8",
     "local a <const>, b <close> = 1 // 2 >> 3 << 4 & 5 | 6 ~ 7, ~8"},
    {"x = 0xA.8p-1 + .5 + 3. + 1e+5 + 0x.1P4 - -1 .. 'a' == not #t",
     "x = 0xA.8p-1 + .5 + 3. + 1e+5 + 0x.1P4 - -1 .. 'a' == not #t"},
    {"x = [==[ ]] ]=] ]==] --[=[ ]] ]=] f() --[==\nx = a[b[1]]",
     "x = [==[ ]] ]=] ]==] --[=[ ]] ]=] f() --[==\nx = a[b[1]]"},
    {"if a then elseif b then else end while a do break end do ; end",
     "if a then elseif b then else end while a do break end do ; end"},
    {"for i = 1, 2, 3 do end for a, b in c, d do end return;",
     "for i = 1, 2, 3 do end for a, b in c, d do end return;"},
    {"a.b[c], d = f{1; 2, x = 3, [4] = 5}, ('x'):rep(3)",
     "a.b[c], d = f{1; 2, x = 3, [4] = 5}, ('x'):rep(3)"},
    {"f\n(g)()", "f\n(g)()"},
    {"do return f(...) end", "do return f(...) end"},
};

START_TEST(eraser_gives_plain_lua)
{
    check_row(rows[_i].source, rows[_i].want);
}
END_TEST

/* The source and the whole text of the error. */
static const struct row refused[] = {
    {"\n\nlocal = 5", "c:3:7: <name> expected near '='"},
    {"local a: = 5", "c:1:10: type expected near '='"},
    {"local a:", "c at EOF: type expected near <eof>"},
    {"if x then", "c at EOF: 'end' expected near <eof>"},
    {"function f()\n\n",
     "c at EOF: 'end' expected (to close 'function' at line 1) near "
     "<eof>"},
    {"do\nuntil x", "c:2:1: 'end' expected (to close 'do' at line 1) near 'until'"},
    {"repeat\nend", "c:2:1: 'until' expected (to close 'repeat' at line 1) near 'end'"},
    {"interface I\n x: T", "c at EOF: 'end' expected (to close 'interface' at line 1) "
                           "near <eof>"},
    {"end", "c:1:1: <eof> expected near 'end'"},
    {"x = (1", "c at EOF: ')' expected near <eof>"},
    {"x = {1\n,2 3}", "c:2:4: '}' expected (to close '{' at line 1) near '3'"},
    {"x: T = 1", "c:1:6: function arguments expected near '='"},
    {"for i: T = 1, 2 do end", "c:1:6: '=' or 'in' expected near ':'"},
    {"f() as T", "c:1:8: syntax error near 'T'"},
    {"f() = 1", "c:1:5: syntax error near '='"},
    {"a, f() = 1", "c:1:8: syntax error near '='"},
    {"a, b", "c at EOF: syntax error near <eof>"},
    {"(a) = 1", "c:1:5: syntax error near '='"},
    {"a.b", "c at EOF: syntax error near <eof>"},
    {"x! = 1", "c:1:2: syntax error near '!'"},
    {"x = u!.name", "c:1:7: unexpected symbol near '.'"},
    {"x = u as T:m()", "c:1:11: unexpected symbol near ':'"},
    {"x = 'abc", "c:1:5: unfinished string near ''abc'"},
    {"x = 'a\nbc'", "c:1:5: unfinished string near ''a'"},
    {"x = '\\300'", "c:1:5: decimal escape too large near '''"},
    {"x = 'a\\", "c:1:5: unfinished string near ''a\\'"},
    {"x =\n [[a\n", "c:2:2: unfinished long string near '[[a?'"},
    {"\n --[[a", "c:2:2: unfinished long comment near '--[[a'"},
    {"x = [=a", "c:1:5: invalid long string delimiter near '['"},
    {"x = 3x", "c:1:5: malformed number near '3x'"},
    {"x = 1..2", "c:1:5: malformed number near '1..2'"},
    {"x = 0x", "c:1:5: malformed number near '0x'"},
    {"x = 1e", "c:1:5: malformed number near '1e'"},
    {"x = $", "c:1:5: unexpected symbol near '$'"},
    {"x = a $ b", "c:1:7: unexpected symbol near '$'"},
    {"x = \xC3\xA9y", "c:1:5: unexpected symbol near '\xC3\xA9'"},
    {"x = \"123456789012345678901234567890123456789012345678901234\xC3\xA9",
     "c:1:5: unfinished string near "
     "'\"123456789012345678901234567890123456789012345678901234...'"},
    {"x = a ? b", "c:1:7: unexpected symbol near '?'"},
    {"return 1 return 2", "c:1:10: <eof> expected near 'return'"},
    {"goto 1", "c:1:6: <name> expected near '1'"},
    {"::a b", "c:1:5: '::' expected near 'b'"},
    {"function f(a, ..., b) end", "c:1:18: ')' expected near ','"},
    {"function f(...?: T) end", "c:1:15: ')' expected near '?:'"},
    {"function f<>() end", "c:1:12: <name> expected near '>'"},
    {"local a <const> <const> = 1", "c:1:17: unexpected symbol near '<'"},
    {"local a <const>: T <close> = 1", "c:1:20: unexpected symbol near '<'"},
    {"local a: (T, U) = 1", "c:1:17: '->' expected near '='"},
    {"local a: () = 1", "c:1:13: '->' expected near '='"},
    {"local a: (x: T) = 1", "c:1:17: '->' expected near '='"},
    {"function f(): (x: T) end", "c:1:22: '->' expected near 'end'"},
    {"local a: {T U}", "c:1:13: '}' expected near 'U'"},
    {"local a: {[T]}", "c:1:14: ':' expected near '}'"},
    {"local a: List<T", "c at EOF: '>' expected near <eof>"},
    {"local a: A extends B = 1", "c:1:22: '?' expected near '='"},
    {"local a: A extends B ? C = 1", "c:1:26: ':' expected near '='"},
    {"local a: A |", "c at EOF: type expected near <eof>"},
    {"local a: typeof(1 +)", "c:1:20: unexpected symbol near ')'"},
    {"type X = ", "c at EOF: type expected near <eof>"},
    {"type X", "c:1:6: syntax error near 'X'"},
    {"interface I 5 end", "c:1:13: 'end' expected near '5'"},
    {"f::<T>", "c at EOF: function arguments expected near <eof>"},
    {"x = a ::\nl::", "c at EOF: type expected near <eof>"},
};

START_TEST(eraser_refuses)
{
    const char *source = refused[_i].source;
    struct erased erased = {.n_bytes = 77};
    struct err err = {0};

    ck_assert_msg(erase_types(source, strlen(source), "c", &erased, &err) == -1,
                  "accepted: %s", source);
    ck_assert_msg(strcmp(err.text, refused[_i].want) == 0,
                  "source: %s\nwant:   %s\ngot:    %s", source, refused[_i].want,
                  err.text);
    ck_assert_int_eq(err.kind, ERR_INVALID);
    ck_assert_uint_eq(erased.n_bytes, 77);
}
END_TEST

static const struct {
    const char *source;
    bool want;
} globals[] = {
    {"x = 1", false},           {"_G.x = 1", true},           {"x = y._G", true},
    {"x = _ENV", true},         {"x = '_G'", true},           {"x = \"\\95G\"", true},
    {"x = [[_G]]", true},       {"x = [==[\r\n_G]==]", true}, {"x = '_\\z \n G'", true},
    {"x = '\\x5fG'", true},     {"x = '_\\G'", true},         {"x = '_\\u{47}'", true},
    {"x = '_GG'", false},       {"x = 'a_G'", false},         {"x = _GG", false},
    {"x = [[_GG]]", false},     {"-- _G\nx = 1", false},      {"x = '\\n_G'", false},
    {"x = '_\\u{147}'", false},
};

START_TEST(eraser_tells_whether_globals_may_be_a_table)
{
    const char *source = globals[_i].source;
    struct erased erased;

    ck_assert_int_eq(erase_types(source, strlen(source), "c", &erased, NULL), 0);
    ck_assert_msg(erased.uses_G == globals[_i].want, "%s", source);
    erased_finish(&erased);
}
END_TEST

static const struct {
    const char *source, *want;
} rendered[] = {
    {"\n\nlocal = 5\nx = 1", "error: <name> expected near '='\n"
                             " --> app:hello:3:7\n"
                             "  |\n"
                             "3 | local = 5\n"
                             "  |       ^\n"},
    {"\r\n\n\r\r\r\n\r\n\n\n\n\n\tf(\xC3\xA9\x01)",
     "error: unexpected symbol near '\xC3\xA9'\n"
     "  --> app:hello:10:4\n"
     "   |\n"
     "10 | \tf(\xC3\xA9?)\n"
     "   | \t  ^\n"},
    {"f(\nx", "error: ')' expected (to close '(' at line 1) near <eof>\n"
              " --> app:hello:2:2\n"
              "  |\n"
              "2 | x\n"
              "  |  ^\n"},
};

START_TEST(eraser_renders_a_diagnostic)
{
    const char *source = rendered[_i].source;
    size_t n = strlen(source);
    struct erase_error error;
    struct erased erased;
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert_int_eq(erase_types_at(source, n, &erased, &error), -1);
    ck_assert(erase_render_error(&error, source, n, "app:hello", &buf));
    ck_assert(buf_append(&buf, "", 1));
    ck_assert_str_eq((char *)buf_head(&buf), rendered[_i].want);
    buf_finish(&buf);
}
END_TEST

START_TEST(eraser_renders_what_it_does_not_know)
{
    struct erase_error error = {.message = "no label"};
    struct buf buf;

    buf_init(&buf, 0);
    ck_assert(erase_render_error(&error, "x", 1, "a:b", &buf));
    error.line = 9;
    ck_assert(erase_render_error(&error, "x", 1, "a:b", &buf));
    ck_assert(buf_append(&buf, "", 1));
    ck_assert_str_eq((char *)buf_head(&buf),
                     "error: no label\n --> a:b\n"
                     "error: no label\n --> a:b:9\n  |\n9 | \n");
    buf_finish(&buf);
    buf_init(&buf, 20);
    ck_assert(!erase_render_error(&error, "x", 1, "a:b", &buf));
    buf_finish(&buf);
}
END_TEST

START_TEST(eraser_cuts_a_long_line_around_the_caret)
{
    char source[2000];
    struct erase_error error;
    struct erased erased;
    struct buf buf;
    char *last;

    memset(source, ' ', sizeof(source));
    source[1500] = '$';
    buf_init(&buf, 0);
    ck_assert_int_eq(erase_types_at(source, sizeof(source), &erased, &error), -1);
    ck_assert_int_eq(error.col, 1501);
    ck_assert(erase_render_error(&error, source, sizeof(source), "a:b", &buf));
    ck_assert(buf_append(&buf, "", 1));
    ck_assert_uint_lt(buf_len(&buf), 400);
    last = strrchr((char *)buf_head(&buf), '|');
    ck_assert_int_eq(strrchr((char *)buf_head(&buf), '$')[-59], ' ');
    ck_assert_int_eq(strchr(last, '^') - last, 2 + 59);
    buf_finish(&buf);
}
END_TEST

START_TEST(eraser_takes_any_byte)
{
    static const char string[] = "x = 'a\0b' -- \0\nlocal y: T = '\0\\\0'";
    static const char want[] = "x = 'a\0b' -- \0\nlocal y    = '\0\0'";
    struct erased erased;
    struct err err;

    ck_assert_int_eq(erase_types(string, sizeof(string) - 1, "c", &erased, NULL), 0);
    ck_assert_uint_eq(erased.n_bytes, sizeof(want) - 1);
    ck_assert_int_eq(memcmp(erased.text, want, sizeof(want)), 0);
    erased_finish(&erased);
    ck_assert_int_eq(erase_types("x = \0", 5, "c", &erased, &err), -1);
    ck_assert_str_eq(err.text, "c:1:5: unexpected symbol near '?'");
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_loop_test(tc, eraser_blanks_every_form_of_type, 0, N_ELEMENTS(types));
    tcase_add_loop_test(tc, eraser_gives_plain_lua, 0, N_ELEMENTS(rows));
    tcase_add_loop_test(tc, eraser_refuses, 0, N_ELEMENTS(refused));
    tcase_add_loop_test(tc, eraser_tells_whether_globals_may_be_a_table, 0,
                        N_ELEMENTS(globals));
    tcase_add_loop_test(tc, eraser_renders_a_diagnostic, 0, N_ELEMENTS(rendered));
    tcase_add_test(tc, eraser_renders_what_it_does_not_know);
    tcase_add_test(tc, eraser_cuts_a_long_line_around_the_caret);
    tcase_add_test(tc, eraser_takes_any_byte);
}

int main(void)
{
    return unit_main("erase", fill);
}
