#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/buf.h"
#include "common/expr_private.h"
#include "common/hex.h"
#include "common/mem.h"

#define MAX_NUMBER_BYTES 64

int expr_fail_at(const char *text, const char *at, struct err *err, const char *fmt,
                 ...)
{
    unsigned line = 1, column = 1;
    char what[200];
    va_list args;

    if (err == NULL) /* checks of policies fail often, and nobody reads why */
        return -1;
    for (const char *c = text; c < at; c++) {
        column = *c == '\n' ? 1 : column + 1;
        line += *c == '\n';
    }
    va_start(args, fmt);
    vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return err_set(err, ERR_INVALID, "%u:%u: %s", line, column, what);
}

/* ---- what lies between tokens ---------------------------------------------------- */

static int skip_blanks(struct lexer *lexer, struct err *err)
{
    for (;;) {
        const char *began = lexer->at;
        size_t left = (size_t)(lexer->end - lexer->at);

        if (left != 0 && isspace((unsigned char)*lexer->at)) {
            lexer->at++;
        } else if (left >= 2 && memcmp(lexer->at, "//", 2) == 0) {
            const char *line_end = memchr(lexer->at, '\n', left);

            lexer->at = line_end != NULL ? line_end : lexer->end;
        } else if (left >= 2 && memcmp(lexer->at, "/*", 2) == 0) {
            const char *end = memmem(lexer->at + 2, left - 2, "*/", 2);

            if (end == NULL)
                return expr_fail_at(lexer->text, began, err, "comment without an end");
            lexer->at = end + 2;
        } else {
            return 0;
        }
    }
}

/* ---- numbers --------------------------------------------------------------------- */

static bool is_digit_of(char c, bool hex)
{
    return hex ? isxdigit((unsigned char)c) != 0 : isdigit((unsigned char)c) != 0;
}

/* Copies digits without their underscores. */
static void copy_digits(struct lexer *lexer, bool hex, char *out, size_t *n)
{
    for (;
         lexer->at < lexer->end && (is_digit_of(*lexer->at, hex) || *lexer->at == '_');
         lexer->at++)
        if (*lexer->at != '_' && *n < MAX_NUMBER_BYTES)
            out[(*n)++] = *lexer->at;
}

/* A dot that a digit follows; 1..5 is a range. */
static bool is_fraction(const struct lexer *lexer)
{
    return lexer->end - lexer->at >= 2 && lexer->at[0] == '.' &&
           isdigit((unsigned char)lexer->at[1]);
}

static bool is_exponent(const struct lexer *lexer)
{
    const char *at = lexer->at;

    if (at == lexer->end || (*at != 'e' && *at != 'E'))
        return false;
    at++;
    if (at < lexer->end && (*at == '+' || *at == '-'))
        at++;
    return at < lexer->end && isdigit((unsigned char)*at);
}

static int read_number(struct lexer *lexer, struct token *token, struct err *err)
{
    char digits[MAX_NUMBER_BYTES + 8];
    const char *began = lexer->at;
    bool hex = lexer->end - began > 2 && began[0] == '0' &&
               (began[1] == 'x' || began[1] == 'X'),
         real = false;
    size_t n = 0;

    lexer->at += hex ? 2 : 0;
    copy_digits(lexer, hex, digits, &n);
    if (!hex && is_fraction(lexer)) {
        real = true;
        digits[n++] = *lexer->at++;
        copy_digits(lexer, false, digits, &n);
    }
    if (!hex && is_exponent(lexer)) {
        real = true;
        digits[n++] = *lexer->at++;
        if (*lexer->at == '+' || *lexer->at == '-')
            digits[n++] = *lexer->at++;
        copy_digits(lexer, false, digits, &n);
    }
    digits[n] = '\0';
    errno = 0;
    token->type = TOKEN_NUMBER;
    token->value = real ? value_float(strtod(digits, NULL))
                        : value_int(strtoll(digits, NULL, hex ? 16 : 10));
    if (n == 0 || n >= MAX_NUMBER_BYTES || errno == ERANGE ||
        (lexer->at < lexer->end &&
         (isalnum((unsigned char)*lexer->at) || *lexer->at == '_')))
        return expr_fail_at(lexer->text, began, err, "this is no number");
    return 0;
}

/* ---- texts ----------------------------------------------------------------------- */

static int read_hex(struct lexer *lexer, size_t n_digits, uint32_t *out)
{
    uint32_t code = 0;

    if ((size_t)(lexer->end - lexer->at) < n_digits)
        return -1;
    for (size_t i = 0; i < n_digits; i++) {
        int digit = hex_digit(*lexer->at++);

        if (digit == -1)
            return -1;
        code = code << 4 | (uint32_t)digit;
    }
    *out = code;
    return 0;
}

static int append_code(struct buf *out, uint32_t code)
{
    char bytes[4];
    size_t n = 0;

    if (code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return -1;
    if (code < 0x80) {
        bytes[n++] = (char)code;
    } else {
        unsigned n_more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
        static const uint8_t heads[] = {0, 0xc0, 0xe0, 0xf0};

        bytes[n++] = (char)(heads[n_more] | code >> (6 * n_more));
        while (n_more-- > 0)
            bytes[n++] = (char)(0x80 | (code >> (6 * n_more) & 0x3f));
    }
    return buf_append(out, bytes, n) ? 0 : -1;
}

static int read_escape(struct lexer *lexer, struct buf *out)
{
    static const char letters[] = "abfnrtv\\\"'`";
    static const char meanings[] = "\a\b\f\n\r\t\v\\\"'`";
    char c = lexer->at < lexer->end ? *lexer->at++ : '\0';
    const char *known = c != '\0' ? strchr(letters, c) : NULL;
    uint32_t code = 0;

    if (known != NULL)
        return buf_append(out, &meanings[known - letters], 1) ? 0 : -1;
    if (c == 'x' && read_hex(lexer, 2, &code) == 0)
        return append_code(out, code);
    if (c == 'u' && read_hex(lexer, 4, &code) == 0)
        return append_code(out, code);
    if (c == 'U' && read_hex(lexer, 8, &code) == 0)
        return append_code(out, code);
    return -1;
}

static int read_text(struct lexer *lexer, struct token *token, struct err *err)
{
    const char *began = lexer->at;
    char quote = *lexer->at++;
    struct buf out;
    int failed = 0;

    buf_init(&out, EXPR_MAX_BYTES);
    while (lexer->at < lexer->end && *lexer->at != quote && failed == 0) {
        char c = *lexer->at++;

        if (c == '\\' && quote != '`')
            failed = read_escape(lexer, &out);
        else if (c == '\n' && quote != '`')
            failed = -1;
        else
            failed = buf_append(&out, &c, 1) ? 0 : -1;
    }
    token->type = TOKEN_TEXT;
    token->value = buf_len(&out) != 0 ? value_bytes(buf_head(&out), buf_len(&out))
                                      : value_string("");
    buf_finish(&out);
    if (failed == -1 || lexer->at == lexer->end)
        return expr_fail_at(lexer->text, began, err,
                            failed == -1 ? "a text with an escape or a line break that "
                                           "can't be"
                                         : "a text without its end");
    lexer->at++;
    return 0;
}

/* ---- the rest -------------------------------------------------------------------- */

static bool is_name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$';
}

static int read_sign(struct lexer *lexer, struct token *token, struct err *err)
{
    static const char *const signs[] = {
        "==", "!=", "<=", ">=", "&&", "||", "**", "??", "?.", "..", "+",
        "-",  "*",  "/",  "%",  "^",  "<",  ">",  "!",  "?",  ":",  ".",
        ",",  "(",  ")",  "[",  "]",  "{",  "}",  "|",  "#",  ";",  "="};

    for (size_t i = 0; i < N_ELEMENTS(signs); i++) {
        size_t n = strlen(signs[i]);

        if ((size_t)(lexer->end - lexer->at) >= n &&
            memcmp(lexer->at, signs[i], n) == 0) {
            token->type = TOKEN_SIGN;
            lexer->at += n;
            return 0;
        }
    }
    return expr_fail_at(lexer->text, lexer->at, err, "an unexpected character");
}

int lexer_next(struct lexer *lexer, struct token *token, struct err *err)
{
    int failed = 0;

    *token = (struct token){.type = TOKEN_END};
    if (skip_blanks(lexer, err) == -1)
        return -1;
    token->text = lexer->at;
    if (lexer->at == lexer->end)
        return 0;
    if (isdigit((unsigned char)*lexer->at)) {
        failed = read_number(lexer, token, err);
    } else if (strchr("\"'`", *lexer->at) != NULL && *lexer->at != '\0') {
        failed = read_text(lexer, token, err);
    } else if (is_name_char(*lexer->at)) {
        token->type = TOKEN_NAME;
        while (lexer->at < lexer->end && is_name_char(*lexer->at))
            lexer->at++;
    } else {
        failed = read_sign(lexer, token, err);
    }
    token->n = (size_t)(lexer->at - token->text);
    if (failed == -1)
        value_finish(&token->value);
    return failed;
}
