/* SPDX-License-Identifier: Apache-2.0 */
/* Arbitrary bytes as a record. What decodes must encode again to something that decodes to the
 * same, and show itself as JSON. Input that does not begin with a frame is a body: its first byte
 * chooses the record type, whose frame is put before it, so that the fuzzer need not guess a
 * fingerprint. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "json.h"
#include "records.h"

#define ARENA_BYTES (8 << 20)
#define OUT_BYTES   (4 << 20)
#define FRAME_BYTES 10

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

union any_record {
    struct webhook_event event;
    struct send_command command;
    struct result result;
    struct update update;
    struct quarantined quarantined;
};

static bool decode(struct codec *c, struct arena *a, int type, struct str value,
                   union any_record *out)
{
    struct err err = {0};
    memset(out, 0, sizeof *out);
    switch (type) {
    case RECORD_WEBHOOK_EVENT:
        return decode_webhook_event(c, a, value, &out->event, &err);
    case RECORD_SEND_COMMAND:
        return decode_send_command(c, a, value, &out->command, &err);
    case RECORD_RESULT:
        return decode_result(c, a, value, &out->result, &err);
    case RECORD_UPDATE:
        return decode_update(c, a, value, &out->update, &err);
    default:
        return decode_quarantined(c, a, value, &out->quarantined, &err);
    }
}

static bool encode(struct codec *c, int type, const union any_record *v, struct buf *out)
{
    struct err err = {0};
    switch (type) {
    case RECORD_WEBHOOK_EVENT:
        return encode_webhook_event(c, &v->event, out, &err);
    case RECORD_SEND_COMMAND:
        return encode_send_command(c, &v->command, out, &err);
    case RECORD_RESULT:
        return encode_result(c, &v->result, out, &err);
    case RECORD_UPDATE:
        return encode_update(c, &v->update, out, &err);
    default:
        return encode_quarantined(c, &v->quarantined, out, &err);
    }
}

/* decode, encode, decode, encode: the two encodings are alike. (The first bytes need not be: a
 * number may be written longer than it has to be.) */
static void check_round_trip(struct codec *c, struct arena *a, int type, struct str value)
{
    union any_record first, second;
    struct buf one, two;
    if (!decode(c, a, type, value, &first))
        return;
    buf_init(&one, OUT_BYTES);
    buf_init(&two, OUT_BYTES);
    assert(encode(c, type, &first, &one));
    assert(decode(c, a, type, buf_str(&one), &second));
    assert(encode(c, type, &second, &two));
    assert(str_eq(buf_str(&one), buf_str(&two)));
    buf_done(&one);
    buf_done(&two);
}

static void check_json(struct codec *c, struct arena *a, struct str value)
{
    struct err err = {0};
    struct buf json;
    buf_init(&json, OUT_BYTES);
    if (decode_to_json(c, a, value, &json, &err))
        assert(json_parse(a, buf_str(&json), &err));
    buf_done(&json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct codec *codec;
    struct err err = {0};
    if (!codec)
        codec = codec_new("", "", &err);
    assert(codec);
    if (size == 0 || size > 1 << 20)
        return 0;

    auto_arena a = arena_new(ARENA_BYTES);
    struct buf value;
    buf_init(&value, OUT_BYTES);
    if (data[0] == 0xc3 || data[0] == 0) {
        buf_put(&value, data, size);
    } else {
        const union any_record empty = {0};
        assert(encode(codec, data[0] % RECORD_TYPES, &empty, &value));
        value.len = FRAME_BYTES;
        buf_put(&value, data + 1, size - 1);
    }
    for (int type = 0; type < RECORD_TYPES; type++)
        check_round_trip(codec, a, type, buf_str(&value));
    check_json(codec, a, buf_str(&value));
    buf_done(&value);
    return 0;
}
