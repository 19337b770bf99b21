/* SPDX-License-Identifier: Apache-2.0 */
/* Notes on a conversation: what colleagues write to each other about it; no provider sees them. */
#include "clock.h"
#include "handlers.h"
#include "id.h"
#include "inbox_rows.h"
#include "page.h"

#define NOTE_COLUMNS "n.id, n.conversation_id, n.body, n.created_by, " API_MS("n.created_at")
#define NOTE_N       5

static const struct pg_stmt conversation_is_there = {
    "api_conversation_is_there", "SELECT FROM conversations WHERE tenant_id = $1 AND id = $2"};
/* Ids are in the order of time. */
static const struct pg_stmt list = {
    "api_notes",
    "SELECT " NOTE_COLUMNS " FROM notes n WHERE n.tenant_id = $1 AND n.conversation_id = $2 "
    "AND ($3::uuid IS NULL OR n.id < $3) ORDER BY n.id DESC LIMIT $4::bigint"};
static const struct pg_stmt add = {
    "api_note_add",
    "INSERT INTO notes AS n (tenant_id, id, conversation_id, body, created_by, created_at) "
    "SELECT $1, $3::uuid, c.id, $4, $5::uuid, " API_AT(
        "$6") " FROM conversations c "
              "WHERE c.tenant_id = $1 AND c.id = $2 RETURNING " NOTE_COLUMNS};
/* An agent takes back its own, an owner anybody's. */
static const struct pg_stmt drop = {
    "api_note_drop", "DELETE FROM notes WHERE tenant_id = $1 AND conversation_id = $2 AND id = $3 "
                     "AND ($4 = 'owner' OR created_by = $5::uuid) RETURNING id"};
static const struct pg_stmt note_is_there = {
    "api_note_is_there",
    "SELECT FROM notes WHERE tenant_id = $1 AND conversation_id = $2 AND id = $3"};

static void put_note(struct json_out *o, const struct pg_result *r, int row)
{
    json_open(o, '{');
    json_put_str(o, "id", pg_text(r, row, 0));
    json_put_str(o, "conversation_id", pg_text(r, row, 1));
    json_put_str(o, "body", pg_text(r, row, 2));
    json_put_str(o, "created_by", pg_text(r, row, 3));
    json_put_time(o, "created_at", pg_i64(r, row, 4));
    json_close(o, '}');
}

static void on_list(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    if (pg_rows(results[0]))
        api_page_answer(c, results[1], put_note, 0, 0);
    else
        call_absent(c);
}

static void list_notes(struct call *c)
{
    const struct api_page *page = api_page_read(c, API_KEY_NONE);
    if (!page)
        return;
    const struct str params[] = {call_who(c)->tenant_id, call_path(c, "id"), page->id,
                                 api_page_limit(c)};
    call_send(c, &conversation_is_there, params, 2);
    call_send(c, &list, params, 4);
    call_commit(c, on_list);
}

static void on_added(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    if (!pg_rows(results[0])) {
        call_absent(c);
        return;
    }
    put_note(call_out(c), results[0], 0);
    call_answer(c, 201);
}

static void add_note(struct call *c)
{
    struct arena *a = call_arena(c);
    char *id = arena_alloc(a, UUID_TEXT + 1);
    uuid_format(uuid_v7(call_now_at_ms(c)), id);
    const struct str params[] = {call_who(c)->tenant_id,
                                 call_path(c, "id"),
                                 str_of(id),
                                 json_text(a, json_get(call_body(c), "body")),
                                 call_who(c)->user_id,
                                 str_fmt(a, "%lld", (long long)call_now_at_ms(c))};
    call_send(c, &add, params, 6);
    call_commit(c, on_added);
}

static void on_dropped(struct call *c, struct pg_result *const *results, int n)
{
    (void)n;
    if (pg_rows(results[1]))
        call_answer(c, 204);
    else if (pg_rows(results[0]))
        call_problem(c, 403, "forbidden", STR_NONE, "this note is another person's");
    else
        call_absent(c);
}

static void drop_note(struct call *c)
{
    const struct str params[] = {call_who(c)->tenant_id, call_path(c, "id"),
                                 call_path(c, "note_id"), call_who(c)->role, call_who(c)->user_id};
    call_send(c, &note_is_there, params, 3);
    call_send(c, &drop, params, 5);
    call_commit(c, on_dropped);
}

const struct api_handler api_notes_handlers[] = {
    {"listNotes", list_notes},
    {"addNote", add_note},
    {"deleteNote", drop_note},
    {0},
};
