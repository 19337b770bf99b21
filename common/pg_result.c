/* SPDX-License-Identifier: Apache-2.0 */
/* What libpq answered: errors as ours, rows, and arrays as parameters. */
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "pg_impl.h"

const char *pg_first_line(const char *text, char *out, size_t size)
{
    size_t n = strcspn(text, "\n");
    n = n < size ? n : size - 1;
    memcpy(out, text, n);
    out[n] = 0;
    return out;
}

static enum err_kind kind_of(const char *sqlstate)
{
    if (!strcmp(sqlstate, "23505") || !strcmp(sqlstate, "40001") || !strcmp(sqlstate, "40P01"))
        return ERR_CONFLICT;
    static const char *const data_classes[] = {"21", "22", "23", "54"};
    for (size_t i = 0; i < ARRAY_LEN(data_classes); i++)
        if (!strncmp(sqlstate, data_classes[i], 2))
            return ERR_INVALID;
    if (!strncmp(sqlstate, "42", 2))
        return ERR_FAULT;
    if (!strncmp(sqlstate, "28", 2))
        return ERR_DENIED;
    return ERR_BUSY;
}

bool pg_result_err(const PGresult *res, const char *name, char sqlstate[PG_SQLSTATE_MAX],
                   struct err *err)
{
    const char *state = PQresultErrorField(res, PG_DIAG_SQLSTATE);
    const char *hint = PQresultErrorField(res, PG_DIAG_MESSAGE_HINT);
    const char *detail = PQresultErrorField(res, PG_DIAG_CONTEXT);
    const char *text = PQresultErrorField(res, PG_DIAG_MESSAGE_PRIMARY);
    char where[80], line[180];
    (void)snprintf(sqlstate, PG_SQLSTATE_MAX, "%s", state ? state : "");
    // Of an error in the data the context quotes the data, which is people's.
    pg_first_line(detail && strncmp(sqlstate, "22", 2) != 0 ? detail : "", where, sizeof where);
    pg_first_line(text ? text : PQresultErrorMessage(res), line, sizeof line);
    return err_set(err, kind_of(sqlstate), "%s%s%s (SQLSTATE %s)%s%s%s%s", name ? name : "",
                   name ? ": " : "", line, sqlstate, *where ? "; " : "", where, hint ? "; " : "",
                   hint ? hint : "");
}

void pg_on_notice(void *ctx, const char *message)
{
    char line[200];
    (void)ctx;
    log_debug("PostgreSQL has a notice", kv_c("notice", pg_first_line(message, line, sizeof line)));
}

void pg_to_wire(const struct pg_param *params, int n, struct pg_wire *out)
{
    for (int i = 0; i < n; i++) {
        out->values[i] = params[i].value;
        out->lens[i] = params[i].len;
        out->formats[i] = params[i].binary;
    }
}

bool pg_is_good(const PGresult *res)
{
    ExecStatusType s = PQresultStatus(res);
    return s == PGRES_TUPLES_OK || s == PGRES_COMMAND_OK;
}

void pg_result_free(struct pg_result *r)
{
    PQclear((PGresult *)r);
}

int pg_rows(const struct pg_result *r)
{
    return PQntuples((const PGresult *)r);
}

bool pg_null(const struct pg_result *r, int row, int col)
{
    return PQgetisnull((const PGresult *)r, row, col);
}

struct str pg_text(const struct pg_result *r, int row, int col)
{
    if (pg_null(r, row, col))
        return STR_NONE;
    const PGresult *res = (const PGresult *)r;
    return (struct str){PQgetvalue(res, row, col), (size_t)PQgetlength(res, row, col)};
}

int64_t pg_i64(const struct pg_result *r, int row, int col)
{
    int64_t v = 0;
    (void)str_i64(pg_text(r, row, col), &v);
    return v;
}

/* --- arrays ----------------------------------------------------------------------------------- */

void pg_array_init(struct pg_array *x, size_t max)
{
    buf_init(&x->buf, max);
    pg_array_clear(x);
}

void pg_array_done(struct pg_array *x)
{
    buf_done(&x->buf);
}

void pg_array_clear(struct pg_array *x)
{
    buf_clear(&x->buf);
    x->n = 0;
}

static void separate(struct pg_array *x)
{
    buf_putc(&x->buf, x->n++ ? ',' : '{');
}

void pg_array_str(struct pg_array *x, struct str v)
{
    if (!v.ptr) {
        pg_array_null(x);
        return;
    }
    separate(x);
    char *start = buf_reserve(&x->buf, 3 * v.len + 2);
    if (!start)
        return;
    char *w = start;
    *w++ = '"';
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (c == 0) {          // would end the parameter; PostgreSQL's text has none
            *w++ = (char)0xEF; // U+FFFD
            *w++ = (char)0xBF;
            *w++ = (char)0xBD;
            continue;
        }
        if (c == '"' || c == '\\')
            *w++ = '\\';
        *w++ = c;
    }
    *w++ = '"';
    x->buf.len += (size_t)(w - start);
}

void pg_array_i64(struct pg_array *x, int64_t v)
{
    separate(x);
    buf_putf(&x->buf, "%lld", (long long)v);
}

void pg_array_null(struct pg_array *x)
{
    separate(x);
    buf_put(&x->buf, "NULL", 4);
}

struct pg_param pg_param_str(struct arena *a, struct str s)
{
    return (struct pg_param){.value = s.ptr ? str_c(a, s) : NULL, .len = (int)s.len};
}

struct pg_param pg_array_param(struct pg_array *x)
{
    if (!x->n)
        buf_putc(&x->buf, '{');
    buf_put(&x->buf, "}", 2); // with its NUL
    if (x->buf.overflow)      // no array's text: the server refuses it, and nothing half goes in
        return (struct pg_param){.value = "array too large"};
    return (struct pg_param){.value = x->buf.ptr};
}
