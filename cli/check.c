/* SPDX-License-Identifier: Apache-2.0 */
#include "check.h"

#include <stdarg.h>

#include "json.h"

static const char *const words[] = {"ok", "warn", "FAIL"};

void checks_init(struct checks *c, bool json)
{
    *c = (struct checks){.json = json};
    buf_init(&c->out, VERB_OUT_MAX);
    if (json)
        buf_putc(&c->out, '[');
}

void check_add(struct checks *c, enum check_level level, const char *what, const char *mend,
               const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (c->json) {
        bool first = c->n[0] + c->n[1] + c->n[2] == 0;
        struct json_out o = {.buf = &c->out, .comma = !first};
        json_open(&o, '{');
        json_put_str(&o, "check", str_of(what));
        json_put_str(&o, "result", str_of(words[level]));
        json_put_str(&o, "found", str_of(text));
        json_put_str(&o, "mend", str_of(mend));
        json_close(&o, '}');
    } else {
        buf_putf(&c->out, "%-5s %-22s %s%s%s\n", words[level], what, text, mend ? ": " : "",
                 mend ? mend : "");
    }
    c->n[level]++;
}

int checks_done(struct checks *c)
{
    if (c->json)
        buf_put_c(&c->out, "]\n");
    else
        buf_putf(&c->out, "\n%d ok, %d to look at, %d to mend\n", c->n[CHECK_OK], c->n[CHECK_WARN],
                 c->n[CHECK_FAIL]);
    bool ok = verb_print(&c->out) && c->n[CHECK_FAIL] == 0;
    buf_done(&c->out);
    return ok ? EXIT_OK : EXIT_FAILED;
}

enum check_level check_secret(struct str value, size_t least, bool required, const char **said)
{
    *said = "set";
    if (value.len == 0) {
        *said = "not set";
        return required ? CHECK_FAIL : CHECK_WARN;
    }
    if (value.len < least) {
        *said = "too short to be safe";
        return CHECK_FAIL;
    }
    return CHECK_OK;
}
