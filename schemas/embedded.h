/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* Files compiled into the program. Rows in name order; a NULL name ends the list. */
#include <stddef.h>

struct embedded {
    const char *name; /* "update.avsc" */
    const char *text; /* NUL-terminated */
    size_t len;
};
extern const struct embedded avro_schemas[];
extern const struct embedded sql_migrations[];
extern const struct embedded openapi_files[];      /* openapi.json alone */
extern const struct embedded api_docs_files[];     /* docs.html alone */
extern const struct embedded api_password_files[]; /* passwords.txt alone */
