#include "worker/erase_lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"

#define END_OF_TEXT (-1)

static const char *const keywords[] = {
    "and",      "break",  "do",   "else", "elseif", "end",   "false", "for",
    "function", "goto",   "if",   "in",   "local",  "nil",   "not",   "or",
    "repeat",   "return", "then", "true", "until",  "while",
};
_Static_assert(N_ELEMENTS(keywords) == TK_WHILE - TK_AND + 1, "a row per keyword");

static const char *const other_names[] = {
    "'=='",  "'~='", "'<='", "'>='", "'//'",   "'<<'",     "'>>'",     "'..'",
    "'...'", "'::'", "'->'", "'?:'", "<name>", "<number>", "<string>", "'interface'",
};
_Static_assert(N_ELEMENTS(other_names) == TK_INTERFACE - TK_EQ + 1, "a row per token");

/* Longest first: the first that fits is the token. */
static const struct operator_row {
    char text[4];
    uint16_t kind;
} operators[] = {
    {"...", TK_DOTS}, {"..", TK_CONCAT},  {"==", TK_EQ},    {"~=", TK_NE},
    {"<=", TK_LE},    {">=", TK_GE},      {"//", TK_IDIV},  {"<<", TK_SHL},
    {">>", TK_SHR},   {"::", TK_DBCOLON}, {"->", TK_ARROW}, {"?:", TK_OPTIONAL},
};

static const char single_bytes[] = "+-*/%^#&~|<>=(){}[];:,.?!@";

/* An escape sequence of a short string. */
struct escape {
    enum { ESCAPE_KNOWN, ESCAPE_ODD, ESCAPE_TOO_LARGE } sort;
    uint32_t n_bytes; /* with the backslash; of a newline only its first byte */
    int value;        /* the byte it stands for; -1 = none or several */
};

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool is_name_start(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_name_byte(int c)
{
    return is_name_start(c) || is_digit(c);
}

static int hex_value(int c)
{
    if (is_digit(c))
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_utf8_tail(int c)
{
    return c != END_OF_TEXT && (c & 0xC0) == 0x80;
}

static bool is_newline(int c)
{
    return c == '\n' || c == '\r';
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\f' || c == '\v';
}

/* The byte at that offset. A NUL is one like any other. */
static int ahead(const struct lexer *lx, uint32_t at)
{
    return at < lx->n_bytes ? (unsigned char)lx->text[at] : END_OF_TEXT;
}

static int current(const struct lexer *lx)
{
    return ahead(lx, lx->at);
}

uint32_t erase_lex_init(struct lexer *lx, const char *text, uint32_t n_bytes,
                        struct erase_error *error)
{
    *lx = (struct lexer){.text = text, .n_bytes = n_bytes, .line = 1, .error = error};
    if (n_bytes >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0)
        lx->at = 3;
    if (current(lx) == '#') {
        while (current(lx) != END_OF_TEXT && !is_newline(current(lx)))
            lx->at++;
    }
    return lx->at;
}

void erase_error_set(struct erase_error *error, const struct token *at, const char *fmt,
                     ...)
{
    va_list args;

    if (error->message[0] != '\0')
        return;
    error->kind = ERR_INVALID;
    error->line = at->line;
    error->col = (int)(at->start - at->line_start) + 1;
    error->at_eof = at->kind == TK_EOF;
    va_start(args, fmt);
    vsnprintf(error->message, sizeof(error->message), fmt, args);
    va_end(args);
}

const char *erase_token_name(unsigned kind, char scratch[4])
{
    static const char *const quoted[] = {
        "'and'",   "'break'", "'do'",       "'else'",  "'elseif'", "'end'",
        "'false'", "'for'",   "'function'", "'goto'",  "'if'",     "'in'",
        "'local'", "'nil'",   "'not'",      "'or'",    "'repeat'", "'return'",
        "'then'",  "'true'",  "'until'",    "'while'",
    };

    _Static_assert(N_ELEMENTS(quoted) == N_ELEMENTS(keywords), "a row per keyword");
    if (kind == TK_EOF)
        return "<eof>";
    if (kind >= TK_EQ)
        return other_names[kind - TK_EQ];
    if (kind >= TK_AND)
        return quoted[kind - TK_AND];
    scratch[0] = scratch[2] = '\'';
    scratch[1] = (char)kind;
    scratch[3] = '\0';
    return scratch;
}

const char *erase_token_text(const struct lexer *lx, const struct token *token,
                             char out[TOKEN_TEXT_BYTES])
{
    uint32_t n = token->end - token->start;
    uint32_t n_shown = n <= TOKEN_TEXT_BYTES - 8 ? n : TOKEN_TEXT_BYTES - 8;
    char *to = out;

    if (token->kind == TK_EOF)
        return "<eof>";
    while (n_shown < n && n_shown > 0 &&
           is_utf8_tail(ahead(lx, token->start + n_shown)))
        n_shown--;
    *to++ = '\'';
    for (uint32_t i = 0; i < n_shown; i++) {
        unsigned char c = (unsigned char)lx->text[token->start + i];

        *to++ = (char)(c < 0x20 || c == 0x7f ? '?' : c);
    }
    memcpy(to, n_shown < n ? "...'" : "'", n_shown < n ? 5 : 2);
    return out;
}

/* Blames what was read since token->start. Always false. */
static bool refuse(struct lexer *lx, struct token *token, const char *why)
{
    char text[TOKEN_TEXT_BYTES];

    token->kind = TK_STRING;
    token->end = lx->at;
    erase_error_set(lx->error, token, "%s near %s", why,
                    erase_token_text(lx, token, text));
    return false;
}

/* At CR or LF; CR LF and LF CR are one. */
static void skip_newline(struct lexer *lx)
{
    int first = current(lx), second = ahead(lx, lx->at + 1);

    lx->at += is_newline(second) && second != first ? 2 : 1;
    lx->line++;
    lx->line_start = lx->at;
}

/* At '[': the number of '=' if a long bracket opens here, else -1. *n_out is how many
 * '=' there were in any case. */
static int64_t long_bracket_level(const struct lexer *lx, uint32_t *n_out)
{
    uint32_t n = 0;

    while (ahead(lx, lx->at + 1 + n) == '=')
        n++;
    *n_out = n;
    return ahead(lx, lx->at + 1 + n) == '[' ? (int64_t)n : -1;
}

/* At the first byte behind a long bracket; goes behind the closing one. False at the
 * end of the text. */
static bool skip_long_bracket(struct lexer *lx, uint32_t level)
{
    for (;;) {
        int c = current(lx);
        uint32_t n = 0;

        if (c == END_OF_TEXT)
            return false;
        if (is_newline(c)) {
            skip_newline(lx);
            continue;
        }
        lx->at++;
        if (c != ']')
            continue;
        for (; n < level && current(lx) == '='; n++)
            lx->at++;
        if (n == level && current(lx) == ']') {
            lx->at++;
            return true;
        }
    }
}

/* At "--". */
static bool skip_comment(struct lexer *lx, struct token *token)
{
    uint32_t n;

    lx->at += 2;
    if (current(lx) == '[') {
        int64_t level = long_bracket_level(lx, &n);

        if (level >= 0) {
            lx->at += n + 2;
            return skip_long_bracket(lx, (uint32_t)level) ||
                   refuse(lx, token, "unfinished long comment");
        }
    }
    while (current(lx) != END_OF_TEXT && !is_newline(current(lx)))
        lx->at++;
    return true;
}

static void start_token(const struct lexer *lx, struct token *token)
{
    *token =
        (struct token){.start = lx->at, .line_start = lx->line_start, .line = lx->line};
}

/* Leaves the lexer at the first byte of a token and says so in token. */
static bool skip_blanks(struct lexer *lx, struct token *token)
{
    for (;;) {
        int c = current(lx);

        start_token(lx, token);
        if (is_newline(c)) {
            skip_newline(lx);
        } else if (is_blank(c)) {
            lx->at++;
        } else if (c == '-' && ahead(lx, lx->at + 1) == '-') {
            if (!skip_comment(lx, token))
                return false;
        } else {
            return true;
        }
    }
}

static bool lex_long_string(struct lexer *lx, struct token *token, uint32_t level)
{
    uint32_t text_at;

    lx->at += level + 2;
    if (is_newline(current(lx))) /* the first one is no part of the string */
        skip_newline(lx);
    text_at = lx->at;
    if (!skip_long_bracket(lx, level))
        return refuse(lx, token, "unfinished long string");
    token->kind = TK_STRING;
    if (lx->at - text_at == level + 4 && memcmp(lx->text + text_at, "_G", 2) == 0)
        lx->uses_G = true;
    return true;
}

static struct escape decimal_escape(const struct lexer *lx, uint32_t at)
{
    int value = 0;
    uint32_t n = 1;

    for (; n <= 3 && is_digit(ahead(lx, at + n)); n++)
        value = value * 10 + (ahead(lx, at + n) - '0');
    return (struct escape){value > 255 ? ESCAPE_TOO_LARGE : ESCAPE_KNOWN, n, value};
}

/* \u{XXX}: up to 2^31 as in Lua, else not one that Lua knows. */
static struct escape unicode_escape(const struct lexer *lx, uint32_t at)
{
    const struct escape odd = {ESCAPE_ODD, 2, 'u'};
    uint32_t value = 0, i = at + 3;

    if (ahead(lx, at + 2) != '{' || hex_value(ahead(lx, i)) < 0)
        return odd;
    for (; hex_value(ahead(lx, i)) >= 0; i++) {
        if (value > 0x7FFFFFFFu >> 4)
            return odd;
        value = value << 4 | (uint32_t)hex_value(ahead(lx, i));
    }
    if (ahead(lx, i) != '}')
        return odd;
    return (struct escape){ESCAPE_KNOWN, i + 1 - at, value < 0x80 ? (int)value : -1};
}

/* The escape whose backslash is at `at`; at least one byte follows it. */
static struct escape read_escape(const struct lexer *lx, uint32_t at)
{
    int c = ahead(lx, at + 1);
    int high, low;

    if (is_digit(c))
        return decimal_escape(lx, at);
    switch (c) {
    case 'u':
        return unicode_escape(lx, at);
    case 'x':
        high = hex_value(ahead(lx, at + 2));
        low = high < 0 ? -1 : hex_value(ahead(lx, at + 3));
        if (low < 0)
            return (struct escape){ESCAPE_ODD, 2, c};
        return (struct escape){ESCAPE_KNOWN, 4, high << 4 | low};
    case 'z':
        return (struct escape){ESCAPE_KNOWN, 2, -1};
    case 'a': /* which byte these stand for matters to nobody here */
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
    case 'v':
    case '\\':
    case '"':
    case '\'':
    case '\n':
    case '\r':
        return (struct escape){ESCAPE_KNOWN, 2, 0};
    default:
        return (struct escape){ESCAPE_ODD, 2, c};
    }
}

uint32_t erase_lex_odd_escape(const struct lexer *lx, uint32_t at, uint32_t end,
                              uint32_t *after_out)
{
    while (at < end) {
        const char *slash = memchr(lx->text + at, '\\', end - at);
        struct escape escape;

        if (slash == NULL)
            return end;
        at = (uint32_t)(slash - lx->text);
        escape = read_escape(lx, at);
        *after_out = at + escape.n_bytes;
        if (escape.sort == ESCAPE_ODD)
            return at;
        at = *after_out;
    }
    return end;
}

/* At a backslash within a string; true when the lexer stands behind the escape. */
static bool lex_escape(struct lexer *lx, struct token *token, struct escape *out)
{
    int c = ahead(lx, lx->at + 1);

    if (c == END_OF_TEXT) {
        lx->at++;
        return refuse(lx, token, "unfinished string");
    }
    *out = read_escape(lx, lx->at);
    if (out->sort == ESCAPE_TOO_LARGE)
        return refuse(lx, token, "decimal escape too large");
    token->odd_escapes |= out->sort == ESCAPE_ODD;
    if (is_newline(c)) {
        lx->at++;
        skip_newline(lx);
        return true;
    }
    lx->at += out->n_bytes;
    while (c == 'z') {
        if (is_newline(current(lx)))
            skip_newline(lx);
        else if (is_blank(current(lx)))
            lx->at++;
        else
            break;
    }
    return true;
}

/* At the opening quote. Decodes as much as it takes to know whether it says "_G". */
static bool lex_string(struct lexer *lx, struct token *token)
{
    int quote = current(lx);
    char head[2] = {0, 0};
    uint32_t n_decoded = 0;

    lx->at++;
    for (;;) {
        struct escape escape;
        int c = current(lx);

        if (c == quote)
            break;
        if (c == END_OF_TEXT || is_newline(c))
            return refuse(lx, token, "unfinished string");
        if (c == '\\') {
            if (!lex_escape(lx, token, &escape))
                return false;
            if (escape.value < 0)
                continue;
            c = escape.value;
        } else {
            lx->at++;
        }
        if (n_decoded < 2)
            head[n_decoded] = (char)c;
        n_decoded++;
    }
    lx->at++;
    token->kind = TK_STRING;
    lx->uses_G |= n_decoded == 2 && memcmp(head, "_G", 2) == 0;
    return true;
}

static bool digits(const char **at, const char *end, bool hex)
{
    const char *start = *at;

    while (*at < end && (hex ? hex_value((unsigned char)**at) >= 0 : is_digit(**at)))
        (*at)++;
    return *at > start;
}

/* Would Lua read these bytes as a number? */
static bool numeral_is_valid(const char *at, const char *end)
{
    bool hex = end - at >= 2 && at[0] == '0' && (at[1] | 0x20) == 'x';
    bool any;

    at += hex ? 2 : 0;
    any = digits(&at, end, hex);
    if (at < end && *at == '.') {
        at++;
        any |= digits(&at, end, hex);
    }
    if (!any)
        return false;
    if (at < end && (*at | 0x20) == (hex ? 'p' : 'e')) {
        at++;
        if (at < end && (*at == '+' || *at == '-'))
            at++;
        if (!digits(&at, end, false))
            return false;
    }
    return at == end;
}

/* Takes the same bytes as Lua's own scanner, so that `3x` and `1..2` stay one bad
 * number in both. */
static bool lex_number(struct lexer *lx, struct token *token)
{
    bool hex = current(lx) == '0' && (ahead(lx, lx->at + 1) | 0x20) == 'x';

    lx->at += hex ? 2 : 1;
    for (;;) {
        int c = current(lx);

        if (c != END_OF_TEXT && (c | 0x20) == (hex ? 'p' : 'e')) {
            int sign = ahead(lx, lx->at + 1);

            lx->at += sign == '+' || sign == '-' ? 2 : 1;
        } else if (is_name_byte(c) || c == '.') {
            lx->at++;
        } else {
            break;
        }
    }
    if (!numeral_is_valid(lx->text + token->start, lx->text + lx->at))
        return refuse(lx, token, "malformed number");
    token->kind = TK_NUMBER;
    return true;
}

static void lex_name(struct lexer *lx, struct token *token)
{
    const char *name = lx->text + lx->at;
    uint32_t n = 1;

    while (is_name_byte(ahead(lx, lx->at + n)))
        n++;
    lx->at += n;
    token->kind = TK_NAME;
    if (n == 2 && memcmp(name, "_G", 2) == 0)
        lx->uses_G = true;
    if (n == 4 && memcmp(name, "_ENV", 4) == 0)
        lx->uses_G = true;
    if (n < 2 || n > 8 || name[0] < 'a' || name[0] > 'w')
        return;
    for (unsigned i = 0; i < N_ELEMENTS(keywords); i++) {
        if (keywords[i][0] == name[0] && strlen(keywords[i]) == n &&
            memcmp(keywords[i], name, n) == 0)
            token->kind = (uint16_t)(TK_AND + i);
    }
}

static bool lex_operator(struct lexer *lx, struct token *token)
{
    uint32_t n_left = lx->n_bytes - lx->at;
    int c = current(lx);

    for (unsigned i = 0; i < N_ELEMENTS(operators); i++) {
        uint32_t n = (uint32_t)strlen(operators[i].text);

        if (operators[i].text[0] == c && n <= n_left &&
            memcmp(operators[i].text, lx->text + lx->at, n) == 0) {
            token->kind = operators[i].kind;
            lx->at += n;
            return true;
        }
    }
    lx->at++;
    if (c == 0 || strchr(single_bytes, c) == NULL) {
        while (c >= 0x80 && is_utf8_tail(current(lx)))
            lx->at++; /* blame the whole letter */
        return refuse(lx, token, "unexpected symbol");
    }
    token->kind = (uint16_t)c;
    return true;
}

/* At '[': a long string or a bracket. */
static bool lex_bracket(struct lexer *lx, struct token *token)
{
    uint32_t n;
    int64_t level = long_bracket_level(lx, &n);

    if (level >= 0)
        return lex_long_string(lx, token, (uint32_t)level);
    lx->at++;
    if (n > 0)
        return refuse(lx, token, "invalid long string delimiter");
    token->kind = '[';
    return true;
}

static bool lex_token(struct lexer *lx, struct token *token)
{
    int c = current(lx);

    if (c == END_OF_TEXT)
        return true;
    if (is_name_start(c)) {
        lex_name(lx, token);
        return true;
    }
    if (is_digit(c) || (c == '.' && is_digit(ahead(lx, lx->at + 1))))
        return lex_number(lx, token);
    if (c == '"' || c == '\'')
        return lex_string(lx, token);
    if (c == '[')
        return lex_bracket(lx, token);
    return lex_operator(lx, token);
}

bool erase_lex(struct lexer *lx, struct token *out)
{
    if (!skip_blanks(lx, out) || !lex_token(lx, out))
        return false;
    out->end = lx->at;
    out->end_line = lx->line;
    return true;
}
