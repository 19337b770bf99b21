/* SPDX-License-Identifier: Apache-2.0 */
#include "packet.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"

#define HEADER_MAX        10
#define CLOSE_PAYLOAD_MAX 125

/* RFC 6455 §5.2: the shortest form of the length; a server does not mask. */
static size_t put_header(uint8_t out[HEADER_MAX], enum websocket_opcode opcode, size_t len)
{
    out[0] = (uint8_t)(0x80U | (unsigned)opcode);
    if (len < 126) {
        out[1] = (uint8_t)len;
        return 2;
    }
    size_t n = len <= 0xffff ? 2 : 8;
    out[1] = n == 2 ? 126 : 127;
    for (size_t i = 0; i < n; i++)
        out[2 + i] = (uint8_t)((uint64_t)len >> (8 * (n - 1 - i)));
    return 2 + n;
}

struct packet *notifier_packet_new(enum websocket_opcode opcode, struct str payload)
{
    assert(payload.len < UINT32_MAX - HEADER_MAX);
    uint8_t header[HEADER_MAX] = {0};
    size_t n = put_header(header, opcode, payload.len);
    struct packet *p = xalloc(sizeof *p + n + payload.len);
    p->refs = 1;
    p->len = (uint32_t)(n + payload.len);
    p->partition = -1;
    memcpy(p->bytes, header, n);
    if (payload.len > 0)
        memcpy(p->bytes + n, payload.ptr, payload.len);
    return p;
}

struct packet *notifier_packet_close(uint16_t code, struct str reason)
{
    char payload[CLOSE_PAYLOAD_MAX];
    payload[0] = (char)(code >> 8);
    payload[1] = (char)(code & 0xff);
    size_t n = reason.len < sizeof payload - 2 ? reason.len : sizeof payload - 2;
    if (n > 0)
        memcpy(payload + 2, reason.ptr, n);
    return notifier_packet_new(WEBSOCKET_CLOSE, (struct str){payload, n + 2});
}

struct packet *notifier_packet_ref(struct packet *p)
{
    p->refs++;
    return p;
}

void notifier_packet_unref(struct packet *p)
{
    if (p && --p->refs == 0)
        free(p);
}

size_t notifier_packet_bytes(const struct packet *p)
{
    return sizeof *p + p->len;
}
