/* SPDX-License-Identifier: Apache-2.0 */
#include "settings.h"

#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define TEXT_MAX (1 << 20)

/* Room for the table's struct, zeroed: no type of setting is larger than 8 bytes. */
static void *settings_room(const struct conf_table *t)
{
    size_t size = sizeof(int64_t);
    for (size_t i = 0; i < t->n; i++)
        if (t->rows[i].offset + sizeof(int64_t) > size)
            size = t->rows[i].offset + sizeof(int64_t);
    return xalloc(size);
}

bool settings_print(const struct conf_table *t, int argc, char **argv, struct buf *out,
                    struct err *err)
{
    void *conf = settings_room(t);
    bool ok = conf_load(t, conf, argc, argv, NULL, err);
    if (ok)
        conf_print(t, conf, out);
    conf_done(t, conf);
    free(conf);
    return ok;
}

bool settings_value(const struct conf_table *t, const char *name, struct buf *out)
{
    struct buf all;
    struct err err;
    buf_init(&all, TEXT_MAX);
    if (!settings_print(t, 0, NULL, &all, &err))
        buf_clear(&all);
    struct str rest = buf_str(&all), line, key, value;
    bool found = false;
    while (!found && rest.len) {
        (void)str_cut(rest, '\n', &line, &rest);
        found = str_cut(line, '=', &key, &value) && str_eq_c(str_trim(key), name);
        if (found)
            buf_put_str(out, str_trim(value));
    }
    for (size_t i = 0; !found && i < t->n; i++) {
        found = strcmp(t->rows[i].name, name) == 0;
        if (found)
            buf_put_c(out, t->rows[i].preset ? t->rows[i].preset : "");
    }
    buf_done(&all);
    return found;
}
