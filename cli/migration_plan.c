/* SPDX-License-Identifier: Apache-2.0 */
#include "migration_plan.h"

#include <string.h>

struct str migration_checksum(struct arena *a, const struct embedded *file)
{
    uint8_t sum[SHA256_BYTES];
    sha256((struct str){file->text, file->len}, sum);
    return hex_encode(a, (struct str){(const char *)sum, sizeof sum});
}

static bool is_known(const struct embedded *files, struct str name)
{
    for (; files->name; files++)
        if (str_eq_c(name, files->name))
            return true;
    return false;
}

bool migration_plan(const struct embedded *files, const struct applied *applied, size_t n,
                    size_t *first, struct err *err)
{
    auto_arena a = arena_new(1 << 20);
    size_t next = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_known(files, applied[i].name))
            return err_set(
                err, ERR_CONFLICT,
                "the database has the migration %.*s, which this program does not know: "
                "the database is newer; use the program that migrated it, or a later one",
                STR_ARG(applied[i].name));
        if (!str_eq_c(applied[i].name, files[next].name))
            return err_set(err, ERR_CONFLICT,
                           "the migration %s is missing although %.*s, which comes after it, was "
                           "applied: restore the table schema_migrations, or the database, from a "
                           "backup",
                           files[next].name, STR_ARG(applied[i].name));
        if (!str_eq(applied[i].checksum, migration_checksum(a, &files[next])))
            return err_set(
                err, ERR_CONFLICT,
                "the migration %s differs from the one that was applied (checksum): a "
                "migration that was released is never changed; put the old text back and "
                "write a new migration",
                files[next].name);
        next++;
    }
    *first = next;
    return true;
}
