/* SPDX-License-Identifier: Apache-2.0 */
#include "provider_style.h"

#include "mem.h"
#include "texts.h"

static const struct sim_provider *const all[] = {
    &sim_unipile, &sim_instagram, &sim_messenger, &sim_whatsapp, &sim_telegram, &sim_x,
};

const struct sim_provider *sim_provider_find(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        if (str_eq_c(name, all[i]->name))
            return all[i];
    return NULL;
}

const struct sim_provider *sim_provider_at(size_t i)
{
    return i < ARRAY_LEN(all) ? all[i] : NULL;
}

unsigned sim_all_kinds(uint32_t conversation)
{
    (void)conversation;
    return SIM_BIT(SIM_KINDS) - 1;
}

void sim_put_number(struct buf *out, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    buf_put(out, digits + at, sizeof digits - at);
}

void sim_event_text(struct buf *out, const struct sim_event *e)
{
    bool original = e->kind == SIM_REACTION;
    buf_put_str(out, sim_text(original ? e->target_pick : e->pick));
    // The number makes each text distinct, so that a mixed-up one is noticed.
    buf_put(out, " #", 2);
    sim_put_number(out, original ? e->target : e->index);
}

/* The code point that starts at text[*i]; the texts are our own, so they are valid UTF-8. */
static uint32_t read_utf8(struct str text, size_t *i)
{
    const uint8_t *s = (const uint8_t *)text.ptr + *i;
    int more = s[0] >= 0xF0 ? 3 : s[0] >= 0xE0 ? 2 : 1;
    uint32_t c = s[0] & (0x3Fu >> more);
    for (int k = 1; k <= more && *i + (size_t)k < text.len; k++)
        c = c << 6 | (s[k] & 0x3Fu);
    *i += 1 + (size_t)more;
    return c;
}

static void put_unit(struct buf *out, uint32_t unit)
{
    static const char hex[] = "0123456789abcdef";
    const char text[6] = {
        '\\', 'u', hex[unit >> 12 & 15], hex[unit >> 8 & 15], hex[unit >> 4 & 15], hex[unit & 15]};
    buf_put(out, text, sizeof text);
}

void sim_put_json(struct buf *out, struct str text, bool ascii_only)
{
    size_t plain = 0, i = 0;
    while (i < text.len) {
        uint8_t c = (uint8_t)text.ptr[i];
        if (c >= 0x20 && c != '"' && c != '\\' && (c < 0x80 || !ascii_only)) {
            i++;
            continue;
        }
        buf_put(out, text.ptr + plain, i - plain);
        if (c >= 0x80) {
            uint32_t point = read_utf8(text, &i);
            if (point >= 0x10000) {
                put_unit(out, 0xD800 + ((point - 0x10000) >> 10));
                point = 0xDC00 + ((point - 0x10000) & 0x3FF);
            }
            put_unit(out, point);
        } else {
            i++;
            if (c == '\n')
                buf_put(out, "\\n", 2);
            else if (c < 0x20)
                put_unit(out, c);
            else {
                buf_putc(out, '\\');
                buf_putc(out, (char)c);
            }
        }
        plain = i;
    }
    buf_put(out, text.ptr + plain, i - plain);
}

void sim_put_event_text(struct buf *out, const struct sim_event *e, bool ascii_only)
{
    char room[SIM_TEXT_MAX];
    struct buf text = {.ptr = room, .cap = sizeof room, .max = sizeof room};
    sim_event_text(&text, e);
    sim_put_json(out, buf_str(&text), ascii_only);
}

void sim_put_name(struct buf *out, uint64_t number, bool ascii_only)
{
    sim_put_json(out, sim_first_name(number), ascii_only);
    buf_putc(out, ' ');
    sim_put_json(out, sim_last_name(number), ascii_only);
}
