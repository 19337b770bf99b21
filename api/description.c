/* SPDX-License-Identifier: Apache-2.0 */
/* The api's own description, and a page that shows it. */
#include "embedded.h"
#include "handlers.h"
#include "http.h"
#include "spec.h"

static void get_description(struct call *c)
{
    buf_put_str(call_out(c)->buf, api_spec_text(call_api(c)->spec));
    call_answer(c, 200);
}

/* The page is all in one, and asks for nothing but the description. */
static void get_docs(struct call *c)
{
    static const char policy[] = "default-src 'none'; script-src 'unsafe-inline'; style-src "
                                 "'unsafe-inline'; connect-src 'self'; base-uri 'none'; "
                                 "form-action 'none'; frame-ancestors 'none'";
    struct http_request *r = call_http(c);
    const struct embedded *page = &api_docs_files[0];
    http_set_header(r, "Content-Security-Policy", str_of(policy));
    http_set_header(r, "X-Content-Type-Options", STR("nosniff"));
    http_set_header(r, "Cache-Control", STR("no-cache"));
    http_set_header(r, "X-Request-Id", call_request_id(c));
    http_answer(r, 200, "text/html; charset=utf-8", (struct str){page->text, page->len});
    call_end(c, 200);
}

const struct api_handler api_description_handlers[] = {
    {"getDescription", get_description},
    {"getDocs", get_docs},
    {0},
};
