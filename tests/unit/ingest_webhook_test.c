/* SPDX-License-Identifier: Apache-2.0 */
/* What a provider is answered, and when: over a real socket, with Kafka played by the test. */
#include <stdio.h>
#include <stdlib.h>

#include "http_client.h"
#include "ingest_conf.h"
#include "mem.h"
#include "webhook.h"

#define TENANT      "0190a1b2-c3d4-7e5f-8a9b-0c1d2e3f4a5b"
#define APP_SECRET  "app-secret"
#define MASTER_KEY  "master-key"
#define SENT_MAX    64
#define ACK_TIMEOUT 60000

/* --- Kafka's double --------------------------------------------------------------------------- */

struct sent {
    char topic[64], key[128], trace[64], provider[32], schema[32];
    char *value;
    size_t len;
    void *opaque;
};
struct producer {
    struct sent sent[SENT_MAX];
    size_t n, accept; /* refuse with `refusal` after so many */
    struct err refusal;
};

static void copy(char *out, size_t size, struct str s)
{
    (void)snprintf(out, size, "%.*s", STR_ARG(s));
}

bool producer_send(struct producer *p, const struct record_out *rec, void *opaque, struct err *err)
{
    if (p->n >= p->accept) {
        *err = p->refusal;
        return false;
    }
    assert_true(p->n < SENT_MAX);
    struct sent *s = &p->sent[p->n++];
    copy(s->topic, sizeof s->topic, str_of(rec->topic));
    copy(s->key, sizeof s->key, rec->key);
    assert_int_equal(rec->n_headers, 3);
    assert_string_equal(rec->headers[0].name, "traceparent");
    assert_string_equal(rec->headers[1].name, "postrider-provider");
    assert_string_equal(rec->headers[2].name, "postrider-schema");
    copy(s->trace, sizeof s->trace, rec->headers[0].value);
    copy(s->provider, sizeof s->provider, rec->headers[1].value);
    copy(s->schema, sizeof s->schema, rec->headers[2].value);
    s->value = xstrndup(rec->value.ptr, rec->value.len);
    s->len = rec->value.len;
    s->opaque = opaque;
    return true;
}

/* --- fixture ---------------------------------------------------------------------------------- */

struct fixture {
    uv_loop_t loop;
    struct http_server *server;
    struct ingest_webhooks *webhooks;
    struct ingest_secrets *secrets;
    struct ingest_sources *sources;
    struct ingest_stats *stats;
    struct metrics *metrics;
    struct codec *codec;
    struct producer producer;
    struct client c;
};

/* The settings that matter here, as conf_load fills them; see secrets.c. */
static struct ingest_secrets *make_secrets(void)
{
    static char app[] = APP_SECRET, token[] = "token", master[] = MASTER_KEY, one[] = "1",
                none[] = "";
    const struct ingest_conf conf = {
        .meta_app_secret = app,
        .instagram_app_secret = none,
        .meta_verify_token = token,
        .instagram_verify_token = none,
        .x_consumer_secret = none,
        .webhook_master_key = master,
        .webhook_secret_versions = one,
    };
    struct err err = {0};
    struct ingest_secrets *s = ingest_secrets_new(&conf, &err);
    assert_non_null(s);
    return s;
}

static void start_with(struct fixture *f, size_t max_in_flight, int64_t source_rate)
{
    struct err err = {0};
    memset(f, 0, sizeof *f);
    f->producer.accept = SENT_MAX;
    assert_int_equal(uv_loop_init(&f->loop), 0);
    f->metrics = metrics_new(ingest_metric_rows, INGEST_METRICS);
    f->stats = ingest_stats_new(f->metrics);
    f->secrets = make_secrets();
    f->sources = source_rate ? ingest_sources_new(source_rate) : NULL;
    f->codec = codec_new("", "test.", &err);
    assert_non_null(f->codec);
    f->webhooks = ingest_webhooks_new(&(struct ingest_webhooks_opts){
        .secrets = f->secrets,
        .sources = f->sources,
        .stats = f->stats,
        .codec = f->codec,
        .topic_prefix = "test.",
        .ack_timeout_ms = ACK_TIMEOUT,
        .body_max_bytes = 10000,
        .max_in_flight = max_in_flight,
    });
    ingest_publisher_bind(ingest_webhooks_publisher(f->webhooks), &f->producer);
    f->server = http_server_new(&f->loop,
                                &(struct http_server_opts){
                                    .host = "127.0.0.1",
                                    .max_connections = 100,
                                    .idle_timeout_ms = 30000,
                                    .body_max_bytes = 10000,
                                    .header_pool_bytes = 8192,
                                    .on_request = ingest_webhooks_on_request,
                                    .on_done = ingest_webhooks_on_done,
                                    .on_refused = ingest_webhooks_on_refused,
                                    .ctx = f->webhooks,
                                },
                                &err);
    assert_non_null(f->server);
    client_open(&f->c, &f->loop, http_server_port(f->server));
}

static void start(struct fixture *f)
{
    start_with(f, 100, 0);
}

static void stop(struct fixture *f)
{
    client_close(&f->c);
    http_server_free(f->server);
    assert_int_equal(uv_run(&f->loop, UV_RUN_DEFAULT), 0);
    assert_int_equal(uv_loop_close(&f->loop), 0);
    ingest_webhooks_free(f->webhooks);
    for (size_t i = 0; i < f->producer.n; i++)
        free(f->producer.sent[i].value);
    codec_free(f->codec);
    ingest_sources_free(f->sources);
    ingest_secrets_free(f->secrets);
    ingest_stats_free(f->stats);
    metrics_free(f->metrics);
}

static void report(struct fixture *f, size_t i, const struct err *err)
{
    ingest_publisher_report(ingest_webhooks_publisher(f->webhooks), f->producer.sent[i].opaque,
                            err);
}

static void say(struct client *c, const char *path, const char *header, struct str body)
{
    char head[1024];
    (void)snprintf(head, sizeof head,
                   "POST %s HTTP/1.1\r\nHost: h\r\n%s"
                   "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n"
                   "Content-Length: %zu\r\n\r\n",
                   path, header, body.len);
    client_say(c, head);
    client_send(c, body.ptr, body.len);
}

/* Post a body with a genuine signature. */
static void post_signed(struct client *c, struct str body)
{
    struct hmac *h = hmac_new(STR(APP_SECRET));
    uint8_t digest[SHA256_BYTES];
    hmac_sha256(h, body, digest);
    hmac_free(h);
    auto_arena a = arena_new(65536);
    char header[128];
    (void)snprintf(header, sizeof header, "X-Hub-Signature-256: sha256=%.*s\r\n",
                   STR_ARG(hex_encode(a, (struct str){(const char *)digest, sizeof digest})));
    say(c, "/webhooks/instagram", header, body);
}

#define MESSAGE(account, from, mid)                                                                \
    "{\"id\":\"" account "\",\"time\":1700000000000,\"messaging\":[{\"sender\":{\"id\":\"" from    \
    "\"},\"recipient\":{\"id\":\"" account "\"},\"timestamp\":1700000000000,\"message\":{\"mid\":" \
    "\"" mid "\",\"text\":\"hi\"}}]}"
#define BODY(entries) "{\"object\":\"instagram\",\"entry\":[" entries "]}"

static const char one_message[] = BODY(MESSAGE("17841", "900", "m1"));
static const char two_messages[] =
    BODY(MESSAGE("17841", "900", "m1") "," MESSAGE("17842", "901", "m2"));

static int64_t metric(struct fixture *f, size_t row, const char *a, const char *b)
{
    return metric_value(metric_cell(f->metrics, row, a, b));
}

/* --- tests ------------------------------------------------------------------------------------ */

static void ok_is_said_only_after_kafka_s_report(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct str body = str_of(one_message);
    post_signed(&f.c, body);
    WAIT_UNTIL(&f.loop, f.producer.n == 1);
    for (int i = 0; i < 50; i++)
        loop_turn(&f.loop);
    client_pull(&f.c);
    assert_int_equal(f.c.n, 0);
    report(&f, 0, NULL);
    client_wait(&f.c, "HTTP/1.1 200 OK", 1);

    const struct sent *s = &f.producer.sent[0];
    assert_string_equal(s->topic, "test.inbound");
    assert_string_equal(s->key, "instagram:17841:900");
    assert_string_equal(s->provider, "instagram");
    assert_string_equal(s->schema, "WebhookEvent");
    assert_memory_equal(s->trace, "00-0af7651916cd43dd8448eb211c80319c-", 36);
    auto_arena a = arena_new(65536);
    struct webhook_event event;
    struct err err = {0};
    assert_true(decode_webhook_event(f.codec, a, (struct str){s->value, s->len}, &event, &err));
    assert_true(str_eq(event.body, body)); // untouched
    assert_true(str_eq_c(event.account, "17841") && str_eq_c(event.conversation, "900"));
    assert_null(event.tenant_id.ptr);
    assert_int_equal(metric(&f, INGEST_METRIC_REQUESTS, "instagram", "200"), 1);
    assert_int_equal(metric(&f, INGEST_METRIC_UNITS, "instagram", NULL), 1);
    stop(&f);
}

static void a_batch_is_answered_when_its_last_unit_is_durable(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    post_signed(&f.c, str_of(two_messages));
    WAIT_UNTIL(&f.loop, f.producer.n == 2);
    assert_string_equal(f.producer.sent[0].key, "instagram:17841:900");
    assert_string_equal(f.producer.sent[1].key, "instagram:17842:901");
    report(&f, 1, NULL);
    for (int i = 0; i < 20; i++)
        loop_turn(&f.loop);
    client_pull(&f.c);
    assert_int_equal(f.c.n, 0);
    report(&f, 0, NULL);
    client_wait(&f.c, "HTTP/1.1 200 OK", 1);
    stop(&f);
}

static void one_undelivered_unit_is_503_for_the_whole_body(void **state)
{
    (void)state;
    struct fixture f;
    struct err down = {.kind = ERR_BUSY, .msg = "no broker"};
    start(&f);
    post_signed(&f.c, str_of(two_messages));
    WAIT_UNTIL(&f.loop, f.producer.n == 2);
    report(&f, 0, &down);
    client_wait(&f.c, "HTTP/1.1 503", 1);
    client_wait(&f.c, "Retry-After: ", 1);
    assert_true(ingest_publisher_is_stalled(ingest_webhooks_publisher(f.webhooks), clock_ms()));
    report(&f, 1, NULL); // late
    assert_int_equal(metric_value(metric_cell(f.metrics, INGEST_METRIC_LATE)), 1);
    assert_int_equal(metric_value(metric_cell(f.metrics, INGEST_METRIC_UNDELIVERED)), 1);
    assert_int_equal(metric_value(metric_cell(f.metrics, INGEST_METRIC_IN_FLIGHT)), 0);
    assert_false(ingest_publisher_is_stalled(ingest_webhooks_publisher(f.webhooks), clock_ms()));
    stop(&f);
}

static void no_report_in_time_is_503_and_a_later_one_is_only_counted(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    struct ingest_publisher *p = ingest_webhooks_publisher(f.webhooks);
    post_signed(&f.c, str_of(one_message));
    WAIT_UNTIL(&f.loop, f.producer.n == 1);
    ingest_publisher_expire(p, clock_ms() + ACK_TIMEOUT - 5000);
    assert_int_equal(ingest_publisher_waiting(p), 1);
    assert_true(ingest_publisher_is_stalled(p, clock_ms() + 2500));
    ingest_publisher_expire(p, clock_ms() + ACK_TIMEOUT);
    client_wait(&f.c, "HTTP/1.1 503", 1);
    client_wait(&f.c, "Retry-After: ", 1);
    report(&f, 0, NULL);
    assert_int_equal(metric_value(metric_cell(f.metrics, INGEST_METRIC_LATE)), 1);
    assert_int_equal(metric(&f, INGEST_METRIC_UNITS, "instagram", NULL), 0);
    // the connection goes on
    post_signed(&f.c, str_of(one_message));
    WAIT_UNTIL(&f.loop, f.producer.n == 2);
    report(&f, 1, NULL);
    client_wait(&f.c, "HTTP/1.1 200 OK", 1);
    stop(&f);
}

static void a_full_queue_is_503_and_too_large_a_record_413(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    f.producer.accept = 1; // the second unit is refused
    f.producer.refusal = (struct err){.kind = ERR_LIMITED, .retry_after_ms = 50, .msg = "full"};
    post_signed(&f.c, str_of(two_messages));
    client_wait(&f.c, "HTTP/1.1 503", 1);
    client_wait(&f.c, "Retry-After: ", 1);
    report(&f, 0, NULL);
    f.producer.refusal.retry_after_ms = 0;
    post_signed(&f.c, str_of(one_message));
    client_wait(&f.c, "HTTP/1.1 413", 1);
    stop(&f);
}

static void what_is_not_understood_is_quarantined_whole(void **state)
{
    (void)state;
    static const struct {
        const char *body, *reason;
    } cases[] = {
        {"{broken", "not_json"},
        {"", "not_json"},
        {"[1,2]", "not_understood"},
        {"{\"object\":\"weather\",\"entry\":[{\"id\":\"1\"}]}", "not_understood"},
    };
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct str body = str_of(cases[i].body);
        post_signed(&f.c, body);
        WAIT_UNTIL(&f.loop, f.producer.n == i + 1);
        client_pull(&f.c);
        assert_int_equal(text_count(f.c.in, "HTTP/1.1"), i);
        report(&f, i, NULL);
        client_wait(&f.c, "HTTP/1.1 200 OK", i + 1);

        const struct sent *s = &f.producer.sent[i];
        assert_string_equal(s->topic, "test.quarantine");
        assert_string_equal(s->schema, "Quarantined");
        auto_arena a = arena_new(65536);
        struct quarantined q;
        struct err err = {0};
        assert_true(decode_quarantined(f.codec, a, (struct str){s->value, s->len}, &q, &err));
        assert_true(str_eq_c(q.reason, cases[i].reason));
        assert_true(str_eq_c(q.topic, "http") && str_eq_c(q.provider, "instagram"));
        assert_int_equal(q.body.len, body.len);
        assert_memory_equal(q.body.ptr ? q.body.ptr : "", body.ptr, body.len);
        assert_true(q.detail.len > 0);
        assert_true(str_starts(q.headers, STR("{\"traceparent\":")));
    }
    assert_int_equal(metric(&f, INGEST_METRIC_QUARANTINED, "instagram", "not_json"), 2);
    stop(&f);
}

static void a_body_with_nothing_in_it_is_acknowledged_at_once(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    post_signed(&f.c, STR("{\"object\":\"instagram\",\"entry\":[]}"));
    client_wait(&f.c, "HTTP/1.1 200 OK", 1);
    assert_int_equal(f.producer.n, 0);
    assert_int_equal(metric(&f, INGEST_METRIC_EMPTY, "instagram", NULL), 1);
    stop(&f);
}

static void a_tenant_s_webhook_carries_its_tenant(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    auto_arena a = arena_new(65536);
    struct hmac *h = hmac_new(STR(MASTER_KEY));
    char header[128];
    (void)snprintf(header, sizeof header, "Unipile-Auth: %.*s\r\n",
                   STR_ARG(webhook_secret(a, h, STR("unipile"), STR(TENANT), STR("1"))));
    hmac_free(h);
    say(&f.c, "/webhooks/unipile/" TENANT, header,
        STR("{\"event\":\"message_received\",\"account_id\":\"acc\",\"account_type\":\"WHATSAPP\","
            "\"chat_id\":\"chat\",\"message_id\":\"m\",\"message\":\"hi\"}"));
    WAIT_UNTIL(&f.loop, f.producer.n == 1);
    assert_string_equal(f.producer.sent[0].key, "unipile:acc:chat");
    struct webhook_event event;
    struct err err = {0};
    assert_true(decode_webhook_event(
        f.codec, a, (struct str){f.producer.sent[0].value, f.producer.sent[0].len}, &event, &err));
    assert_true(str_eq_c(event.tenant_id, TENANT));
    assert_true(str_eq_c(event.account_type, "WHATSAPP"));
    report(&f, 0, NULL);
    client_wait(&f.c, "HTTP/1.1 200 OK", 1);
    stop(&f);
}

static void what_may_not_come_is_told_why(void **state)
{
    (void)state;
    static const struct {
        const char *request, *status, *header;
    } cases[] = {
        {"POST /webhooks/instagram", "401", ""},
        {"POST /webhooks/unipile/" TENANT, "401", ""},
        {"POST /webhooks/nobody", "404", ""},
        {"POST /webhooks/unipile/nobody", "404", ""},
        {"DELETE /webhooks/instagram", "405", "Allow: GET, POST\r\n"},
        {"GET /webhooks/unipile/" TENANT, "405", "Allow: POST\r\n"},
        {"GET /webhooks/instagram", "400", ""},
        {"GET /webhooks/instagram?hub.mode=subscribe&hub.verify_token=no&hub.challenge=1", "403",
         ""},
        {"GET /webhooks/instagram?hub.mode=subscribe&hub.verify_token=token&hub.challenge=12",
         "200", "Content-Length: 2\r\n"},
    };
    struct fixture f;
    start(&f);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[256], want[32];
        (void)snprintf(text, sizeof text, "%s HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n",
                       cases[i].request);
        (void)snprintf(want, sizeof want, "HTTP/1.1 %s ", cases[i].status);
        f.c.n = 0;
        client_say(&f.c, text);
        client_wait(&f.c, want, 1);
        assert_non_null(strstr(f.c.in, cases[i].header));
    }
    f.c.n = 0;
    say(&f.c, "/webhooks/instagram",
        "X-Hub-Signature-256: sha256="
        "0000000000000000000000000000000000000000000000000000000000000000\r\n",
        str_of(one_message));
    client_wait(&f.c, "HTTP/1.1 403 ", 1);
    assert_int_equal(f.producer.n, 0);
    stop(&f);
}

static void past_the_limit_in_flight_is_503(void **state)
{
    (void)state;
    struct fixture f;
    struct client second;
    start_with(&f, 1, 0);
    post_signed(&f.c, str_of(one_message));
    WAIT_UNTIL(&f.loop, f.producer.n == 1);
    client_open(&second, &f.loop, http_server_port(f.server));
    post_signed(&second, str_of(one_message));
    client_wait(&second, "HTTP/1.1 503", 1);
    client_wait(&second, "Retry-After: ", 1);
    client_close(&second);
    report(&f, 0, NULL);
    client_wait(&f.c, "HTTP/1.1 200 OK", 1);
    stop(&f);
}

static void past_the_rate_of_a_source_is_429(void **state)
{
    (void)state;
    struct fixture f;
    start_with(&f, 100, 2);
    for (int i = 0; i < 3; i++)
        client_say(&f.c, "GET /webhooks/instagram HTTP/1.1\r\nHost: h\r\n\r\n");
    client_wait(&f.c, "HTTP/1.1 429", 1);
    client_wait(&f.c, "Retry-After: 1", 1);
    assert_int_equal(text_count(f.c.in, "HTTP/1.1 400"), 2);
    stop(&f);
}

static void a_client_that_went_away_does_not_disturb_its_record(void **state)
{
    (void)state;
    struct fixture f;
    struct client gone;
    start(&f);
    client_open(&gone, &f.loop, http_server_port(f.server));
    post_signed(&gone, str_of(one_message));
    WAIT_UNTIL(&f.loop, f.producer.n == 1);
    client_close(&gone);
    report(&f, 0, NULL);
    WAIT_UNTIL(&f.loop, http_server_requests(f.server) == 0);
    assert_int_equal(metric(&f, INGEST_METRIC_UNITS, "instagram", NULL), 1);
    stop(&f);
}

static void stopping_answers_those_that_wait(void **state)
{
    (void)state;
    struct fixture f;
    start(&f);
    post_signed(&f.c, str_of(one_message));
    WAIT_UNTIL(&f.loop, f.producer.n == 1);
    ingest_publisher_give_up(ingest_webhooks_publisher(f.webhooks));
    client_wait(&f.c, "HTTP/1.1 503", 1);
    struct err purged = {.kind = ERR_BUSY, .msg = "purged"};
    report(&f, 0, &purged); // as producer_free does
    stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ok_is_said_only_after_kafka_s_report),
        cmocka_unit_test(a_batch_is_answered_when_its_last_unit_is_durable),
        cmocka_unit_test(one_undelivered_unit_is_503_for_the_whole_body),
        cmocka_unit_test(no_report_in_time_is_503_and_a_later_one_is_only_counted),
        cmocka_unit_test(a_full_queue_is_503_and_too_large_a_record_413),
        cmocka_unit_test(what_is_not_understood_is_quarantined_whole),
        cmocka_unit_test(a_body_with_nothing_in_it_is_acknowledged_at_once),
        cmocka_unit_test(a_tenant_s_webhook_carries_its_tenant),
        cmocka_unit_test(what_may_not_come_is_told_why),
        cmocka_unit_test(past_the_limit_in_flight_is_503),
        cmocka_unit_test(past_the_rate_of_a_source_is_429),
        cmocka_unit_test(a_client_that_went_away_does_not_disturb_its_record),
        cmocka_unit_test(stopping_answers_those_that_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
