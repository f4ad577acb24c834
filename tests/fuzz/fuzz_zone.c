/*
 * fuzz_zone -- reads any bytes as a time zone file and asks it for a few instants; the
 * spans it names must contain them.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/modules/calendar.h"
#include "worker/modules/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t instants[] = {INT64_MIN,  -5000000000, 0,        1700000000,
                                       4102444800, 4118000000,  INT64_MAX};
    struct zone zone = {.table = zone_table_parse(data, size)};
    struct zone_span span;
    int32_t offset_s;

    if (zone.table == NULL)
        return 0;
    for (size_t i = 0; i < sizeof(instants) / sizeof(instants[0]); i++) {
        struct civil_parts parts = {.year = instants[i], .month = 1, .day = 1};

        zone_find(&zone, instants[i], &span);
        if (span.start_s > instants[i] ||
            (span.end_s <= instants[i] && instants[i] != INT64_MAX))
            abort();
        zone_find_abbrev(&zone, span.abbrev, strlen(span.abbrev), instants[i],
                         &offset_s);
        zone_civil_to_unix(&zone, &parts);
    }
    zone_table_destroy(zone.table);
    return 0;
}
