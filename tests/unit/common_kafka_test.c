/* SPDX-License-Identifier: Apache-2.0 */
/* Against librdkafka's own mock cluster: faithful enough for producing and assigned reading. Groups
 * and transactions need a real broker: tests/integration. */
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "kafka.h"
#include "kafka_producer.h"
#include "mem.h"
#include "test.h"

#define TOPIC      "unit.topic"
#define PATIENT_MS 20000
#define MOCK       "test.mock.num.brokers=1"

struct seen {
    int ok, failed;
    enum err_kind last_kind;
    void *last_opaque;
};

static void on_delivery(void *ctx, void *opaque, const struct err *err)
{
    struct seen *s = ctx;
    s->last_opaque = opaque;
    s->last_kind = err ? err->kind : ERR_NONE;
    if (err)
        s->failed++;
    else
        s->ok++;
}

static struct producer_opts opts_for(const char *properties, struct seen *seen)
{
    return (struct producer_opts){
        .kafka = {.brokers = "127.0.0.1:1", .properties = properties, .client_id = "unit"},
        .linger_ms = 1,
        .delivery_timeout_ms = PATIENT_MS,
        .compression = "lz4",
        .queue_max_bytes = 1 << 20,
        .on_delivery = on_delivery,
        .ctx = seen,
    };
}

static struct producer *new_producer(const struct producer_opts *opts)
{
    struct err err = {0};
    struct producer *p = producer_new(opts, &err);
    if (!p)
        fail_msg("%s", err.msg);
    return p;
}

static bool wait_reports(struct producer *p, const struct seen *s, int n)
{
    int64_t until_ms = clock_ms() + PATIENT_MS;
    while (s->ok + s->failed < n && clock_ms() < until_ms)
        producer_poll(p, 50);
    return s->ok + s->failed >= n;
}

static const struct record_out a_record = {
    .topic = TOPIC,
    .key = {"key", 3},
    .value = {"value", 5},
    .headers = {{"traceparent", {"00-ab", 5}}, {"empty", {"", 0}}},
    .n_headers = 2,
    .partition = -1,
};

static void a_record_is_reported_once_it_is_durable(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct err err = {0};
    struct producer_opts opts = opts_for(MOCK, &seen);
    struct producer *p = new_producer(&opts);
    int token = 0;
    assert_true(producer_send(p, &a_record, &token, &err));
    assert_int_equal(seen.ok, 0); // queued is not sent
    assert_int_equal(producer_queued(p), 1);

    struct pollfd fd = {.fd = producer_fd(p), .events = POLLIN};
    int served = 0;
    while (seen.ok == 0 && poll(&fd, 1, PATIENT_MS) == 1)
        served += producer_poll(p, 0);
    assert_int_equal(seen.ok, 1);
    assert_int_equal(served, 1);
    assert_ptr_equal(seen.last_opaque, &token);
    assert_int_equal(producer_queued(p), 0);
    assert_true(producer_is_connected(p));
    producer_free(p);
    assert_int_equal(seen.ok + seen.failed, 1);
}

static void an_owned_value_is_freed_whatever_happens(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct err err = {0};
    struct producer_opts opts = opts_for(MOCK, &seen);
    struct producer *p = new_producer(&opts);
    struct record_out rec = a_record;
    rec.value = (struct str){strdup("value"), 5};
    assert_true(producer_send_owned(p, &rec, NULL, &err));

    size_t huge = KAFKA_MESSAGE_MAX_BYTES + 1;
    rec.value = (struct str){calloc(1, huge), huge};
    assert_false(producer_send_owned(p, &rec, NULL, &err));
    assert_int_equal(err.kind, ERR_LIMITED);
    assert_int_equal(err.retry_after_ms, 0); // no use in trying again
    assert_true(wait_reports(p, &seen, 1));
    producer_free(p);
    assert_int_equal(seen.ok, 1);
}

static void a_full_queue_says_so_and_recovers(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct err err = {0};
    struct producer_opts opts = opts_for(MOCK, &seen);
    opts.queue_max_bytes = 256 << 10;
    struct producer *p = new_producer(&opts);
    static char body[64 << 10];
    struct record_out rec = a_record;
    rec.value = (struct str){body, sizeof body};
    int sent = 0;
    while (sent < 100 && producer_send(p, &rec, NULL, &err))
        sent++;
    assert_in_range(sent, 3, 5);
    assert_int_equal(err.kind, ERR_LIMITED);
    assert_true(err.retry_after_ms > 0);
    assert_true(wait_reports(p, &seen, sent));
    assert_true(producer_send(p, &rec, NULL, &err));
    assert_true(producer_flush(p, PATIENT_MS));
    assert_int_equal(seen.ok, sent + 1);
    producer_free(p);
}

static void what_no_broker_takes_fails_in_time(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct err err = {0};
    struct producer_opts opts = opts_for("", &seen);
    opts.delivery_timeout_ms = 500;
    struct producer *p = new_producer(&opts);
    assert_false(producer_is_connected(p));
    int64_t from_ms = clock_ms();
    assert_true(producer_send(p, &a_record, NULL, &err));
    assert_false(producer_flush(p, 10));
    assert_true(wait_reports(p, &seen, 1));
    assert_int_equal(seen.failed, 1);
    assert_int_equal(seen.last_kind, ERR_BUSY);
    assert_true(clock_ms() - from_ms < 10000);
    assert_false(producer_is_connected(p));
    producer_free(p);
}

static void what_is_left_is_reported_as_failed_by_free(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct err err = {0};
    struct producer_opts opts = opts_for("", &seen);
    struct producer *p = new_producer(&opts);
    for (int i = 0; i < 3; i++)
        assert_true(producer_send(p, &a_record, NULL, &err));
    producer_free(p);
    assert_int_equal(seen.failed, 3);
}

static void a_wrong_property_is_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *properties, *named;
    } cases[] = {
        {"no.such.property=1", "no.such.property"},
        {"linger.ms=soon", "linger.ms"},
        {"sasl.password", "sasl.password"},
        {"client.rack=a,b", "'b'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen seen = {0};
        struct err err = {0};
        struct producer_opts opts = opts_for(cases[i].properties, &seen);
        assert_null(producer_new(&opts, &err));
        assert_int_equal(err.kind, ERR_INVALID);
        if (!strstr(err.msg, cases[i].named))
            fail_msg("'%s' does not name %s", err.msg, cases[i].named);
    }
    struct seen seen = {0};
    struct producer_opts opts = opts_for(" client.rack=a\\,b , ,linger.ms=3", &seen);
    producer_free(new_producer(&opts));
}

static void a_property_does_not_undo_a_guarantee(void **state)
{
    (void)state;
    struct err err = {0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    struct kafka_opts opts = {.brokers = "x", .properties = "acks=1,client.rack=a\\,b"};
    char value[32];
    size_t size = sizeof value;
    assert_true(kafka_conf_properties(conf, &opts, &err));
    assert_int_equal(rd_kafka_conf_get(conf, "client.rack", value, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(value, "a,b");
    rd_kafka_conf_destroy(conf);
    // With acks=1 idempotence would be refused, had the producer not put it right.
    struct seen seen = {0};
    struct producer_opts weak = opts_for("acks=1," MOCK, &seen);
    producer_free(new_producer(&weak));
}

static void errors_say_what_to_do(void **state)
{
    (void)state;
    static const struct {
        rd_kafka_resp_err_t code;
        enum err_kind kind;
    } cases[] = {
        {RD_KAFKA_RESP_ERR_NO_ERROR, ERR_NONE},
        {RD_KAFKA_RESP_ERR__QUEUE_FULL, ERR_LIMITED},
        {RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE, ERR_LIMITED},
        {RD_KAFKA_RESP_ERR__MSG_TIMED_OUT, ERR_BUSY},
        {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, ERR_BUSY},
        {RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS, ERR_BUSY},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, ERR_ABSENT},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, ERR_DENIED},
        {RD_KAFKA_RESP_ERR__AUTHENTICATION, ERR_DENIED},
        {RD_KAFKA_RESP_ERR_PRODUCER_FENCED, ERR_CONFLICT},
        {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID, ERR_CONFLICT},
        {RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION, ERR_CONFLICT},
        {RD_KAFKA_RESP_ERR_INVALID_PARTITIONS, ERR_INVALID},
        {RD_KAFKA_RESP_ERR__STATE, ERR_FAULT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct err err = {0};
        assert_int_equal(kafka_err_kind(cases[i].code), cases[i].kind);
        assert_false(kafka_fail(&err, NULL, cases[i].code, "what"));
        assert_memory_equal(err.msg, "what: ", 6);
    }
}

/* --- consumer: the mock cluster lives in the producer, whose brokers the consumer is given ---- */

/* Reads up to n records of partition 0 from `offset` on, and checks the first. */
static int read_back(const char *brokers, int64_t offset, int n)
{
    struct err err = {0};
    struct consumer_opts opts = {
        .kafka = {.brokers = brokers, .properties = "", .client_id = "unit-reader"},
        .fetch_wait_ms = 50,
        .queue_max_bytes = 1 << 20,
        .read_committed = true,
    };
    struct consumer *c = consumer_new(&opts, &err);
    assert_non_null(c);
    struct partition part = {TOPIC, 0, offset};
    assert_true(consumer_assign(c, &part, 1, &err));
    int got = 0;
    int64_t until_ms = clock_ms() + PATIENT_MS;
    struct pollfd fd = {.fd = consumer_fd(c), .events = POLLIN};
    while (got < n && clock_ms() < until_ms) {
        struct record records[2]; // fewer than there are: the descriptor must stay readable
        assert_true(poll(&fd, 1, PATIENT_MS) == 1);
        int k = consumer_poll(c, records, 2, 0, &err);
        assert_true(k >= 0);
        for (int i = 0; i < k; i++, got++) {
            assert_string_equal(records[i].topic, TOPIC);
            assert_int_equal(records[i].offset, offset + got);
            assert_true(str_eq(records[i].key, STR("key")));
            assert_true(str_eq(records[i].value, STR("value")));
            assert_true(str_eq(record_header(&records[i], "traceparent"), STR("00-ab")));
            assert_null(record_header(&records[i], "absent").ptr);
            record_free(&records[i]);
            record_free(&records[i]); // no harm
        }
    }
    assert_true(consumer_is_connected(c));
    assert_int_equal(consumer_position(c, TOPIC, 0), offset + got);
    assert_int_equal(consumer_position(c, TOPIC, 7), -1);
    consumer_free(c);
    return got;
}

static void records_are_read_back_from_an_offset(void **state)
{
    (void)state;
    struct seen seen = {0};
    struct err err = {0};
    struct producer_opts opts = opts_for(MOCK, &seen);
    struct producer *p = new_producer(&opts);
    struct record_out rec = a_record;
    rec.partition = 0;
    for (int i = 0; i < 7; i++)
        assert_true(producer_send(p, &rec, NULL, &err));
    assert_true(producer_flush(p, PATIENT_MS));
    assert_int_equal(seen.ok, 7);
    const char *brokers = rd_kafka_mock_cluster_bootstraps(rd_kafka_handle_mock_cluster(p->rk));
    assert_int_equal(read_back(brokers, 2, 5), 5);
    producer_free(p);
}

static void a_consumer_without_brokers_waits_and_ends(void **state)
{
    (void)state;
    struct err err = {0};
    const char *topics[] = {TOPIC};
    struct consumer_opts opts = {
        .kafka = {.brokers = "127.0.0.1:1", .properties = "", .client_id = "unit"},
        .group = "unit",
        .instance_id = "unit-1",
        .assignor = "cooperative-sticky",
        .topics = topics,
        .n_topics = 1,
        .queue_max_bytes = 1 << 20,
        .session_timeout_ms = 6000,
    };
    struct consumer *c = consumer_new(&opts, &err);
    assert_non_null(c);
    struct record record;
    int64_t from_ms = clock_ms();
    assert_int_equal(consumer_poll(c, &record, 1, 200, &err), 0);
    assert_in_range(clock_ms() - from_ms, 150, 5000);
    assert_false(consumer_is_connected(c));
    assert_int_equal(consumer_lag(c), 0);
    consumer_pause(c);
    consumer_resume(c);
    int n = 0;
    assert_false(consumer_partitions(c, TOPIC, &n, 100, &err));
    assert_int_equal(err.kind, ERR_BUSY);
    consumer_free(c);

    opts.assignor = "alphabetical";
    assert_null(consumer_new(&opts, &err));
    assert_int_equal(err.kind, ERR_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_record_is_reported_once_it_is_durable),
        cmocka_unit_test(an_owned_value_is_freed_whatever_happens),
        cmocka_unit_test(a_full_queue_says_so_and_recovers),
        cmocka_unit_test(what_no_broker_takes_fails_in_time),
        cmocka_unit_test(what_is_left_is_reported_as_failed_by_free),
        cmocka_unit_test(a_wrong_property_is_refused_by_name),
        cmocka_unit_test(a_property_does_not_undo_a_guarantee),
        cmocka_unit_test(errors_say_what_to_do),
        cmocka_unit_test(records_are_read_back_from_an_offset),
        cmocka_unit_test(a_consumer_without_brokers_waits_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
