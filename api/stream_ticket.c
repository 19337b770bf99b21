/* SPDX-License-Identifier: Apache-2.0 */
/* Where the stream is, and a ticket to it: an access token that is good for a minute, so that what
 * a browser has to put into a URL is soon worth nothing. */
#include "api_conf.h"
#include "handlers.h"
#include "session.h"

#define TICKET_S 60

static void get_stream(struct call *c)
{
    const char *url = call_api(c)->conf->stream_url;
    struct str token;
    struct err err = {0};
    if (!api_session_token(c, call_who(c)->role, (int64_t)TICKET_S * 1000, &token, &err)) {
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
