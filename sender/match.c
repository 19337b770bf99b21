/* SPDX-License-Identifier: Apache-2.0 */
#include "match.h"

bool sender_match_tells_absence(const struct send_message *m)
{
    return m->kind == SEND_TEXT || m->kind == SEND_MEDIA;
}

bool sender_match_is_candidate(const struct sender_wanted *w, const struct sent_message *item)
{
    return item->is_ours && item->at_ms >= w->began_at_ms - SENDER_MATCH_SLACK_MS;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct str next_word(struct str *rest)
{
    size_t from = 0, to;
    while (from < rest->len && is_space(rest->ptr[from]))
        from++;
    for (to = from; to < rest->len && !is_space(rest->ptr[to]);)
        to++;
    struct str word = {rest->ptr + from, to - from};
    *rest = str_skip(*rest, to);
    return word;
}

static struct str next_counted(struct str *rest, bool skips_links)
{
    struct str word = next_word(rest);
    while (skips_links && (str_starts(word, STR("https://")) || str_starts(word, STR("http://"))))
        word = next_word(rest);
    return word;
}

static bool is_same_text(struct str one, struct str other, bool skips_links)
{
    struct str a, b;
    do {
        a = next_counted(&one, skips_links);
        b = next_counted(&other, skips_links);
        if (!str_eq(a, b))
            return false;
    } while (a.len);
    return true;
}

bool sender_match(const struct sender_wanted *w, const struct sent_message *item)
{
    const struct send_message *m = w->message;
    if (!sender_match_is_candidate(w, item))
        return false;
    if (m->kind != SEND_MEDIA)
        return m->text.len && is_same_text(m->text, item->text, w->rewrites_links);
    // Some networks split a caption off.
    return item->n_media && (!m->text.len || !item->text.len ||
                             is_same_text(m->text, item->text, w->rewrites_links));
}

bool sender_match_reaches_back(const struct sender_wanted *w, const struct sent_list *page)
{
    int64_t from_ms = w->began_at_ms - SENDER_MATCH_SLACK_MS;
    return page->is_all || (page->n && page->items[page->n - 1].at_ms > 0 &&
                            page->items[page->n - 1].at_ms < from_ms);
}
