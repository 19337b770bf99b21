/* SPDX-License-Identifier: Apache-2.0 */
#include "registry.h"

#include <cjson/cJSON.h>
#include <curl/curl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "clock.h"
#include "curl_start.h"
#include "mem.h"

#define TIMEOUT_MS       10000L
#define ANSWER_MAX       (1024 * 1024)
#define EXCERPT_BYTES    100
#define URL_BYTES        1024
#define FAILURE_PAUSE_MS 1000
#define ABSENT_PAUSE_MS  60000
#define ABSENT_IDS       32
#define REGISTRY_JSON    "application/vnd.schemaregistry.v1+json"

struct registry {
    CURL *curl;
    char *url;
    struct curl_slist *headers;
    int64_t down_until_ms; /* no answer lately: fail at once */
    struct {
        int32_t id;
        int64_t until_ms;
    } absent[ABSENT_IDS];
    size_t next_absent;
};

struct answer {
    struct buf body;
    long status;
};

struct registry *registry_new(const char *url, struct err *err)
{
    struct registry *r = xalloc(sizeof *r);
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    r->url = xstrndup(url, len);
    curl_start();
    r->curl = curl_easy_init();
    r->headers = curl_slist_append(NULL, "Content-Type: " REGISTRY_JSON);
    if (r->curl && r->headers)
        return r;
    registry_free(r);
    err_set(err, ERR_FAULT, "schema registry: libcurl does not start");
    return NULL;
}

void registry_free(struct registry *r)
{
    if (!r)
        return;
    curl_slist_free_all(r->headers);
    curl_easy_cleanup(r->curl);
    free(r->url);
    free(r);
}

static size_t on_body(char *data, size_t size, size_t n, void *ctx)
{
    struct buf *body = ctx;
    buf_put(body, data, size * n);
    return body->overflow ? 0 : size * n; // 0 ends the transfer
}

/* The registry's own words, or the beginning of whatever answered. */
static bool refused(const char *method, const char *url, const struct answer *a, struct err *err)
{
    cJSON *json = cJSON_ParseWithLength(a->body.ptr ? a->body.ptr : "", a->body.len);
    const char *message = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "message"));
    int excerpt = a->body.len < EXCERPT_BYTES ? (int)a->body.len : EXCERPT_BYTES;
    enum err_kind kind = a->status == 404                       ? ERR_ABSENT
                         : a->status == 409                     ? ERR_CONFLICT
                         : a->status == 401 || a->status == 403 ? ERR_DENIED
                         : a->status == 429 || a->status >= 500 ? ERR_BUSY
                                                                : ERR_INVALID;
    if (message)
        err_set(err, kind, "schema registry: %s %s: %ld: %.*s", method, url, a->status,
                EXCERPT_BYTES, message);
    else
        err_set(err, kind, "schema registry: %s %s: %ld: %.*s", method, url, a->status, excerpt,
                a->body.ptr ? a->body.ptr : "");
    cJSON_Delete(json);
    return false;
}

/* One request; post NULL: GET. The answer's body is the caller's to buf_done, also on failure. */
static bool request(struct registry *r, const char *url, const char *post, struct answer *a,
                    struct err *err)
{
    CURL *c = r->curl;
    const char *method = post ? "POST" : "GET";
    if (clock_ms() < r->down_until_ms)
        return err_set(err, ERR_BUSY, "schema registry: %s did not answer a moment ago", r->url);
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, TIMEOUT_MS);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, r->headers);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, &a->body);
    if (post)
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, post);
    CURLcode code = curl_easy_perform(c);
    if (code != CURLE_OK) {
        r->down_until_ms = clock_ms() + FAILURE_PAUSE_MS;
        return err_set(err, ERR_BUSY, "schema registry: %s %s: %s", method, url,
                       curl_easy_strerror(code));
    }
    curl_easy_getinfo(c, CURLINFO_RESPONSE_CODE, &a->status);
    if (a->status >= 500)
        r->down_until_ms = clock_ms() + FAILURE_PAUSE_MS;
    return (a->status >= 200 && a->status < 300) || refused(method, url, a, err);
}

static char *make_post(const char *schema)
{
    cJSON *json = cJSON_CreateObject();
    cJSON_AddStringToObject(json, "schema", schema);
    char *text = cJSON_PrintUnformatted(json);
    cJSON_Delete(json);
    return text;
}

bool registry_register(struct registry *r, const char *subject, const char *schema, int32_t *id,
                       struct err *err)
{
    char url[URL_BYTES];
    char *escaped = curl_easy_escape(r->curl, subject, 0);
    int n = snprintf(url, sizeof url, "%s/subjects/%s/versions", r->url, escaped ? escaped : "");
    curl_free(escaped);
    if (n < 0 || (size_t)n >= sizeof url)
        return err_set(err, ERR_INVALID, "schema registry: the URL of '%s' is too long", subject);

    struct answer a = {0};
    buf_init(&a.body, ANSWER_MAX);
    char *post = make_post(schema);
    bool ok = request(r, url, post, &a, err);
    cJSON_free(post);
    if (ok) {
        cJSON *json = cJSON_ParseWithLength(a.body.ptr ? a.body.ptr : "", a.body.len);
        const cJSON *number = cJSON_GetObjectItemCaseSensitive(json, "id");
        if (cJSON_IsNumber(number))
            *id = number->valueint;
        else
            ok = err_set(err, ERR_INVALID,
                         "schema registry: POST %s: the answer has no id; is this a "
                         "Confluent-compatible registry?",
                         url);
        cJSON_Delete(json);
    }
    buf_done(&a.body);
    return ok;
}

static bool is_absent(const struct registry *r, int32_t id)
{
    int64_t now_ms = clock_ms();
    for (size_t i = 0; i < ABSENT_IDS; i++) {
        if (r->absent[i].id == id && now_ms < r->absent[i].until_ms)
            return true;
    }
    return false;
}

static void remember_absent(struct registry *r, int32_t id)
{
    r->absent[r->next_absent].id = id;
    r->absent[r->next_absent].until_ms = clock_ms() + ABSENT_PAUSE_MS;
    r->next_absent = (r->next_absent + 1) % ABSENT_IDS;
}

char *registry_fetch(struct registry *r, int32_t id, struct err *err)
{
    char url[URL_BYTES];
    int n = snprintf(url, sizeof url, "%s/schemas/ids/%" PRId32, r->url, id);
    if (n < 0 || (size_t)n >= sizeof url) {
        err_set(err, ERR_INVALID, "schema registry: its URL is too long");
        return NULL;
    }
    if (is_absent(r, id)) {
        err_set(err, ERR_ABSENT, "schema registry: %s: 404 a moment ago", url);
        return NULL;
    }
    struct answer a = {0};
    buf_init(&a.body, ANSWER_MAX);
    char *schema = NULL;
    if (request(r, url, NULL, &a, err)) {
        cJSON *json = cJSON_ParseWithLength(a.body.ptr ? a.body.ptr : "", a.body.len);
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(json, "schema"));
        if (text)
            schema = xstrdup(text);
        else
            err_set(err, ERR_INVALID, "schema registry: GET %s: the answer has no schema", url);
        cJSON_Delete(json);
    } else if (err->kind == ERR_ABSENT) {
        remember_absent(r, id);
    }
    buf_done(&a.body);
    return schema;
}
