/* SPDX-License-Identifier: Apache-2.0 */
/* Two rounds: the first looks whether it can be sent, the second stores it under the conversation's
 * lock, which gives it its place in the order. The row is its own outbox: the command to the sender
 * goes out after the commit, and the scheduler finds what Kafka did not get. */
#include "send.h"

#include <string.h>

#include "clock.h"
#include "handlers.h"
#include "id.h"
#include "inbox.h"
#include "inbox_rows.h"
#include "outgoing_body.h"
#include "try.h"

#define PHONE_MIN 7
#define PHONE_MAX 15

struct sending {
    struct api_outgoing message;
    struct str id;              /* of the new message */
    struct str channel_id;      /* of a conversation that begins */
    struct str conversation_id; /* absent: it is to be found, or begins */
    struct str to;              /* a person; absent: the conversation's */
    struct str provider;
    const char *wrapper;
    bool has_files; /* asked for behind the channel */
    struct send_command command;
};

static struct str new_id(struct call *c)
{
    char text[UUID_TEXT + 1];
    uuid_format(uuid_v7(call_now_at_ms(c)), text);
    return str_dup(call_arena(c), str_of(text));
}

/* --- looking ---------------------------------------------------------------------------------- */

#define CHANNEL_COLUMNS \
    "ch.id, ch.provider, ch.platform, ch.external_account_id, ch.account_type, ch.status"
enum {
    CHANNEL_ID,
    PROVIDER,
    PLATFORM,
    ACCOUNT,
    ACCOUNT_TYPE,
    STATUS,
    CONVERSATION,
    EXTERNAL,
    CONTACT,
    GROUP
};

static const struct pg_stmt look_at_conversation = {
    "api_send_conversation",
    "SELECT " CHANNEL_COLUMNS
    ", c.id, c.external_id, c.contact_id, c.is_group FROM conversations c "
    "JOIN channels_account ch ON ch.id = c.channel_id WHERE c.tenant_id = $1 AND c.id = $2"};
/* The person's latest conversation of the channel; one that we began is the contact's, too. */
static const struct pg_stmt look_for_person = {
    "api_send_person",
    "SELECT " CHANNEL_COLUMNS
    ", c.id, c.external_id, c.contact_id, c.is_group FROM channels_account ch "
    "LEFT JOIN LATERAL (SELECT c.* FROM conversation_search s JOIN conversations c "
    "ON c.tenant_id = $1 AND c.id = s.conversation_id WHERE s.tenant_id = $1 AND s.channel_id = $2 "
    "AND s.contact_id = ANY ($3::text[]) AND NOT c.is_group "
    "ORDER BY c.last_message_at DESC NULLS LAST, c.id DESC LIMIT 1) c ON true "
    "WHERE ch.tenant_id = $1 AND ch.id = $2"};
static const struct pg_stmt look_at_media = {
    "api_send_media",
    "SELECT id, name, mime, size_bytes FROM media WHERE tenant_id = $1 AND id = ANY ($2::uuid[])"};
static const struct pg_stmt look_at_named = {
    "api_send_named",
    "SELECT id, external_message_id, conversation_id FROM messages WHERE tenant_id = $1 AND id = ANY ($2::uuid[])"};

/* Phone numbers are written in many ways; contacts have one of two. */
static struct str spellings(struct call *c, struct str to)
{
    struct arena *a = call_arena(c);
    struct pg_array list;
    char digits[PHONE_MAX + 1];
    size_t n = 0;
    bool is_phone = true;
    for (size_t i = 0; i < to.len && is_phone; i++) {
        if (to.ptr[i] >= '0' && to.ptr[i] <= '9' && n < PHONE_MAX)
            digits[n++] = to.ptr[i];
        else
            is_phone = (to.ptr[i] && strchr(" -()./", to.ptr[i])) || (to.ptr[i] == '+' && i == 0);
    }
    pg_array_init(&list, JSON_DEPTH_MAX * to.len + 256);
    pg_array_str(&list, to);
    if (is_phone && n >= PHONE_MIN) {
        pg_array_str(&list, (struct str){digits, n});
        pg_array_str(&list, str_fmt(a, "+%.*s", (int)n, digits));
    }
    struct pg_param p = pg_array_param(&list);
    struct str text = str_dup(a, str_of(p.value));
    pg_array_done(&list);
    return text;
}

static struct str named_ids(struct call *c, const struct api_outgoing *m)
{
    if (m->reply_to.ptr && m->target.ptr)
        return str_fmt(call_arena(c), "{%.*s,%.*s}", STR_ARG(m->reply_to), STR_ARG(m->target));
    struct str one = m->reply_to.ptr ? m->reply_to : m->target;
    return one.ptr ? str_fmt(call_arena(c), "{%.*s}", STR_ARG(one)) : STR_NONE;
}

static void on_looked(struct call *c, struct pg_result *const *results, int n);

static void look(struct call *c, struct sending *s)
{
    struct str tenant = call_who(c)->tenant_id;
    if (s->to.ptr) {
        const struct str params[] = {tenant, s->channel_id, spellings(c, s->to)};
        call_send(c, &look_for_person, params, 3);
    } else {
        const struct str params[] = {tenant, s->conversation_id};
        call_send(c, &look_at_conversation, params, 2);
    }
    const struct str named[] = {tenant, named_ids(c, &s->message)};
    // Most messages have neither: what is not asked costs nothing.
    s->has_files = s->message.n_media > 0;
    if (s->has_files)
        api_send_look_at_files(c, &s->message);
    if (named[1].ptr)
        call_send(c, &look_at_named, named, 2);
    call_run(c, on_looked);
}

/* --- deciding --------------------------------------------------------------------------------- */

static bool fits_type(struct str type, struct str mime)
{
    static const struct {
        const char *type, *mime;
    } wanted[] = {{"image", "image/"},
                  {"video", "video/"},
                  {"audio", "audio/"},
                  {"voice", "audio/"},
                  {"sticker", "image/"}};
    for (size_t i = 0; i < ARRAY_LEN(wanted); i++)
        if (str_eq_c(type, wanted[i].type))
            return str_starts(mime, str_of(wanted[i].mime));
    return true;
}

void api_send_look_at_files(struct call *c, const struct api_outgoing *m)
{
    struct str files = api_outgoing_media_ids(c, m);
    const struct str params[] = {call_who(c)->tenant_id, files.ptr ? files : STR("{}")};
    call_send(c, &look_at_media, params, 2);
}

static bool take_file(struct call *c, struct api_medium *m, int index,
                      const struct pg_result *files)
{
    struct arena *a = call_arena(c);
    struct str at = str_fmt(a, "#/media/%d/media_id", index);
    for (int i = 0; i < pg_rows(files); i++) {
        if (!str_eq(pg_text(files, i, 0), m->media_id))
            continue;
        m->name = m->name.len ? m->name : str_dup(a, pg_text(files, i, 1));
        m->mime = str_dup(a, pg_text(files, i, 2)); // as its bytes say, whatever was said
        m->size_bytes = pg_i64(files, i, 3);
        if (fits_type(m->type, m->mime))
            return true;
        call_problem(c, 422, "wrong_file_type", at, "this file is %.*s, which is no %.*s",
                     STR_ARG(m->mime), STR_ARG(m->type));
        return false;
    }
    call_problem(c, 422, "unknown_file", at, "no such file: upload it first");
    return false;
}

bool api_send_take_files(struct call *c, struct api_outgoing *m, const struct pg_result *files)
{
    for (int i = 0; i < m->n_media; i++)
        if (m->media[i].media_id.len && !take_file(c, &m->media[i], i, files))
            return false;
    return true;
}

/* The provider's name of a message of this conversation. */
static bool take_named(struct call *c, const struct sending *s, struct str id, const char *member,
                       const struct pg_result *named, struct str *out)
{
    struct str at = str_fmt(call_arena(c), "#/%s", member);
    if (!id.ptr)
        return true;
    for (int i = 0; i < pg_rows(named); i++) {
        if (!str_ieq(pg_text(named, i, 0), id) || !str_eq(pg_text(named, i, 2), s->conversation_id))
            continue;
        *out = str_dup(call_arena(c), pg_text(named, i, 1));
        if (out->ptr)
            return true;
        call_problem(c, 422, "message_not_sent", at, "that message is not at the provider yet");
        return false;
    }
    call_problem(c, 422, "unknown_message", at, "this conversation has no such message");
    return false;
}

static bool check_channel(struct call *c, const struct pg_result *r)
{
    struct str status = pg_text(r, 0, STATUS);
    if (!str_eq_c(status, "disconnected") && !str_eq_c(status, "deleted"))
        return true;
    call_problem(c, 409, "channel_disconnected", STR_NONE,
                 "the channel is not connected any more: connect it again");
    return false;
}

/* Would the provider take it? Its adapter builds the request for nobody; its reason is for people.
 */
static bool check_sendable(struct call *c, const struct sending *s, const struct pg_result *r)
{
    struct err err = {0};
    struct api_try t = {
        .provider = pg_text(r, 0, PROVIDER),
        .account = pg_text(r, 0, ACCOUNT),
        .account_type = pg_text(r, 0, ACCOUNT_TYPE),
        .conversation = pg_text(r, 0, EXTERNAL),
        .contact_id = pg_text(r, 0, CONTACT),
        .is_group = str_eq_c(pg_text(r, 0, GROUP), "t"),
        .to = s->to,
        .id = s->id,
        .message = &s->message,
    };
    if (api_try_build(c, &t, &err))
        return true;
    call_problem(c, 422, "not_sendable", STR_NONE, "%s", err.msg);
    return false;
}

static void store(struct call *c, struct sending *s);

static void on_looked(struct call *c, struct pg_result *const *results, int n)
{
    struct sending *s = *call_state(c);
    struct api_outgoing *m = &s->message;
    const struct pg_result *r = results[0], *files = results[s->has_files], *named = results[n - 1];
    struct arena *a = call_arena(c);
    if (!pg_rows(r)) {
        if (s->to.ptr)
            call_problem(c, 422, "unknown_channel", STR("#/channel_id"), "no such channel");
        else
            call_absent(c);
        return;
    }
    s->conversation_id = str_dup(a, pg_text(r, 0, CONVERSATION));
    s->channel_id = str_dup(a, pg_text(r, 0, CHANNEL_ID));
    s->provider = str_dup(a, pg_text(r, 0, PROVIDER));
    if (!s->conversation_id.ptr)
        m->to_person = s->to;
    if (!api_send_take_files(c, m, files) || !check_channel(c, r) ||
        !take_named(c, s, m->reply_to, "reply_to", named, &m->reply_to_ext) ||
        !take_named(c, s, m->target, "target_id", named, &m->target_ext) ||
        !check_sendable(c, s, r))
        return;
    store(c, s);
}

/* --- storing ---------------------------------------------------------------------------------- */

/* What is shown as the conversation's latest: no reaction, and nothing that is for later. */
#define SHOWN "$13::boolean"
#define NOW   API_AT("$12")
#define ADD_MESSAGE                                                                                          \
    ", o AS (INSERT INTO outbox (tenant_id, id, object_kind, object_id) "                                    \
    "SELECT $1, $14::uuid, 'conversation', c.id FROM c WHERE " SHOWN ") "                                    \
    "INSERT INTO messages (tenant_id, id, channel_id, conversation_id, provider, platform, client_ref, "     \
    "direction, status, kind, body, content, reply_to, provider_at, conversation_seq, send_at, created_by, " \
    "outgoing, attachment_count) SELECT $1, $3::uuid, c.channel_id, c.id, c.provider, c.platform, "          \
    "'pr-' || replace($3::text, '-', ''), 'out', 'queued', $4, $5, $6::jsonb, $7, " NOW                      \
    ", c.seq, " API_AT("$8") ", $9::uuid, $10::jsonb, $11::int FROM c"
#define LATEST(table)                                                                          \
    "next_seq = " table ".next_seq + 1, "                                                      \
    "last_message_id = CASE WHEN " SHOWN " AND coalesce(" table ".last_message_at < " NOW      \
    ", true) "                                                                                 \
    "THEN $3::uuid ELSE " table ".last_message_id END, "                                       \
    "last_message_ext = CASE WHEN " SHOWN " AND coalesce(" table ".last_message_at < " NOW     \
    ", true) "                                                                                 \
    "THEN NULL ELSE " table ".last_message_ext END, "                                          \
    "last_message_at = CASE WHEN " SHOWN " THEN greatest(" table ".last_message_at, " NOW ") " \
    "ELSE " table ".last_message_at END, rev = " table ".rev + " SHOWN "::int "

static const struct pg_stmt add_to = {
    "api_send_add",
    "WITH c AS (UPDATE conversations x SET " LATEST(
        "x") "WHERE x.tenant_id = $1 AND x.id = $2::uuid "
             "RETURNING x.id, x.channel_id, x.provider, x.platform, x.next_seq - 1 AS seq)" ADD_MESSAGE};
/* Two at once begin one conversation: the second finds the first's. */
static const struct pg_stmt begin_with = {
    "api_send_begin",
    "WITH c AS (INSERT INTO conversations AS x (tenant_id, id, channel_id, provider, platform, external_id, "
    "contact_id, last_message_id, last_message_at, next_seq) SELECT $1, $2::uuid, ch.id, ch.provider, ch.platform, "
    "'to:' || $15, $15, CASE WHEN " SHOWN " THEN $3::uuid END, CASE WHEN " SHOWN " THEN " NOW
    " END, 2 "
    "FROM channels_account ch WHERE ch.tenant_id = $1 AND ch.id = $16::uuid "
    "ON CONFLICT (tenant_id, channel_id, external_id) DO UPDATE SET " LATEST(
        "x") "RETURNING x.id, x.channel_id, x.provider, x.platform, x.next_seq - 1 AS seq)" ADD_MESSAGE};
static const struct pg_stmt add_attachments = {
    "api_send_attachments",
    "INSERT INTO attachments (tenant_id, message_id, position, type, url, mime, name, size_bytes, extra) "
    "SELECT $1, $2::uuid, x.position, x.type, x.url, x.mime, x.name, x.size_bytes, x.extra "
    "FROM jsonb_to_recordset($3::jsonb) x(position smallint, type text, url text, mime text, name text, "
    "size_bytes bigint, extra jsonb)"};
static const struct pg_stmt read_message = {
    "api_message",
    "SELECT " API_MESSAGE_COLUMNS " FROM messages m WHERE m.tenant_id = $1 AND m.id = $2"};

static void wake(struct call *c)
{
    const struct sending *s = *call_state(c);
    api_inbox_wake(call_api(c), &s->command);
}

static void on_stored(struct call *c, struct pg_result *const *results, int n)
{
    struct sending *s = *call_state(c);
    const struct pg_result *r = results[n - 1];
    struct json_out *o = call_out(c);
    if (!pg_rows(r)) { // its conversation has gone since it was looked at
        call_absent(c);
        return;
    }
    s->command = (struct send_command){.tenant_id = call_who(c)->tenant_id,
                                       .message_id = s->id,
                                       .channel_id = s->channel_id,
                                       .conversation_id = str_dup(call_arena(c), pg_text(r, 0, 5)),
                                       .provider = s->provider,
                                       .created_at_ms = call_now_at_ms(c)};
    if (!s->message.send_at_ms)
        call_after_commit(c, wake);
    if (s->wrapper) {
        json_open(o, '{');
        json_key_out(o, s->wrapper);
    }
    api_put_message(o, r, 0);
    if (s->wrapper)
        json_close(o, '}');
    call_answer(c, 202);
}

static struct str number(struct call *c, int64_t n)
{
    return str_fmt(call_arena(c), "%lld", (long long)n);
}

static void store(struct call *c, struct sending *s)
{
    const struct api_outgoing *m = &s->message;
    struct str tenant = call_who(c)->tenant_id;
    bool begins = !s->conversation_id.ptr;
    bool is_shown = !m->send_at_ms && !str_eq_c(m->kind, "reaction");
    const struct str params[] = {tenant,
                                 begins ? new_id(c) : s->conversation_id,
                                 s->id,
                                 m->kind,
                                 m->text,
                                 api_outgoing_content(c, m),
                                 m->reply_to_ext,
                                 m->send_at_ms ? number(c, m->send_at_ms) : STR_NONE,
                                 call_who(c)->user_id,
                                 api_outgoing_json(c, m),
                                 number(c, m->n_media),
                                 number(c, call_now_at_ms(c)),
                                 is_shown ? STR("true") : STR("false"),
                                 new_id(c),
                                 s->to,
                                 s->channel_id};
    call_send(c, begins ? &begin_with : &add_to, params, begins ? 16 : 14);
    if (m->n_media) {
        const struct str rows[] = {tenant, s->id, api_outgoing_attachments(c, m)};
        call_send(c, &add_attachments, rows, 3);
    }
    call_changed(c, "message", s->id);
    const struct str one[] = {tenant, s->id};
    call_send(c, &read_message, one, 2);
    call_commit(c, on_stored);
}

/* --- the operations --------------------------------------------------------------------------- */

static struct sending *begin(struct call *c, const struct json *body)
{
    struct sending *s = ARENA_NEW(call_arena(c), struct sending);
    *call_state(c) = s;
    s->id = new_id(c);
    return api_outgoing_read(c, body, &s->message) ? s : NULL;
}

void api_send_to(struct call *c, struct str channel_id, struct str to, const struct json *body,
                 const char *wrapper)
{
    struct sending *s = begin(c, body);
    if (!s)
        return;
    s->channel_id = channel_id;
    s->to = str_trim(to);
    s->wrapper = wrapper;
    look(c, s);
}

static void start_conversation(struct call *c)
{
    struct arena *a = call_arena(c);
    const struct json *body = call_body(c);
    api_send_to(c, json_text(a, json_get(body, "channel_id")), json_text(a, json_get(body, "to")),
                body, NULL);
}

static void send_message(struct call *c)
{
    struct sending *s = begin(c, call_body(c));
    if (!s)
        return;
    s->conversation_id = call_path(c, "id");
    look(c, s);
}

const struct api_handler api_send_handlers[] = {
    {"sendMessage", send_message},
    {"startConversation", start_conversation},
    {0},
};
