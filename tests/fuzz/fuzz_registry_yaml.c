/*
 * A registry file of any bytes is refused or becomes entries, which are then checked,
 * committed and written out again.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/err.h"
#include "common/log.h"

#include "supervisor/problems.h"
#include "supervisor/registry.h"
#include "supervisor/registry_files.h"
#include "supervisor/registry_yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static void use(struct registry *registry, struct entry_list *entries,
                struct problems *problems)
{
    struct err err;
    struct changeset *set =
        registry_prepare_reload(registry, entries->items, entries->n, problems, &err);

    if (set != NULL && registry_commit(registry, set, NULL, &err) == -1)
        abort();
    for (size_t i = 0; i < registry_state(registry)->n; i++) {
        struct value value = entry_to_value(registry_state(registry)->entries[i]);
        struct buf buf;

        buf_init(&buf, 1 << 20);
        value_write_json(&buf, &value, 2);
        buf_finish(&buf);
        value_finish(&value);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct load_budget budget = {.max_file_bytes = 1 << 20,
                                 .max_source_bytes = 100,
                                 .n_nodes_left = 10000,
                                 .n_source_bytes_left = 1000};
    struct load_file file = {.label = "", .name = "x/fuzz.yaml", .is_named = true};
    struct registry *registry = registry_create();
    struct entry_list entries = {0};
    struct problems problems;
    struct buf buf;

    log_set_level(LOG_OFF);
    problems_init(&problems);
    file.root_fd = folder_open("/proc/self/fdinfo", NULL);
    registry_read_text(&file, (const char *)data, n, &budget, &entries, &problems);
    use(registry, &entries, &problems);
    buf_init(&buf, 0);
    problems_format(&buf, &problems);
    buf_finish(&buf);
    problems_finish(&problems);
    entry_list_finish(&entries);
    registry_destroy(registry);
    if (file.root_fd != -1)
        close(file.root_fd);
    return 0;
}
