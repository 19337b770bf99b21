/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "frame.h"
#include "mem.h"
#include "packet.h"
#include "test.h"

#define MESSAGE_MAX 1024

/* What a browser sends: bytes are collected in `wire`. */
struct wire {
    uint8_t bytes[8 * MESSAGE_MAX];
    size_t n;
};

static void put_raw(struct wire *w, uint8_t first, bool masked, const char *payload, size_t len)
{
    static const uint8_t mask[4] = {0x12, 0xf0, 0x00, 0x9a};
    w->bytes[w->n++] = first;
    uint8_t bit = masked ? 0x80 : 0;
    if (len < 126) {
        w->bytes[w->n++] = (uint8_t)(bit | len);
    } else {
        w->bytes[w->n++] = bit | 126;
        w->bytes[w->n++] = (uint8_t)(len >> 8);
        w->bytes[w->n++] = (uint8_t)len;
    }
    for (size_t i = 0; masked && i < 4; i++)
        w->bytes[w->n++] = mask[i];
    for (size_t i = 0; i < len; i++)
        w->bytes[w->n++] = (uint8_t)(payload[i] ^ (masked ? mask[i % 4] : 0));
}

static void put(struct wire *w, uint8_t first, const char *payload)
{
    put_raw(w, first, true, payload, strlen(payload));
}

/* Everything that a reader says of the bytes, fed in pieces of `step`:
 * "T(text)P(ping)O(pong)C1000(why)F1002". */
static void read_all(struct frame_reader *r, const struct wire *w, size_t step, char *out,
                     size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < w->n; i += step) {
        size_t len = w->n - i < step ? w->n - i : step;
        notifier_frame_feed(r, (struct str){(const char *)w->bytes + i, len});
        for (;;) {
            struct frame f = notifier_frame_next(r);
            if (f.kind == FRAME_NONE)
                break;
            const char *name = f.kind == FRAME_TEXT    ? "T"
                               : f.kind == FRAME_PING  ? "P"
                               : f.kind == FRAME_PONG  ? "O"
                               : f.kind == FRAME_CLOSE ? "C"
                                                       : "F";
            if (f.kind == FRAME_FAIL || f.kind == FRAME_CLOSE)
                n += (size_t)snprintf(out + n, size - n, "%s%d", name, f.code);
            else
                n += (size_t)snprintf(out + n, size - n, "%s", name);
            if (f.kind != FRAME_FAIL)
                n += (size_t)snprintf(out + n, size - n, "(%.*s)", STR_ARG(f.payload));
        }
    }
}

static void expect(const struct wire *w, const char *wanted, bool is_idle)
{
    static const size_t steps[] = {1, 2, 3, 7, 64, 100000};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        char out[4 * MESSAGE_MAX];
        struct frame_reader *r = notifier_frame_reader_new(MESSAGE_MAX);
        read_all(r, w, steps[i], out, sizeof out);
        assert_string_equal(out, wanted);
        assert_int_equal(notifier_frame_reader_is_idle(r), is_idle);
        notifier_frame_reader_free(r);
    }
}

static void messages_come_whole_however_the_bytes_are_cut(void **state)
{
    (void)state;
    struct wire w = {0};
    put(&w, 0x81, "hello");
    put(&w, 0x81, "");
    put(&w, 0x81, "gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80");
    expect(&w, "T(hello)T()T(gr\xc3\xbc\xc3\x9f \xf0\x9f\x98\x80)", true);
}

static void fragments_are_joined_with_control_frames_between_them(void **state)
{
    (void)state;
    struct wire w = {0};
    put(&w, 0x01, "a\xc3"); // the cut goes through a character
    put(&w, 0x89, "beat");
    put(&w, 0x00, "\xbc");
    put(&w, 0x8a, "");
    put(&w, 0x00, "");
    put(&w, 0x80, "z");
    put(&w, 0x81, "next");
    expect(&w, "P(beat)O()T(a\xc3\xbcz)T(next)", true);
}

static void a_reader_is_idle_only_between_messages(void **state)
{
    (void)state;
    struct wire w = {0};
    put(&w, 0x01, "a");
    expect(&w, "", false);
    put(&w, 0x80, "b");
    expect(&w, "T(ab)", true);
    struct wire half = w;
    put(&half, 0x81, "cd");
    for (size_t cut = w.n + 1; cut < half.n; cut++) {
        struct wire part = half;
        part.n = cut;
        expect(&part, "T(ab)", false);
    }
    expect(&half, "T(ab)T(cd)", true);
}

static void the_largest_message_passes_and_one_byte_more_does_not(void **state)
{
    (void)state;
    char text[MESSAGE_MAX + 2];
    char wanted[MESSAGE_MAX + 8];
    memset(text, 'x', sizeof text);
    text[MESSAGE_MAX] = '\0';
    struct wire w = {0};
    put(&w, 0x81, text);
    (void)snprintf(wanted, sizeof wanted, "T(%s)", text);
    expect(&w, wanted, true);

    text[MESSAGE_MAX] = 'x';
    text[MESSAGE_MAX + 1] = '\0';
    w = (struct wire){0};
    put(&w, 0x81, text);
    expect(&w, "F1009", false);

    text[MESSAGE_MAX - 1] = '\0';
    w = (struct wire){0};
    put(&w, 0x01, text);
    put(&w, 0x80, "yz");
    expect(&w, "F1009", false);
}

static void a_huge_length_is_refused_before_its_bytes_come(void **state)
{
    (void)state;
    struct wire w = {.bytes = {0x81, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 1, 2, 3, 4, 'x'}, .n = 15};
    expect(&w, "F1009", false);
}

static const struct {
    const char *what;
    uint8_t bytes[16];
    size_t n;
    const char *wanted;
} broken[] = {
    {"not masked", {0x81, 0x01, 'a'}, 3, "F1002"},
    {"not masked and empty", {0x81, 0x00}, 2, "F1002"},
    {"reserved bit", {0xc1, 0x80, 0, 0, 0, 0}, 6, "F1002"},
    {"binary", {0x82, 0x81, 0, 0, 0, 0, 'a'}, 7, "F1003"},
    {"unknown data opcode", {0x83, 0x80, 0, 0, 0, 0}, 6, "F1002"},
    {"unknown control opcode", {0x8b, 0x80, 0, 0, 0, 0}, 6, "F1002"},
    {"continuation of nothing", {0x80, 0x80, 0, 0, 0, 0}, 6, "F1002"},
    {"start within a message",
     {0x01, 0x81, 0, 0, 0, 0, 'a', 0x81, 0x81, 0, 0, 0, 0, 'b'},
     14,
     "F1002"},
    {"fragmented ping", {0x09, 0x80, 0, 0, 0, 0}, 6, "F1002"},
    {"ping of 126 bytes", {0x89, 0xfe, 0, 126, 0, 0, 0, 0}, 8, "F1002"},
    {"length not in shortest form", {0x81, 0xfe, 0, 5, 0, 0, 0, 0}, 8, "F1002"},
    {"length with its top bit", {0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 14, "F1002"},
    {"invalid UTF-8", {0x81, 0x82, 0, 0, 0, 0, 0xc3, 0x28}, 8, "F1007"},
    {"half a character", {0x81, 0x81, 0, 0, 0, 0, 0xc3}, 7, "F1007"},
    {"surrogate", {0x81, 0x83, 0, 0, 0, 0, 0xed, 0xa0, 0x80}, 9, "F1007"},
    {"overlong", {0x81, 0x82, 0, 0, 0, 0, 0xc0, 0xaf}, 8, "F1007"},
    {"close of one byte", {0x88, 0x81, 0, 0, 0, 0, 3}, 7, "F1002"},
    {"close with 1005", {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xed}, 8, "F1002"},
    {"close with 999", {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe7}, 8, "F1002"},
    {"close with 5000", {0x88, 0x82, 0, 0, 0, 0, 0x13, 0x88}, 8, "F1002"},
    {"close with a bad reason", {0x88, 0x83, 0, 0, 0, 0, 0x03, 0xe8, 0xff}, 9, "F1007"},
    {"close", {0x88, 0x80, 0, 0, 0, 0}, 6, "C1005()"},
    {"close with code", {0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8}, 8, "C1000()"},
    {"close with own code", {0x88, 0x83, 0, 0, 0, 0, 0x0f, 0xa0, 'x'}, 9, "C4000(x)"},
};

static void what_breaks_the_protocol_is_named_by_its_code(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct wire w = {.n = broken[i].n};
        memcpy(w.bytes, broken[i].bytes, broken[i].n);
        for (size_t step = 1; step <= 16; step += 5) {
            char out[256];
            struct frame_reader *r = notifier_frame_reader_new(MESSAGE_MAX);
            read_all(r, &w, step, out, sizeof out);
            if (strcmp(out, broken[i].wanted) != 0)
                fail_msg("%s: %s", broken[i].what, out);
            notifier_frame_reader_free(r);
        }
    }
}

static void nothing_comes_after_the_end(void **state)
{
    (void)state;
    struct wire w = {0};
    put(&w, 0x81, "a");
    put(&w, 0x88, "\x03\xe8");
    put(&w, 0x81, "b");
    put(&w, 0x89, "c");
    expect(&w, "T(a)C1000()", false);
    w = (struct wire){0};
    put_raw(&w, 0x81, false, "x", 1);
    put(&w, 0x81, "b");
    expect(&w, "F1002", false);
}

/* The reader reads masked frames only; ours differ by the mask alone, so the header is looked at.
 */
static void our_frames_have_the_shortest_header(void **state)
{
    (void)state;
    static const struct {
        size_t len, header;
    } sizes[] = {{0, 2}, {1, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}, {100000, 10}};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        char *text = malloc(sizes[i].len + 1);
        memset(text, 'x', sizes[i].len + 1);
        struct packet *p = notifier_packet_new(WEBSOCKET_TEXT, (struct str){text, sizes[i].len});
        assert_int_equal(p->len, sizes[i].header + sizes[i].len);
        assert_int_equal(p->bytes[0], 0x81);
        uint64_t len = p->bytes[1];
        if (len >= 126) {
            size_t n = len == 126 ? 2 : 8;
            len = 0;
            for (size_t k = 0; k < n; k++)
                len = len << 8 | p->bytes[2 + k];
        }
        assert_int_equal(len, sizes[i].len);
        assert_memory_equal(p->bytes + sizes[i].header, text, sizes[i].len);
        notifier_packet_unref(p);
        free(text);
    }
}

static void a_close_frame_carries_code_and_reason_within_125_bytes(void **state)
{
    (void)state;
    struct packet *p = notifier_packet_close(4008, STR("slow"));
    assert_int_equal(p->len, 8);
    assert_memory_equal(p->bytes, "\x88\x06\x0f\xa8slow", 8);
    notifier_packet_unref(p);
    char reason[300];
    memset(reason, 'r', sizeof reason);
    p = notifier_packet_close(1001, (struct str){reason, sizeof reason});
    assert_int_equal(p->len, 2 + 125);
    notifier_packet_unref(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_come_whole_however_the_bytes_are_cut),
        cmocka_unit_test(fragments_are_joined_with_control_frames_between_them),
        cmocka_unit_test(a_reader_is_idle_only_between_messages),
        cmocka_unit_test(the_largest_message_passes_and_one_byte_more_does_not),
        cmocka_unit_test(a_huge_length_is_refused_before_its_bytes_come),
        cmocka_unit_test(what_breaks_the_protocol_is_named_by_its_code),
        cmocka_unit_test(nothing_comes_after_the_end),
        cmocka_unit_test(our_frames_have_the_shortest_header),
        cmocka_unit_test(a_close_frame_carries_code_and_reason_within_125_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
