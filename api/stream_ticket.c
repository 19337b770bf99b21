/* SPDX-License-Identifier: Apache-2.0 */
/* Where the stream is, and a ticket to it: an access token that is good for a minute, so that what
 * a browser has to put into a URL is soon worth nothing. */
#include "api_conf.h"
#include "clock.h"
#include "handlers.h"
#include "id.h"
#include "jwt_token.h"

#define TICKET_S 60

static bool ticket(struct call *c, struct str *out, struct err *err)
{
    const struct api_conf *conf = call_api(c)->conf;
    const struct who *who = call_who(c);
    int64_t now_at_ms = clock_at_ms();
    char id[UUID_TEXT + 1];
    uuid_format(uuid_v7(now_at_ms), id);
    const struct token t = {.issuer = str_of(conf->jwt_issuer),
                            .subject = who->subject,
                            .tenant_id = who->tenant_id,
                            .role = who->role,
                            .id = str_of(id),
                            .key_id = STR("default"),
                            .issued_at_ms = now_at_ms,
                            .expires_at_ms = now_at_ms + (int64_t)TICKET_S * 1000};
    return token_sign(call_arena(c), &t, str_of(conf->jwt_secret), out, err);
}

static void get_stream(struct call *c)
{
    const char *url = call_api(c)->conf->stream_url;
    struct str token;
    struct err err = {0};
    if (!ticket(c, &token, &err)) {
        call_problem_err(c, &err);
        return;
    }
    struct json_out *o = call_out(c);
    json_open(o, '{');
    json_put_str(o, "url", url[0] ? str_of(url) : STR("/v1/stream"));
    json_put_str(o, "ticket", token);
    json_put_int(o, "expires_in", TICKET_S);
    json_close(o, '}');
    call_answer(c, 200);
}

const struct api_handler api_stream_handlers[] = {
    {"getStream", get_stream},
    {0},
};
