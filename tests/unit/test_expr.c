#include "common/expr.h"

#include <stdio.h>
#include <string.h>

#include "common/buf.h"
#include "common/err.h"

#include "tests/unit/unit.h"

static const char variables_text[] =
    "{\"actor\": {\"id\": \"ann\", \"meta\": {\"role\": \"admin\", \"level\": 3}},"
    " \"action\": \"note.read\", \"resource\": \"note:1\","
    " \"meta\": {\"tags\": [\"a\", \"b\", \"private\"], \"n\": 5, \"price\": 2.5,"
    "   \"owner\": \"ann\", \"none\": null, \"people\": [{\"age\": 20, \"name\": "
    "\"Bo\"},"
    "   {\"age\": 40, \"name\": \"Cy\"}]}}";

/* want: JSON of the result, or the start of the error behind a '!'. */
static const struct {
    const char *text, *want;
} rows[] = {
    /* literals */
    {"1", "1"},
    {"1.5", "1.5"},
    {"1e3", "1000"},
    {"0x1f", "31"},
    {"1_000", "1000"},
    {"\"a\\n\\u00e4\\x41\"", "\"a\\nä"
                             "A\""},
    {"'it\\'s'", "\"it's\""},
    {"`raw \\n`", "\"raw \\\\n\""},
    {"\"\"", "\"\""},
    {"true", "true"},
    {"false", "false"},
    {"nil", "null"},
    {"[]", "[]"},
    {"[1, 'a', [true]]", "[1,\"a\",[true]]"},
    {"[1, 2,]", "[1,2]"},
    {"{}", "{}"},
    {"{a: 1, 'a\\x00bcdefghijklmnopqrstuvwxyz': 2}", "!1:8: a key is a text"},
    {"{a: 1}['a\\x00bcdefghijklmnopqrstuvwxyz']", "null"},
    {"'a\\x00bcdefghijklmnopqrstuvwxyz' in {a: 1}", "false"},
    {"get({a: 1}, 'a\\x00bcdefghijklmnopqrstuvwxyz')", "null"},
    {"fromPairs([['a\\x00b', 1]])", "!1:1: fromPairs takes a list"},
    {"groupBy(['a\\x00b'], #)", "!1:1: groupBy takes texts"},
    {"{a: 1, \"b c\": 2, 3: 4, ('x' + 'y'): 5}",
     "{\"a\":1,\"b c\":2,\"3\":4,\"xy\":5}"},
    /* access */
    {"actor.id", "\"ann\""},
    {"actor.meta.role", "\"admin\""},
    {"actor[\"id\"]", "\"ann\""},
    {"actor.meta.nope", "null"},
    {"actor.nope.deeper", "!1:12: nil has no 'deeper'"},
    {"actor?.nope?.deeper", "null"},
    {"actor.nope?.deeper.still", "null"},
    {"(actor.nope?.deeper).still", "!1:22: nil has no 'still'"},
    {"nobody", "null"},
    {"nobody.x", "!1:8: nil has no 'x'"},
    {"nobody?.x", "null"},
    {"meta.tags[0]", "\"a\""},
    {"meta.tags[-1]", "\"private\""},
    {"meta.tags[3]", "!1:10: there is no item 3 of 3"},
    {"meta?.tags?.[1]", "\"b\""},
    {"meta.tags[1:3]", "[\"b\",\"private\"]"},
    {"meta.tags[:1]", "[\"a\"]"},
    {"meta.tags[-2:]", "[\"b\",\"private\"]"},
    {"meta.tags[2:1]", "[]"},
    {"meta.tags[0:99]", "[\"a\",\"b\",\"private\"]"},
    {"'abcdef'[1:3]", "\"bc\""},
    {"1[0]", "!1:2: only maps and lists"},
    {"{a: [1, 2]}.a[1]", "2"},
    /* logic */
    {"true && false", "false"},
    {"true and true", "true"},
    {"false || true", "true"},
    {"false or false", "false"},
    {"!true", "false"},
    {"not false", "true"},
    {"false && nobody.x", "false"},
    {"true || nobody.x", "true"},
    {"nobody && true", "!1:1: expected a boolean"},
    {"meta.n || true", "!1:6: expected a boolean"},
    {"1 && true", "!1:3: these two don't go"},
    {"!1", "!1:1: that operator"},
    {"true ? 1 : 2", "1"},
    {"false ? 1 : true ? 2 : 3", "2"},
    {"nobody ?? 7", "7"},
    {"actor.id ?? 7", "\"ann\""},
    {"nobody ?? nobody ?? 1", "1"},
    {"1 ? 2 : 3", "!1:3: a condition"},
    /* comparison */
    {"1 == 1.0", "true"},
    {"1 != 2", "true"},
    {"'1' == 1", "false"},
    {"nil == nobody", "true"},
    {"[1, 2] == [1, 2]", "true"},
    {"1 < 2", "true"},
    {"2 <= 2.0", "true"},
    {"'a' < 'b'", "true"},
    {"'ab' > 'a'", "true"},
    {"3 >= 4", "false"},
    {"1 < 'a'", "!1:3: these two"},
    {"meta.n < actor.id", "!1:8: only two numbers"},
    {"nobody < 1", "!1:8: only two numbers"},
    {"9007199254740993 == 9007199254740992.0", "false"},
    /* membership */
    {"'a' in meta.tags", "true"},
    {"'z' in meta.tags", "false"},
    {"'z' not in meta.tags", "true"},
    {"'role' in actor.meta", "true"},
    {"'x' in actor.meta", "false"},
    {"3 in 1..5", "true"},
    {"6 in 1..5", "false"},
    {"1.0 in [1, 2]", "true"},
    {"1 in nobody", "false"},
    {"1 in 'abc'", "!1:3: these two"},
    {"1..3", "[1,2,3]"},
    {"3..1", "[]"},
    {"1..1000000", "!1:2: this range is too long"},
    {"-9223372036854775807..9223372036854775807", "!1:21: this range"},
    {"1.5..2", "!1:4: a range has whole"},
    /* text */
    {"'abc' contains 'b'", "true"},
    {"'abc' not contains 'b'", "false"},
    {"'abc' startsWith 'ab'", "true"},
    {"'abc' endsWith 'bc'", "true"},
    {"'abc' not endsWith 'x'", "true"},
    {"resource matches '^note:[0-9]+$'", "true"},
    {"resource not matches '^x'", "true"},
    {"resource matches '('", "!1:18: invalid pattern"},
    {"resource matches '\\\\pL{80}' || resource matches '\\\\pN{200}'",
     "!1:49: the patterns are too large"},
    {"resource matches actor.id", "false"},
    {"resource matches actor.id + '('", "!1:10: invalid pattern"},
    {"'a' + 'b'", "\"ab\""},
    {"meta.tags contains 'a'", "!1:11: only texts"},
    /* arithmetic */
    {"1 + 2 * 3", "7"},
    {"(1 + 2) * 3", "9"},
    {"7 / 2", "3.5"},
    {"6 / 2", "3"},
    {"7 % 3", "1"},
    {"-7 % 3", "-1"},
    {"7 % 0", "!1:3: nothing is left"},
    {"7.5 % 2", "!1:5: % takes whole"},
    {"2 ** 10", "1024"},
    {"2 ^ 3 ^ 2", "512"},
    {"-2 ** 2", "-4"},
    {"- -2", "2"},
    {"+3", "3"},
    {"10 - 4 - 3", "3"},
    {"1 + 'a'", "!1:3: these two"},
    {"meta.n + actor.id", "!1:8: that takes numbers"},
    {"nobody + 1", "!1:8: that takes numbers"},
    {"-actor.id", "!1:1: that takes a number"},
    {"9223372036854775807 + 1", "-9223372036854775808"},
    {"-9223372036854775807 - 1", "-9223372036854775808"},
    /* precedence, low to high */
    {"true || true && false", "true"},
    {"not true == false", "true"},
    {"not (true == false)", "true"},
    {"1 + 1 == 2 && 2 < 3", "true"},
    {"1..2 + 1", "[1,2,3]"},
    {"1 + 2 in [3]", "true"},
    {"nobody ?? 2 * 3", "6"},
    {"2 * -3", "-6"},
    {"[3, 1] | len() == 2 ? 'y' : 'n'", "\"y\""},
    {"([3, 1] | len()) == 2 ? 'y' : 'n'", "\"y\""},
    /* predicates */
    {"all(meta.tags, {# != 'x'})", "true"},
    {"all(meta.tags, {# != \"private\"})", "false"},
    {"all(meta.tags, # != 'x')", "true"},
    {"all([], {false})", "true"},
    {"all({}, {false})", "true"},
    {"first({})", "null"},
    {"any(meta.tags, {# == 'b'})", "true"},
    {"none(meta.tags, {# == 'z'})", "true"},
    {"one(meta.tags, {# startsWith 'p'})", "true"},
    {"one(meta.tags, {true})", "false"},
    {"filter(meta.tags, {len(#) > 1})", "[\"private\"]"},
    {"map(meta.people, {.age})", "[20,40]"},
    {"map(meta.people, {#.name})", "[\"Bo\",\"Cy\"]"},
    {"map(1..3, {# * 2})", "[2,4,6]"},
    {"count(meta.people, {.age > 30})", "1"},
    {"find(meta.people, {.age > 30}).name", "\"Cy\""},
    {"find(meta.people, {.age > 90})", "null"},
    {"filter(map(meta.people, {.age}), {# > 30})", "[40]"},
    {"map(1..2, {map(1..2, {# * 10})})", "[[10,20],[10,20]]"},
    {"all(nobody, {true})", "!1:1: all takes a list"},
    {"all(meta.tags, {1})", "!1:17: expected a boolean"},
    {"all(meta.tags)", "!1:1: the wrong number"},
    {"# == 1", "!1:1: only a predicate"},
    {".x", "!1:1: only a predicate"},
    /* functions */
    {"len('häh')", "3"},
    {"len([1, 2])", "2"},
    {"len(actor)", "2"},
    {"len(1)", "!1:1: len takes"},
    {"lower('ABC')", "\"abc\""},
    {"upper('abc')", "\"ABC\""},
    {"trim('  a ')", "\"a\""},
    {"trim('xxaxx', 'x')", "\"a\""},
    {"split('a,b,,c', ',')", "[\"a\",\"b\",\"\",\"c\"]"},
    {"split('a', '')", "!1:1: split needs"},
    {"join(['a', 'b'], '-')", "\"a-b\""},
    {"join(['a', 'b'])", "\"ab\""},
    {"join([])", "\"\""},
    {"join([1])", "!1:1: join takes"},
    {"min(3, 1, 2)", "1"},
    {"max([1, 2.5])", "2.5"},
    {"max([])", "!1:1: max takes at least one"},
    {"min('a')", "!1:1: min takes"},
    {"abs(-3)", "3"},
    {"abs(-2.5)", "2.5"},
    {"int('42')", "42"},
    {"int(3.9)", "3"},
    {"int('x')", "!1:1: int takes no text"},
    {"int(nil)", "!1:1: int takes"},
    {"float('1.5')", "1.5"},
    {"float(2)", "2"},
    {"string(12)", "\"12\""},
    {"string(nil)", "\"nil\""},
    {"string('a')", "\"a\""},
    {"string([1, 2])", "\"[1,2]\""},
    {"first(meta.tags)", "\"a\""},
    {"last(meta.tags)", "\"private\""},
    {"first([])", "null"},
    {"keys({a: 1, b: 2})", "[\"a\",\"b\"]"},
    {"values({a: 1, b: 2})", "[1,2]"},
    {"now() > 1600000000", "true"},
    {"nope(1)", "!1:1: there is no such function"},
    {"len()", "!1:1: the wrong number"},
    {"len(1, 2)", "!1:1: the wrong number"},
    /* more functions: texts */
    {"trimPrefix('abc', 'a')", "\"bc\""},
    {"trimPrefix('abc', 'b')", "\"abc\""},
    {"trimSuffix('abc', 'bc')", "\"a\""},
    {"trimSuffix('abc', 'abcd')", "\"abc\""},
    {"trimSuffix('abc', 'abc')", "\"\""},
    {"splitAfter('a,b', ',')", "[\"a,\",\"b\"]"},
    {"replace('aXbX', 'X', '--')", "\"a--b--\""},
    {"replace('abc', 'x', 'y')", "\"abc\""},
    {"replace('abc', '', 'y')", "!1:1: replace needs"},
    {"repeat('ab', 3)", "\"ababab\""},
    {"repeat('', 1000000000)", "\"\""},
    {"repeat('ab', 0)", "\"\""},
    {"repeat('ab', -1)", "!1:1: repeat takes no number"},
    {"repeat('ab', 9223372036854775807)", "!1:1: repeat makes"},
    {"repeat('a', 1.5)", "!1:1: repeat takes a whole"},
    {"indexOf('abcb', 'b')", "1"},
    {"indexOf('abc', 'x')", "-1"},
    {"lastIndexOf('abcb', 'b')", "3"},
    {"lastIndexOf('abc', 'abcd')", "-1"},
    {"lastIndexOf('abc', '')", "3"},
    {"hasPrefix('abc', 'ab')", "true"},
    {"hasPrefix('abc', 'b')", "false"},
    {"hasSuffix('abc', 'bc')", "true"},
    {"hasSuffix('c', 'bc')", "false"},
    {"hasSuffix(1, 'bc')", "!1:1: hasSuffix takes a text"},
    {"toBase64('foob')", "\"Zm9vYg==\""},
    {"fromBase64('Zm9vYg==')", "\"foob\""},
    {"fromBase64('Zm9')", "!1:1: fromBase64 takes"},
    /* numbers */
    {"ceil(1.2)", "2"},
    {"floor(-1.2)", "-2"},
    {"round(2.5)", "3"},
    {"round(-2.5)", "-3"},
    {"round('x')", "!1:1: round takes a number"},
    {"mean([1, 2, 6])", "3"},
    {"mean(1, 2)", "1.5"},
    {"median([3, 1, 2])", "2"},
    {"median(1, 4, 2, 3)", "2.5"},
    {"median([])", "!1:1: median takes at least one"},
    {"mean(['a'])", "!1:1: mean takes numbers"},
    {"min(1)", "1"},
    {"bitand(12, 10)", "8"},
    {"bitor(12, 10)", "14"},
    {"bitxor(12, 10)", "6"},
    {"bitnand(10, 12)", "2"},
    {"bitnot(0)", "-1"},
    {"bitshl(1, 63)", "-9223372036854775808"},
    {"bitshl(1, 64)", "0"},
    {"bitshr(-8, 1)", "-4"},
    {"bitshr(-8, 99)", "-1"},
    {"bitushr(-8, 60)", "15"},
    {"bitushr(-8, 64)", "0"},
    {"bitshl(1, -1)", "!1:1: bitshl takes no number"},
    {"bitand(1, 1.5)", "!1:1: bitand takes a whole"},
    /* lists and maps */
    {"take([1, 2, 3], 2)", "[1,2]"},
    {"take([1], 9)", "[1]"},
    {"take([1], -1)", "!1:1: take takes no number"},
    {"concat([1], [2, 3], [])", "[1,2,3]"},
    {"concat([1], 2)", "!1:1: concat takes a list"},
    {"flatten([1, [2, [3, []]], {a: [4]}])", "[1,2,3,{\"a\":[4]}]"},
    {"uniq([1, 2, 1.0, '1', 2])", "[1,2,\"1\"]"},
    {"reverse([1, 2, 3])", "[3,2,1]"},
    {"reverse([])", "[]"},
    {"sort([3, 1, 2.5])", "[1,2.5,3]"},
    {"sort(['b', 'a', 'ab'])", "[\"a\",\"ab\",\"b\"]"},
    {"sort([3, 1, 2], 'desc')", "[3,2,1]"},
    {"sort([1], 'up')", "!1:1: sort takes the order"},
    {"sort([1, 'a'])", "!1:1: sort takes numbers only"},
    {"sort([])", "[]"},
    {"toPairs({a: 1, b: [2]})", "[[\"a\",1],[\"b\",[2]]]"},
    {"fromPairs([['a', 1], ['b', 2], ['a', 3]])", "{\"a\":3,\"b\":2}"},
    {"fromPairs([['a']])", "!1:1: fromPairs takes a list"},
    {"fromPairs([[1, 2]])", "!1:1: fromPairs takes a list"},
    {"get(meta.tags, 1)", "\"b\""},
    {"get(meta.tags, -1)", "\"private\""},
    {"get(meta.tags, 9)", "null"},
    {"get(actor, 'id')", "\"ann\""},
    {"get(actor, 'nope')", "null"},
    {"get(nobody, 'x')", "null"},
    {"type(nil)", "\"nil\""},
    {"type(true)", "\"bool\""},
    {"type(1)", "\"int\""},
    {"type(1.0)", "\"float\""},
    {"type('')", "\"string\""},
    {"type([])", "\"array\""},
    {"type({a: 1})", "\"map\""},
    {"toJSON({a: [1, nil]})", "\"{\\n  \\\"a\\\": [\\n    1,\\n    null\\n  ]\\n}\""},
    {"fromJSON('{\"a\": [1, 2.5]}').a[1]", "2.5"},
    {"fromJSON('{')", "!1:1: fromJSON takes a text"},
    /* times, in seconds */
    {"duration('1h30m')", "5400"},
    {"duration('250ms')", "0.25"},
    {"duration('x')", "!1:1: duration takes"},
    {"date('1970-01-02')", "86400"},
    {"date('1970-01-01T01:00:00Z')", "3600"},
    {"date('1970-01-01T01:00:00+01:00')", "0"},
    {"date('1970-01-01 00:00:01.5')", "1.5"},
    {"date('2024-02-29T12:00:00Z') < now()", "true"},
    {"date('1970-13-01')", "!1:1: date takes"},
    {"date('1970-01-01x')", "!1:1: date takes"},
    {"date('1970-01-01T01:00:00+0100')", "!1:1: date takes"},
    {"date('9999-12-31T23:59:59Z')", "253402300799"},
    {"date('1969-12-31 23:59:58.5')", "-1.5"},
    {"duration('-1500ms')", "-1.5"},
    {"date('')", "!1:1: date takes"},
    /* more predicates */
    {"findIndex(meta.tags, {# == 'b'})", "1"},
    {"findIndex(meta.tags, {# == 'x'})", "null"},
    {"findLast([1, 2, 3, 4], {# % 2 == 1})", "3"},
    {"findLastIndex([1, 2, 3, 4], {# % 2 == 1})", "2"},
    {"sum([1, 2, 3])", "6"},
    {"sum([1, 2.5])", "3.5"},
    {"sum([])", "0"},
    {"sum(meta.people, {.age})", "60"},
    {"sum(['a'])", "!1:1: sum takes numbers"},
    {"count([true, false, true])", "2"},
    {"count([1])", "!1:7: expected a boolean"},
    {"groupBy(1..4, {# % 2 == 0 ? 'even' : 'odd'})", "{\"odd\":[1,3],\"even\":[2,4]}"},
    {"groupBy([1, 1.5, true], {#})", "{\"1\":[1],\"1.5\":[1.5],\"true\":[true]}"},
    {"groupBy([[1]], {#})", "!1:1: groupBy takes"},
    {"sortBy(meta.people, {-.age})[0].name", "\"Cy\""},
    {"map(sortBy(meta.people, {.name}, 'desc'), {.age})", "[40,20]"},
    {"map(sortBy([[1, 'a'], [0, 'b'], [1, 'c']], {#[0]}, 'desc'), {#[1]})",
     "[\"a\",\"c\",\"b\"]"},
    {"sortBy([1, 2], {nil})", "!1:1: sortBy takes numbers only"},
    {"sortBy([1, 2], {#}, 3)", "!1:1: sortBy takes a text"},
    {"reduce(1..4, {#acc + #})", "10"},
    {"reduce(1..4, {#acc * #}, 10)", "240"},
    {"reduce([], {#acc + #}, 7)", "7"},
    {"reduce([], {#acc + #})", "!1:1: reduce of nothing"},
    {"reduce([[1], [2]], {# == nil ? # : #acc})", "[1]"},
    {"reduce(1..3, {#acc + reduce(1..2, {#acc + #}, #)}, 0)", "15"},
    {"map(['a', 'b'], {#index})", "[0,1]"},
    {"filter(meta.tags, {#index > 0})", "[\"b\",\"private\"]"},
    {"map([5], {map([6, 7], {#index}) + 'x'})", "!1:33: these two"},
    {"map([5, 6], {[#index, map([7], {#index}), #index]})", "[[0,[0],0],[1,[0],1]]"},
    {"map([1], {#acc})", "!1:11: there is #"},
    {"map([1], {#nope})", "!1:11: there is #"},
    {"map(1..2, {# index})", "!1:14: expected '}'"},
    {"[3, 1, 2] | sort() | map({# * 2}) | filter({# > 2})", "[4,6]"},
    /* if */
    {"if true {1} else {2}", "1"},
    {"if meta.n > 9 {1} else if meta.n > 4 {2} else {3}", "2"},
    {"let x = if true {1} else {2}; x + 1", "2"},
    {"if 1 {2} else {3}", "!1:1: a condition"},
    {"if true {1}", "!1:12: expected else"},
    {"if true 1 else 2", "!1:9: expected '{'"},
    {"if {1} else {2}", "!1:6: expected ':'"},
    /* the rest */
    {"let x = 2; x * x", "4"},
    {"let x = 2; let y = x + 1; x * y", "6"},
    {"let x = 1; (let x = 2; x) + x", "3"},
    {"let t = meta.tags; t[0]", "\"a\""},
    {"map(1..3, {let y = # * 2; y + 1})", "[3,5,7]"},
    {"meta.tags | len()", "3"},
    {"'a-b' | split('-') | first()", "\"a\""},
    {"1 // the rest\n + 2", "3"},
    {"1 /* not\n this */ + 2", "3"},
    {"1 /* open", "!1:3: comment without"},
    /* what is no expression */
    {"", "!expression cannot be empty"},
    {"  ", "!1:3: unexpected end"},
    {"1 +", "!1:4: unexpected end"},
    {"(1", "!1:3: expected ')'"},
    {"1 2", "!1:3: unexpected '2'"},
    {"a.", "!1:3: expected a name"},
    {"[1", "!1:3: expected ','"},
    {"{a 1}", "!1:4: expected ':'"},
    {"'a", "!1:1: a text without"},
    {"'a\n'", "!1:1: a text with an escape"},
    {"'\\q'", "!1:1: a text with an escape"},
    {"1a", "!1:1: this is no number"},
    {"99999999999999999999", "!1:1: this is no number"},
    {"@", "!1:1: an unexpected character"},
    {"* 2", "!1:1: "},
    {"a not b", "!1:3: expected in"},
    {"let x 1; x", "!1:7: expected '='"},
    {"1;", "!1:2: unexpected ';'"},
    {"true\n  && 1", "!2:3: these two"},
};

static struct value variables(void)
{
    struct value value = {0};
    struct err err;

    ck_assert_int_eq(
        value_read_json(variables_text, sizeof(variables_text) - 1, &value, &err), 0);
    return value;
}

/* The result as JSON, or the error behind a '!'. */
static void run(const char *text, size_t n, struct buf *out)
{
    struct value names = variables(), result;
    struct err err = {0};
    struct expr *expr = expr_compile(text, n, NULL, 0, &err);

    buf_clear(out);
    if (expr == NULL || expr_evaluate(expr, &names, &result, &err) == -1) {
        ck_assert(buf_printf(out, "!%s", err.text));
        ck_assert_int_eq(err.kind, ERR_INVALID);
    } else {
        ck_assert(value_write_json(out, &result, 0));
        value_finish(&result);
    }
    ck_assert(buf_append(out, "", 1));
    expr_destroy(expr);
    value_finish(&names);
}

START_TEST(s21_expressions)
{
    const char *want = rows[_i].want, *got;
    struct buf out;

    buf_init(&out, 0);
    run(rows[_i].text, strlen(rows[_i].text), &out);
    got = (const char *)buf_head(&out);
    ck_assert_msg(want[0] == '!' ? strncmp(got, want, strlen(want)) == 0
                                 : strcmp(got, want) == 0,
                  "%s: %s, not %s", rows[_i].text, got, want);
    buf_finish(&out);
}
END_TEST

static const struct {
    const char *text;
    bool fits;
} booleans[] = {
    {"true", true},
    {"actor.id == 'x'", true},
    {"nobody", false},
    {"action", false},
    {"actor", false},
    {"actor.meta.flag", true},
    {"1", false},
    {"'a'", false},
    {"[true]", false},
    {"1 + 1", false},
    {"len(action)", false},
    {"not meta.x", true},
    {"meta.x ? 1 : 2", false},
    {"meta.x ? true : false", true},
    {"all(meta.tags, {true})", true},
    {"count(meta.tags, {true})", false},
    {"let x = 1; x == 1", true},
    {"let x = 1; 'a'", false},
    {"nil", false},
    {"action + 1 == 2", false},
    {"action && true", false},
};

/* S-20: what is known not to be a boolean is refused before it runs. */
START_TEST(s20_booleans)
{
    static const char sketch_text[] =
        "{\"actor\": {}, \"action\": \"\", \"resource\": \"\", \"meta\": {}}";
    struct value sketch = {0};
    struct err err;
    struct expr *expr;

    ck_assert_int_eq(
        value_read_json(sketch_text, sizeof(sketch_text) - 1, &sketch, &err), 0);
    expr = expr_compile(booleans[_i].text, strlen(booleans[_i].text), &sketch,
                        EXPR_BOOLEAN | EXPR_NAMES, &err);
    ck_assert_msg((expr != NULL) == booleans[_i].fits, "%s", booleans[_i].text);
    expr_destroy(expr);
    value_finish(&sketch);
}
END_TEST

static void fill_with(char *text, size_t n, const char *piece)
{
    size_t n_piece = strlen(piece);

    for (size_t i = 0; i < n; i++)
        text[i] = piece[i % n_piece];
    text[n] = '\0';
}

/* Whatever is piled up: an error, and no more memory or time than that takes. */
START_TEST(bounds_hold)
{
    static const char *const pieces[] = {
        "(",     "[",  "{a:",  "!",          "-",          "1+",      "a.",
        "a?.b ", "a[", "1?",   "let x = 1;", "map(1..9,{", "a|len()", "a ?? ",
        "2 ** ", "'",  "not ", "f(",         "[1,2],"};
    static char text[EXPR_MAX_BYTES + 2];
    struct buf out;

    buf_init(&out, 0);
    for (size_t i = 0; i < N_ELEMENTS(pieces); i++) {
        fill_with(text, EXPR_MAX_BYTES, pieces[i]);
        run(text, EXPR_MAX_BYTES, &out);
        ck_assert_msg(buf_head(&out)[0] == '!', "%s", pieces[i]);
    }
    fill_with(text, EXPR_MAX_BYTES + 1, "1 ");
    run(text, EXPR_MAX_BYTES + 1, &out);
    ck_assert_str_eq((const char *)buf_head(&out), "!expression is too long");
    buf_finish(&out);
}
END_TEST

static const char *const greedy[] = {
    "map(1..90000, {map(1..90000, {#})})",
    "all(1..1000, {all(1..1000, {all(1..1000, {true})})})",
    "let a = 1..90000; let b = [a, a, a, a, a, a, a, a, a, a, a, a]; [b, b, b]",
    "let a = 'xxxxxxxxxxxxxxxx'; let b = a + a + a + a; join(map(1..90000, {b}), b)",
    "count(1..90000, {join(split(string(1..9000), ',')) == ''})",
    /* Whatever looks at much costs much, also where nothing is made of it. */
    "let b = [1..9000]; all(1..9000, {len(first(b)) > 0})",
    "let b = [1..9000]; all(1..9000, {len(last(b)) > 0})",
    "let b = [1..9000]; all(1..9000, {len(find(b, {true})) > 0})",
    "let b = [1..9000]; all(1..9000, {len(b[0:1]) == 1})",
    "let b = [1..9000]; all(1..9000, {b in [b]})",
    "let b = 1..9000; all(1..9000, {b == b})",
    "let b = 1..9000; all(1..9000, {let c = b; true})",
    "let b = 1..9000; all(1..9000, {string(b) != 'x'})",
    "let b = map(1..9000, {'abcdefg'}); all(1..9000, {join(b) != 'x'})",
    "let b = join(map(1..9000, {'abcdefg'})); all(1..9000, {len(b) > 1})",
    "let b = join(map(1..9000, {'abcdefg'})); all(1..9000, {b <= b})",
    "let b = join(map(1..9000, {'abcdefg'})); all(1..9000, {b == b})",
    "let b = join(map(1..9000, {'abcdefg'})); all(1..9000, {trim(b, 'x' + b) != 'x'})",
    "let b = join(map(1..9000, {'abc'})); all(1..9000, {b not matches '(.+a){9}z'})",
    "all(1..9000, {'x' not matches ('(a{100}b){9}' + string(#))})",
    "let b = [1..9000]; all(1..9000, {len(get(b, 0)) > 0})",
    "let b = [1..9000]; all(1..9000, {len(take(b, 1)) > 0})",
    "let b = 1..9000; all(1..9000, {len(reverse(b)) > 0})",
    "let b = 1..9000; all(1..9000, {len(sort(b)) > 0})",
    "let b = 1..9000; all(1..9000, {len(flatten(b)) > 0})",
    "let b = 1..9000; all(1..9000, {len(concat(b, b)) > 0})",
    "let b = 1..9000; all(1..9000, {median(b) > 0})",
    "let b = 1..9000; all(1..9000, {len(toJSON(b)) > 0})",
    "let b = string(1..9000); all(1..9000, {len(fromJSON(b)) > 0})",
    "let b = repeat('abcdefg', 9000); all(1..9000, {lastIndexOf(b, b) == 0})",
    "let b = repeat('a', 9000); all(1..9000, {lastIndexOf(b, b[:999] + 'b') < 0})",
    "let b = repeat('abcdefg', 9000); all(1..9000, {len(toBase64(b)) > 0})",
    "let b = repeat('abcd', 9000); all(1..9000, {len(fromBase64(b)) > 0})",
    "all(1..9000, {len(repeat('abcdefg', 9000)) > 0})",
    "uniq(1..90000)",
    "let b = [1..9000]; reduce(1..9000, {let c = #acc; b}, b)",
    "let b = [1..9000]; map(1..9000, {groupBy(b, {'x'})})",
    "fromPairs(map(1..90000, {[string(#), #]}))",
};

START_TEST(greed_ends)
{
    struct buf out;

    buf_init(&out, 0);
    run(greedy[_i], strlen(greedy[_i]), &out);
    ck_assert_msg(buf_head(&out)[0] == '!', "%s", greedy[_i]);
    ck_assert_msg(strstr((const char *)buf_head(&out), "too ") != NULL, "%s",
                  (const char *)buf_head(&out));
    buf_finish(&out);
}
END_TEST

/* Maps are searched key by key, so that large ones cost more. */
START_TEST(large_maps_cost_more)
{
    static const char text[] = "all(1..9000, {nobody == nil})",
                      compare[] = "all(1..9, {meta == other})";
    struct value names = value_map(), map = value_map(), result;
    struct err err = {0};
    char key[16];

    for (int i = 0; i < 5000; i++) {
        size_t n = (size_t)snprintf(key, sizeof(key), "k%d", i);

        value_add_n(&map, key, n, value_int(i));
        value_add_n(&names, key, n, (struct value){0});
    }
    value_put(&names, "meta", value_copy(&map));
    value_put(&names, "other", map);
    for (size_t i = 0; i < 2; i++) {
        const char *one = i == 0 ? text : compare;
        struct expr *expr = expr_compile(one, strlen(one), NULL, false, &err);

        ck_assert_ptr_ne(expr, NULL);
        ck_assert_int_eq(expr_evaluate(expr, &names, &result, &err), -1);
        ck_assert_msg(strstr(err.text, "too many steps") != NULL, "%s", err.text);
        expr_destroy(expr);
    }
    value_finish(&names);
}
END_TEST

/* A pattern that isn't known before is made once, as long as it stays the same. */
START_TEST(patterns_are_kept)
{
    static const char *const texts[] = {
        "let p = '^1*$'; count(1..9000, {string(#) matches p})",
        "let p = ['^1*$', '^2']; count(1..900, {string(#) matches p[# % 2]})",
    };
    static const char *const want[] = {"4", "55"};
    struct buf out;

    buf_init(&out, 0);
    for (size_t i = 0; i < N_ELEMENTS(texts); i++) {
        run(texts[i], strlen(texts[i]), &out);
        ck_assert_str_eq((const char *)buf_head(&out), want[i]);
    }
    buf_finish(&out);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, large_maps_cost_more);
    tcase_add_test(tc, patterns_are_kept);
    tcase_add_loop_test(tc, s21_expressions, 0, N_ELEMENTS(rows));
    tcase_add_loop_test(tc, s20_booleans, 0, N_ELEMENTS(booleans));
    tcase_add_test(tc, bounds_hold);
    tcase_add_loop_test(tc, greed_ends, 0, N_ELEMENTS(greedy));
}

int main(void)
{
    return unit_main("expr", fill);
}
