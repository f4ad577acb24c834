#include "common/regex.h"

#include <cstdio>
#include <new>

#include <re2/re2.h>

namespace
{

const int64_t MAX_MEMORY_BYTES = 8 << 20;
const size_t MAX_PATTERN_BYTES = 10000;

void explain(char *out, size_t out_bytes, const char *why)
{
    if (out != nullptr && out_bytes != 0)
        std::snprintf(out, out_bytes, "%s", why);
}

re2::RE2::Options make_options()
{
    re2::RE2::Options options;

    options.set_log_errors(false);
    options.set_max_mem(MAX_MEMORY_BYTES);
    options.set_never_capture(true);
    return options;
}

} // namespace

struct regex {
    re2::RE2 pattern;

    regex(const char *text, size_t n_bytes)
        : pattern(re2::StringPiece(text, n_bytes), make_options())
    {
    }
};

/* No exception may cross into C. */
struct regex *regex_create(const char *pattern, size_t n_bytes, char *error_out,
                           size_t error_bytes)
{
    if (n_bytes > MAX_PATTERN_BYTES) {
        explain(error_out, error_bytes, "the pattern is too long");
        return nullptr;
    }
    try {
        struct regex *made = new regex(pattern, n_bytes);

        if (made->pattern.ok())
            return made;
        explain(error_out, error_bytes, made->pattern.error().c_str());
        delete made;
    } catch (const std::bad_alloc &) {
        explain(error_out, error_bytes, "no memory");
    }
    return nullptr;
}

void regex_destroy(struct regex *regex)
{
    delete regex;
}

size_t regex_size(const struct regex *regex)
{
    return regex != nullptr ? static_cast<size_t>(regex->pattern.ProgramSize()) : 0;
}

bool regex_matches(const struct regex *regex, const char *text, size_t n_bytes)
{
    try {
        return re2::RE2::PartialMatch(re2::StringPiece(text, n_bytes), regex->pattern);
    } catch (const std::bad_alloc &) {
        return false;
    }
}
