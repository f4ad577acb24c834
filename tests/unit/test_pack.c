#include "supervisor/pack.h"

#include <stdio.h>

#include "common/digest.h"
#include "common/err.h"
#include "common/luac_head.h"
#include "common/value.h"

#include "proto/value_codec.h"

#include "supervisor/bytecode.h"
#include "supervisor/embed.h"
#include "supervisor/entry.h"
#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_yaml.h"

#include "tests/unit/unit.h"

enum { AT_VERSION = 40, AT_FLAGS = 44, AT_LUA = 48, AT_SIZES = 80, AT_HASH = 96 };
enum { AT_TABLE = 128 };

static struct bytes text_bytes(const char *text)
{
    return (struct bytes){(const uint8_t *)text, strlen(text)};
}

static struct entry *plain_entry(const char *id)
{
    struct value data = value_map(), meta = value_map();

    value_put(&data, "answer", value_int(42));
    value_put(&data, "half", value_float(0.5));
    value_put(&data, "text", value_bytes("a\0b", 3));
    value_put(&meta, "tag", value_string("x"));
    return entry_create(id, strlen(id), "registry.entry", meta, data);
}

static struct entry *files_entry(const char *id, const char *path, struct bytes content)
{
    struct embed *files = embed_create();
    struct entry *entry;

    ck_assert_int_eq(embed_add(files, path, content, NULL), 0);
    ck_assert_int_eq(embed_add(files, "empty", (struct bytes){NULL, 0}, NULL), 0);
    entry =
        entry_create(id, strlen(id), "fs.embed", value_map(), embed_describe(files));
    entry->files = files;
    return entry;
}

static struct buf pack_of(struct entry_list *entries)
{
    struct err err = {0};
    struct buf out;

    buf_init(&out, 0);
    ck_assert_msg(pack_encode(entries, &out, &err) == 0, "%s", err.text);
    return out;
}

/* Two entries, the later id first, and files. */
static struct buf sample_pack(void)
{
    struct entry_list entries = {0};
    struct buf out;

    entry_list_add(&entries, plain_entry("b:two"));
    entry_list_add(&entries, files_entry("c:files", "x/y.txt", text_bytes("content")));
    entry_list_add(&entries, plain_entry("a:one"));
    out = pack_of(&entries);
    entry_list_finish(&entries);
    return out;
}

static int decode(struct bytes bytes, struct entry_list *entries, struct err *err)
{
    *err = (struct err){0};
    return pack_decode(bytes, "x.wapp", entries, err);
}

static void assert_refused(struct bytes bytes, const char *want)
{
    struct entry_list entries = {0};
    struct err err;

    ck_assert_msg(decode(bytes, &entries, &err) == -1, "not refused: %s", want);
    ck_assert_msg(strstr(err.text, want) != NULL, "'%s' has no '%s'", err.text, want);
    ck_assert_uint_eq(entries.n, 0);
    entry_list_finish(&entries);
}

/* A table and files with the right head and hash. */
static struct buf seal(const struct value *table, const char *files)
{
    struct buf out = sample_pack(), encoded;
    uint8_t hash[DIGEST_MAX_BYTES], head[AT_TABLE];
    size_t n = 0, sizes[2];
    struct bytes parts[2];

    memcpy(head, buf_head(&out), sizeof(head));
    buf_finish(&out);
    buf_init(&encoded, 0);
    value_encode(&encoded, table);
    sizes[0] = buf_len(&encoded);
    sizes[1] = strlen(files);
    for (int i = 0; i < 16; i++)
        head[AT_SIZES + i] = (uint8_t)(sizes[i / 8] >> 8 * (i % 8));
    buf_init(&out, 0);
    buf_append(&out, head, sizeof(head));
    buf_append(&out, buf_head(&encoded), buf_len(&encoded));
    buf_append(&out, files, sizes[1]);
    buf_finish(&encoded);
    parts[0] = (struct bytes){buf_head(&out), AT_HASH};
    parts[1] = (struct bytes){buf_head(&out) + AT_TABLE, buf_len(&out) - AT_TABLE};
    ck_assert(digest_compute(DIGEST_SHA256, parts, 2, hash, &n));
    memcpy(buf_head(&out) + AT_HASH, hash, 32);
    return out;
}

START_TEST(pack_gives_back_what_went_in)
{
    struct buf pack = sample_pack();
    struct entry_list entries = {0};
    struct entry *one = plain_entry("a:one");
    const struct embedded *file;
    struct err err;

    ck_assert_msg(decode(buf_bytes(&pack), &entries, &err) == 0, "%s", err.text);
    ck_assert_uint_eq(entries.n, 3);
    ck_assert(entry_equal(entries.items[0], one));
    ck_assert_str_eq(entries.items[0]->origin.file, "x.wapp");
    file = embed_find(entries.items[2]->files, "x/y.txt");
    ck_assert_ptr_nonnull(file);
    ck_assert_uint_eq(file->content.n, 7);
    ck_assert_int_eq(memcmp(file->content.data, "content", 7), 0);
    ck_assert_ptr_nonnull(embed_find(entries.items[2]->files, "empty"));
    ck_assert_ptr_null(embed_find(entries.items[2]->files, "x"));
    entry_unref(one);
    entry_list_finish(&entries);
    buf_finish(&pack);
}
END_TEST

START_TEST(pack_is_the_same_for_the_same_entries)
{
    struct buf one = sample_pack(), two = sample_pack();

    ck_assert_uint_eq(buf_len(&one), buf_len(&two));
    ck_assert_int_eq(memcmp(buf_head(&one), buf_head(&two), buf_len(&one)), 0);
    buf_finish(&one);
    buf_finish(&two);
}
END_TEST

START_TEST(pack_is_refused_at_every_length)
{
    struct buf pack = sample_pack();

    for (size_t n = 0; n < buf_len(&pack); n++) {
        uint8_t *exact = malloc(n + 1); /* so that a sanitizer sees its end */

        memcpy(exact, buf_head(&pack), n);
        assert_refused((struct bytes){exact, n},
                       n < AT_VERSION ? "no pack of ours" : "cut short");
        free(exact);
    }
    buf_append(&pack, "", 1);
    assert_refused(buf_bytes(&pack), "bytes behind the pack");
    buf_finish(&pack);
}
END_TEST

START_TEST(pack_is_refused_with_any_byte_changed)
{
    struct buf pack = sample_pack();
    struct entry_list entries = {0};
    struct err err;

    for (size_t i = 0; i < buf_len(&pack); i++) {
        buf_head(&pack)[i] ^= 0x20;
        ck_assert_msg(decode(buf_bytes(&pack), &entries, &err) == -1, "byte %zu", i);
        ck_assert_uint_eq(entries.n, 0);
        buf_head(&pack)[i] ^= 0x20;
    }
    buf_finish(&pack);
}
END_TEST

START_TEST(pack_of_another_version_is_refused)
{
    struct buf pack = sample_pack();

    buf_head(&pack)[AT_VERSION] = 2;
    assert_refused(buf_bytes(&pack), "format 2, this build reads format 1");
    buf_head(&pack)[AT_VERSION] = 1;
    buf_head(&pack)[AT_FLAGS] = 2;
    assert_refused(buf_bytes(&pack), "format 1");
    buf_head(&pack)[AT_FLAGS] = 1;
    memcpy(buf_head(&pack) + AT_LUA + 16, "5.4.0", 5);
    assert_refused(buf_bytes(&pack), "bytecode for Lua 5.4.0");
    buf_finish(&pack);
}
END_TEST

struct bad_table {
    const char *json, *files, *want;
};

/* clang-format off */
static const struct bad_table bad_tables[] = {
    {"{}", "", "list of entries"},
    {"[1]", "", "list of entries"},
    {"[{\"id\":\"x\",\"kind\":\"k\"}]", "", "list of entries"},
    {"[{\"id\":\"a:x\"}]", "", "list of entries"},
    {"[{\"id\":\"a:x\",\"kind\":\"k\"},{\"id\":\"a:x\",\"kind\":\"k\"}]", "", "not in order"},
    {"[{\"id\":\"b:x\",\"kind\":\"k\"},{\"id\":\"a:x\",\"kind\":\"k\"}]", "", "not in order"},
    {"[]", "left", "nobody owns"},
    {"[{\"id\":\"a:x\",\"kind\":\"k\",\"files\":[]}]", "", "list of files"},
    {"[{\"id\":\"a:x\",\"kind\":\"fs.embed\",\"files\":{}}]", "", "list of files"},
    {"[{\"id\":\"a:x\",\"kind\":\"fs.embed\",\"files\":[1]}]", "", "list of files"},
    {"[{\"id\":\"a:x\",\"kind\":\"fs.embed\",\"files\":[{\"path\":\"p\"}]}]", "", "list of files"},
    {"[{\"id\":\"a:x\",\"kind\":\"fs.embed\",\"files\":[{\"path\":\"p\",\"bytes\":-1}]}]", "abc", "list of files"},
    {"[{\"id\":\"a:x\",\"kind\":\"fs.embed\",\"files\":[{\"path\":\"p\",\"bytes\":4}]}]", "abc", "list of files"},
    {"[{\"id\":\"a:x\",\"kind\":\"fs.embed\",\"files\":[{\"path\":\"p\",\"bytes\":9223372036854775807}]}]", "abc", "list of files"},
    {"[{\"id\":\"a:x\",\"kind\":\"fs.embed\",\"files\":[{\"path\":\"\",\"bytes\":3}]}]", "abc", "path is empty"},
    {"[{\"id\":\"a:x\",\"kind\":\"fs.embed\",\"files\":[{\"path\":\"p\",\"bytes\":1},{\"path\":\"p\",\"bytes\":2}]}]", "abc", "two files"},
    {"[{\"id\":\"a:x\",\"kind\":\"fs.embed\",\"files\":[{\"path\":\"p\",\"bytes\":2}]}]", "abc", "not those that it had"},
    {"[{\"id\":\"a:x\",\"kind\":\"fs.embed\",\"data\":{\"hash\":\"sha256:0\"},\"files\":[]}]", "", "not those that it had"},
};
/* clang-format on */

START_TEST(pack_with_a_right_hash_and_wrong_contents_is_refused)
{
    const struct bad_table *bad = &bad_tables[_i];
    struct value table = {0};
    struct err err = {0};
    struct buf pack;

    ck_assert_msg(value_read_json(bad->json, strlen(bad->json), &table, &err) == 0,
                  "%s", err.text);
    pack = seal(&table, bad->files);
    assert_refused(buf_bytes(&pack), bad->want);
    value_finish(&table);
    buf_finish(&pack);
}
END_TEST

/* ---- bytecode -------------------------------------------------------------------- */

static struct buf luac(const char *bytecode)
{
    struct value compiled = value_map();
    struct buf out;

    buf_init(&out, 0);
    value_put(&compiled, "bytecode", value_string(bytecode));
    value_put(&compiled, "uses_G", value_bool(true));
    ck_assert(bytecode_write(&compiled, &out));
    value_finish(&compiled);
    return out;
}

static struct entry *compiled_entry(const char *fs, const char *path, const char *hash)
{
    struct value data = value_map();

    value_put(&data, "fs", value_string(fs));
    value_put(&data, "path", value_string(path));
    value_put(&data, "hash", value_string(hash));
    value_put(&data, "method", value_string("main"));
    return entry_create("a:f", 3, "function.lua.bc", value_map(), data);
}

/* The first problem with entry in a state with the files; "" when there is none. */
static const char *problem_of(struct entry *entry, struct bytes file)
{
    static char text[300];
    struct entry *files = files_entry("a:fs", "f.luac", file);
    struct entry *folder =
        entry_create("a:folder", 8, "fs.directory", value_map(), value_map());
    struct entry *all[] = {folder, files}; /* sorted */
    struct snapshot state = {.entries = all, .n = 2};
    struct problems problems;

    problems_init(&problems);
    bytecode_check(entry, &state, &problems);
    snprintf(text, sizeof(text), "%s", problems.n != 0 ? problems.rows[0].text : "");
    ck_assert((problems.n == 0) == (entry->code_in != NULL));
    problems_finish(&problems);
    entry_unref(files);
    entry_unref(folder);
    return text;
}

START_TEST(bytecode_is_taken_with_the_right_hash)
{
    struct buf file = luac("dump");
    struct bytes bytes = buf_bytes(&file);
    char hash[DIGEST_TEXT_BYTES];
    struct value compiled = {0};
    struct entry *entry;
    struct err err = {0};

    ck_assert(digest_describe(&bytes, 1, hash));
    entry = compiled_entry("a:fs", "f.luac", hash);
    ck_assert_str_eq(problem_of(entry, bytes), "");
    ck_assert_int_eq(bytecode_read(entry, &compiled, &err), 0);
    ck_assert_str_eq(value_get_text(&compiled, "bytecode"), "dump");
    ck_assert(value_get_bool(&compiled, "uses_G", false));
    value_finish(&compiled);
    entry_unref(entry);
    buf_finish(&file);
}
END_TEST

struct bad_entry {
    const char *fs, *path, *hash, *want; /* hash NULL: the right one */
};

static const struct bad_entry bad_entries[] = {
    {"", "f.luac", NULL, "fs is required"},
    {"a:fs", "", NULL, "path is required"},
    {"a:fs", "f.luac", "", "hash is required"},
    {"a:nope", "f.luac", NULL, "filesystem not found: a:nope"},
    {"a:folder", "f.luac", NULL, "taken from packs only"},
    {"a:fs", "g.luac", NULL, "failed to open file: g.luac"},
    {"a:fs", "f.luac", "abc", "invalid hash format: abc"},
    {"a:fs", "f.luac", "md5:abc", "unsupported hash algorithm: md5"},
    {"a:fs", "f.luac", "sha256:abc", "hash mismatch: expected sha256:abc, got sha256:"},
};

START_TEST(bytecode_is_refused_F_80)
{
    const struct bad_entry *bad = &bad_entries[_i];
    struct buf file = luac("dump");
    struct bytes bytes = buf_bytes(&file);
    char hash[DIGEST_TEXT_BYTES];
    struct entry *entry;
    const char *text;

    ck_assert(digest_describe(&bytes, 1, hash));
    entry = compiled_entry(bad->fs, bad->path, bad->hash != NULL ? bad->hash : hash);
    text = problem_of(entry, bytes);
    ck_assert_msg(strncmp(text, "failed to load bytecode: ", 25) == 0, "%s", text);
    ck_assert_msg(strstr(text, bad->want) != NULL, "%s", text);
    entry_unref(entry);
    buf_finish(&file);
}
END_TEST

/* The hash is right, but what it is the hash of is none of our bytecode. */
START_TEST(bytecode_of_others_is_refused_L1)
{
    struct buf file = luac("dump");
    uint8_t *head = buf_head(&file);
    size_t n = buf_len(&file);

    for (size_t i = 0; i <= LUAC_HEAD_BYTES; i++) {
        struct bytes bytes = {head, n};
        char hash[DIGEST_TEXT_BYTES];
        struct entry *entry;
        const char *text;

        if (i < LUAC_HEAD_BYTES)
            head[i] ^= 1;
        else
            bytes.n--; /* the head is right, the rest is cut short */
        ck_assert(digest_describe(&bytes, 1, hash));
        entry = compiled_entry("a:fs", "f.luac", hash);
        text = problem_of(entry, bytes);
        ck_assert_msg(strstr(text, "failed to undump bytecode") != NULL, "%zu: %s", i,
                      text);
        entry_unref(entry);
        if (i < LUAC_HEAD_BYTES)
            head[i] ^= 1;
    }
    buf_finish(&file);
}
END_TEST

static void fill(TCase *tc)
{
    tcase_add_test(tc, pack_gives_back_what_went_in);
    tcase_add_test(tc, pack_is_the_same_for_the_same_entries);
    tcase_add_test(tc, pack_is_refused_at_every_length);
    tcase_add_test(tc, pack_is_refused_with_any_byte_changed);
    tcase_add_test(tc, pack_of_another_version_is_refused);
    tcase_add_loop_test(tc, pack_with_a_right_hash_and_wrong_contents_is_refused, 0,
                        (int)N_ELEMENTS(bad_tables));
    tcase_add_test(tc, bytecode_is_taken_with_the_right_hash);
    tcase_add_loop_test(tc, bytecode_is_refused_F_80, 0, (int)N_ELEMENTS(bad_entries));
    tcase_add_test(tc, bytecode_of_others_is_refused_L1);
}

int main(void)
{
    return unit_main("pack", fill);
}
