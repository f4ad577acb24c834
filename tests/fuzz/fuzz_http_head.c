/* A head has the same end however its bytes come, and what is taken has a path in
 * it. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "supervisor/http_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    size_t whole = 0, searched = 0, end, found = 0;
    struct http_head head;
    uint8_t *exact;

    end = http_head_find_end((struct bytes){data, n}, &whole);
    for (size_t i = 1; i <= n && found == 0; i++)
        found = http_head_find_end((struct bytes){data, i}, &searched);
    if (found != end)
        abort();
    if (end == 0)
        end = n;             /* the parser must bear heads that were cut off, too */
    exact = malloc(end + 1); /* so that a look beyond is seen */
    memcpy(exact, data, end);
    exact = realloc(exact, end != 0 ? end : 1);
    if (http_head_parse((struct bytes){exact, end}, &head) == 0 &&
        (head.path.n == 0 || head.path.data < exact ||
         head.path.data + head.path.n > exact + end))
        abort();
    free(exact);
    return 0;
}
