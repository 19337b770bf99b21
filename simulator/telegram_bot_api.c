/* SPDX-License-Identifier: Apache-2.0 */
/* Telegram's Bot API: the bot itself, and its webhook. */
#include <string.h>

#include "telegram_api.h"

#define SECRET_MAX 256

void sim_tg_put_bot(struct json_out *o, struct sim_call *c)
{
    json_open(o, '{');
    json_put_raw(o, "id", c->account);
    json_put_bool(o, "is_bot", true);
    json_put_str(o, "first_name", STR("Shop"));
    json_put_str(o, "username", str_fmt(c->a, "shop_%.*s_bot", STR_ARG(c->account)));
    json_close(o, '}');
}

void sim_tg_get_me(struct sim_tg *t)
{
    struct buf out;
    buf_init(&out, 4096);
    struct json_out o = {.buf = &out};
    sim_tg_put_bot(&o, t->c);
    sim_tg_result(t->c, buf_str(&out));
    buf_done(&out);
}

static bool secret_valid(struct str s)
{
    for (size_t i = 0; i < s.len; i++) {
        char k = s.ptr[i];
        if (!((k >= '0' && k <= '9') || (k >= 'A' && k <= 'Z') || (k >= 'a' && k <= 'z') ||
              k == '_' || k == '-'))
            return false;
    }
    return s.len <= SECRET_MAX;
}

static bool updates_valid(struct sim_tg *t)
{
    if (!sim_tg_text(t, "allowed_updates").len && !sim_field(&t->body, "allowed_updates"))
        return true;
    const struct json *list = sim_tg_json(t, "allowed_updates");
    bool ok = json_is(list, JSON_ARRAY);
    for (const struct json *v = json_first(list); v; v = json_next(list, v))
        ok = ok && json_is(v, JSON_STRING);
    return ok || sim_tg_error(t->c, 400, "Bad Request: can't parse allowed updates");
}

void sim_tg_set_webhook(struct sim_tg *t)
{
    struct sim_call *c = t->c;
    struct str url = sim_tg_text(t, "url"), secret = sim_tg_text(t, "secret_token");
    int64_t connections = 40;
    if (url.len && !str_starts(url, STR("https://"))) {
        sim_tg_error(c, 400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook");
        return;
    }
    if (!secret_valid(secret)) {
        sim_tg_error(c, 400, "Bad Request: secret token contains unallowed characters");
        return;
    }
    if ((sim_tg_text(t, "max_connections").ptr &&
         !sim_tg_int(t, "max_connections", &connections)) ||
        connections < 1 || connections > 100) {
        sim_tg_error(c, 400, "Bad Request: bad webhook: max_connections must be from 1 to 100");
        return;
    }
    if (!updates_valid(t))
        return;
    struct sim_hook *k = sim_hooks_put(
        c->server->hooks,
        &(struct sim_hook){.provider = STR("telegram"), .id = c->account, .url = url});
    if (k)
        k->is_gone = !url.len;
    sim_answer(c, 200, STR("{\"ok\":true,\"result\":true,\"description\":\"Webhook was set\"}"));
}

void sim_tg_delete_webhook(struct sim_tg *t)
{
    struct sim_hook *k = sim_hooks_get(t->c->server->hooks, STR("telegram"), t->c->account);
    if (k)
        k->is_gone = true;
    sim_answer(t->c, 200,
               STR("{\"ok\":true,\"result\":true,\"description\":\"Webhook was deleted\"}"));
}

void sim_tg_webhook_info(struct sim_tg *t)
{
    struct sim_call *c = t->c;
    const struct sim_hook *k = sim_hooks_get(c->server->hooks, STR("telegram"), c->account);
    struct buf out;
    buf_init(&out, 16384);
    struct json_out o = {.buf = &out};
    json_open(&o, '{');
    json_put_str(&o, "url", k ? k->url : STR(""));
    json_put_bool(&o, "has_custom_certificate", false);
    json_put_int(&o, "pending_update_count", 0);
    json_put_int(&o, "max_connections", 40);
    json_close(&o, '}');
    sim_tg_result(c, buf_str(&out));
    buf_done(&out);
}

void sim_tg_get_file(struct sim_tg *t)
{
    struct sim_call *c = t->c;
    struct str id = sim_tg_text(t, "file_id");
    if (id.len < 10 || !secret_valid(id)) {
        sim_tg_error(c, 400, "Bad Request: invalid file_id");
        return;
    }
    sim_tg_result(c, str_fmt(c->a,
                             "{\"file_id\":\"%.*s\",\"file_unique_id\":\"%.*s\",\"file_path\":"
                             "\"file_%.*s\"}",
                             STR_ARG(id), STR_ARG(id), STR_ARG(id)));
}

/* What a bot may react with: the list of ReactionTypeEmoji, without the variation selectors. */
static const char reactions[] =
    " 👍 👎 ❤ 🔥 🥰 👏 😁 🤔 🤯 😱 🤬 😢 🎉 🤩 🤮 💩 🙏 👌 🕊 🤡 🥱 🥴 😍 🐳 ❤‍🔥 🌚 🌭 💯 🤣 ⚡ 🍌 🏆 💔 🤨 😐 🍓 🍾 "
    "💋 🖕 😈 😴 😭 🤓 👻 👨‍💻 👀 🎃 🙈 😇 😨 🤝 ✍ 🤗 🫡 🎅 🎄 ☃ 💅 🤪 🗿 🆒 💘 🙉 🦄 😘 💊 🙊 😎 👾 🤷‍♂ 🤷 🤷‍♀ 😡 ";

bool sim_tg_is_reaction(struct arena *a, struct str emoji)
{
    struct str selector = STR("\xEF\xB8\x8F");
    if (str_ends(emoji, selector))
        emoji.len -= selector.len;
    struct str wanted = str_fmt(a, " %.*s ", STR_ARG(emoji));
    return emoji.len && memmem(reactions, sizeof reactions - 1, wanted.ptr, wanted.len);
}
