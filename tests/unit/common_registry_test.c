/* SPDX-License-Identifier: Apache-2.0 */
/* Against a stand-in that answers one request per connection, on loopback. */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem.h"
#include "records.h"
#include "registry.h"
#include "test.h"

#define REQUEST_MAX 16384

struct reply {
    int status;
    const char *body;
};

struct server {
    int fd;
    char url[64];
    const struct reply *replies; /* in turn, the last for ever */
    size_t n_replies, n_requests;
    char last[REQUEST_MAX]; /* the last request, whole */
    pthread_t thread;
};

/* Reads head and body; false: the peer went. */
static bool read_request(struct server *s, int fd)
{
    size_t n = 0, want = SIZE_MAX;
    while (n < want && n < sizeof s->last - 1) {
        ssize_t k = read(fd, s->last + n, sizeof s->last - 1 - n);
        if (k <= 0)
            return false;
        n += (size_t)k;
        s->last[n] = '\0';
        const char *end = strstr(s->last, "\r\n\r\n");
        if (!end || want != SIZE_MAX)
            continue;
        const char *length = strcasestr(s->last, "content-length:");
        want = (size_t)(end - s->last) + 4 + (length ? strtoul(length + 15, NULL, 10) : 0);
    }
    return true;
}

static void *serve(void *ctx)
{
    struct server *s = ctx;
    for (;;) {
        int fd = accept(s->fd, NULL, NULL);
        if (fd < 0)
            return NULL;
        if (read_request(s, fd)) {
            size_t i = s->n_requests < s->n_replies ? s->n_requests : s->n_replies - 1;
            const struct reply *r = &s->replies[i];
            dprintf(fd,
                    "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n"
                    "Content-Type: application/json\r\n\r\n%s",
                    r->status, strlen(r->body), r->body);
            s->n_requests++;
        }
        close(fd);
    }
}

static void start(struct server *s, const struct reply *replies, size_t n)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    *s = (struct server){.replies = replies, .n_replies = n};
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(s->fd >= 0);
    assert_int_equal(bind(s->fd, (struct sockaddr *)&at, sizeof at), 0);
    assert_int_equal(listen(s->fd, 16), 0);
    assert_int_equal(getsockname(s->fd, (struct sockaddr *)&at, &len), 0);
    (void)snprintf(s->url, sizeof s->url, "http://127.0.0.1:%d/apis/v7/", ntohs(at.sin_port));
    assert_int_equal(pthread_create(&s->thread, NULL, serve, s), 0);
}

static void stop(struct server *s)
{
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
}

static void a_schema_is_registered_under_its_subject(void **state)
{
    (void)state;
    static const struct reply replies[] = {{200, "{\"id\":42}"}};
    struct server s;
    struct err err = {0};
    int32_t id = 0;
    start(&s, replies, 1);
    struct registry *r = registry_new(s.url, &err);
    assert_non_null(r);
    assert_true(registry_register(r, "p.in/x-value", "{\"type\":\"string\"}", &id, &err));
    registry_free(r);
    stop(&s);
    assert_int_equal(id, 42);
    assert_non_null(strstr(s.last, "POST /apis/v7/subjects/p.in%2Fx-value/versions HTTP/1.1"));
    assert_non_null(strstr(s.last, "application/vnd.schemaregistry.v1+json"));
    assert_non_null(strstr(s.last, "\r\n\r\n{\"schema\":\"{\\\"type\\\":\\\"string\\\"}\"}"));
}

static void a_refusal_says_who_what_and_why(void **state)
{
    (void)state;
    static const struct {
        struct reply reply;
        enum err_kind kind;
        const char *text;
    } cases[] = {
        {{409, "{\"error_code\":409,\"message\":\"incompatible\"}"}, ERR_CONFLICT, "incompatible"},
        {{422, "{\"message\":\"no schema\"}"}, ERR_INVALID, "422: no schema"},
        {{401, ""}, ERR_DENIED, "401"},
        {{503, "<html>busy</html>"}, ERR_BUSY, "<html>busy"},
        {{200, "[]"}, ERR_INVALID, "no id"},
        {{200, ""}, ERR_INVALID, "no id"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct server s;
        struct err err = {0};
        int32_t id = 7;
        start(&s, &cases[i].reply, 1);
        struct registry *r = registry_new(s.url, &err);
        assert_false(registry_register(r, "s", "\"int\"", &id, &err));
        registry_free(r);
        stop(&s);
        assert_int_equal(err.kind, cases[i].kind);
        assert_int_equal(id, 7);
        if (!strstr(err.msg, cases[i].text) || !strstr(err.msg, "/subjects/s/versions"))
            fail_msg("'%s' lacks '%s' or the URL", err.msg, cases[i].text);
    }
}

static void an_absent_id_is_asked_for_once(void **state)
{
    (void)state;
    static const struct reply replies[] = {{404, "{\"message\":\"not found\"}"},
                                           {200, "{\"schema\":\"\\\"int\\\"\"}"}};
    struct server s;
    struct err err = {0};
    start(&s, replies, 2);
    struct registry *r = registry_new(s.url, &err);
    for (int i = 0; i < 3; i++) {
        assert_null(registry_fetch(r, 9, &err));
        assert_int_equal(err.kind, ERR_ABSENT);
    }
    char *schema = registry_fetch(r, 10, &err);
    assert_string_equal(schema, "\"int\"");
    free(schema);
    registry_free(r);
    stop(&s);
    assert_int_equal(s.n_requests, 2);
    assert_non_null(strstr(s.last, "GET /apis/v7/schemas/ids/10 HTTP/1.1"));
}

static void who_does_not_answer_is_left_alone_for_a_moment(void **state)
{
    (void)state;
    static const struct reply replies[] = {{500, ""}};
    struct server s;
    struct err err = {0};
    start(&s, replies, 1);
    struct registry *r = registry_new(s.url, &err);
    for (int i = 0; i < 3; i++) {
        assert_null(registry_fetch(r, 9, &err));
        assert_int_equal(err.kind, ERR_BUSY);
    }
    stop(&s);
    assert_int_equal(s.n_requests, 1);
    registry_free(r);

    r = registry_new(s.url, &err); // nobody listens any more
    assert_null(registry_fetch(r, 9, &err));
    assert_int_equal(err.kind, ERR_BUSY);
    registry_free(r);
}

/* --- the codec with a registry ---------------------------------------------------------------- */

static void records_carry_the_registry_s_id(void **state)
{
    (void)state;
    static const struct reply replies[] = {
        {200, "{\"id\":258}"},
        {200, "{\"id\":2}"},
        {200, "{\"id\":3}"},
        {200, "{\"id\":4}"},
        {200, "{\"id\":5}"},
        {200, "{\"schema\":\"{\\\"type\\\":\\\"record\\\",\\\"name\\\":\\\"WebhookEvent\\\","
              "\\\"fields\\\":[{\\\"name\\\":\\\"provider\\\",\\\"type\\\":\\\"string\\\"}]}\"}"},
        {404, "{}"},
    };
    struct server s;
    struct err err = {0};
    start(&s, replies, ARRAY_LEN(replies));
    struct codec *c = codec_new(s.url, "p.", &err);
    if (!c)
        fail_msg("%s", err.msg);
    assert_non_null(strstr(s.last, "/subjects/p.quarantine-value/versions"));

    auto_arena a = arena_new(1 << 20);
    struct buf out;
    buf_init(&out, 1 << 20);
    struct webhook_event got, v = {.provider = STR("x"), .account = STR("a"), .body = STR("{}")};
    assert_true(encode_webhook_event(c, &v, &out, &err));
    assert_memory_equal(out.ptr, "\0\0\0\1\2\x02x", 7);
    assert_true(decode_webhook_event(c, a, buf_str(&out), &got, &err));
    assert_true(str_eq(got.account, v.account));

    // Another writer's schema is fetched, once.
    for (int i = 0; i < 3; i++) {
        assert_true(decode_webhook_event(c, a, (struct str){"\0\0\0\0\x09\x02y", 7}, &got, &err));
        assert_true(str_eq(got.provider, STR("y")));
        assert_null(got.account.ptr);
    }
    assert_int_equal(s.n_requests, 6);
    assert_false(decode_webhook_event(c, a, (struct str){"\0\0\0\0\x0a\x02y", 7}, &got, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    assert_false(decode_webhook_event(c, a, (struct str){"\0\xff\0\0\x0a\x02y", 7}, &got, &err));
    assert_int_equal(err.kind, ERR_INVALID);
    stop(&s);
    assert_false(decode_webhook_event(c, a, (struct str){"\0\0\0\0\x0b\x02y", 7}, &got, &err));
    assert_int_equal(err.kind, ERR_BUSY);
    codec_free(c);
    buf_done(&out);
}

static void a_codec_does_not_start_without_its_registry(void **state)
{
    (void)state;
    static const struct reply replies[] = {{409, "{\"message\":\"incompatible\"}"}};
    struct server s;
    struct err err = {0};
    start(&s, replies, 1);
    assert_null(codec_new(s.url, "p.", &err));
    assert_int_equal(err.kind, ERR_CONFLICT);
    stop(&s);
    assert_null(codec_new(s.url, "p.", &err));
    assert_int_equal(err.kind, ERR_BUSY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_schema_is_registered_under_its_subject),
        cmocka_unit_test(a_refusal_says_who_what_and_why),
        cmocka_unit_test(an_absent_id_is_asked_for_once),
        cmocka_unit_test(who_does_not_answer_is_left_alone_for_a_moment),
        cmocka_unit_test(records_carry_the_registry_s_id),
        cmocka_unit_test(a_codec_does_not_start_without_its_registry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
