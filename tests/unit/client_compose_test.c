/* SPDX-License-Identifier: Apache-2.0 */
#include "compose.h"
#include "mem.h"
#include "test.h"

#define ARENA ((size_t)1 << 20)

static bool compose(struct arena *a, struct send_row row, struct send_message *out, struct err *err)
{
    row.tenant_id = STR("tenant");
    row.client_ref = STR("pr-1");
    row.conversation = row.conversation.ptr ? row.conversation : STR("thread");
    return send_compose(a, &row, out, err);
}

static void a_plain_text_is_all_in_its_columns(void **state)
{
    (void)state;
    auto_arena a = arena_new(ARENA);
    struct send_message m;
    struct err err = {0};
    assert_true(
        compose(a, (struct send_row){.kind = STR("text"), .body = STR("hi"), .reply_to = STR("e1")},
                &m, &err));
    assert_int_equal(m.kind, SEND_TEXT);
    assert_int_equal(m.to_kind, TO_CONVERSATION);
    assert_true(str_eq_c(m.to, "thread") && str_eq_c(m.text, "hi") && str_eq_c(m.reply_to, "e1") &&
                str_eq_c(m.client_ref, "pr-1"));
}

static void a_conversation_without_a_name_is_a_person(void **state)
{
    (void)state;
    static const struct {
        const char *conversation, *contact, *outgoing, *to;
        enum send_to kind;
    } cases[] = {
        {"to:49170", "49170", NULL, "49170", TO_PERSON},
        {"to:49170", NULL, NULL, "49170", TO_PERSON},
        {"to:49170", "49170", "{\"to_person\":\"49171\"}", "49171", TO_PERSON},
        // It has a name meanwhile.
        {"thread", "49170", "{\"to_person\":\"49170\"}", "thread", TO_CONVERSATION},
        {"thread", NULL, "{\"to_comment\":\"c9\"}", "c9", TO_COMMENT},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(ARENA);
        struct send_message m;
        struct err err = {0};
        assert_true(compose(a,
                            (struct send_row){.kind = STR("text"),
                                              .conversation = str_of(cases[i].conversation),
                                              .contact_id = str_of(cases[i].contact),
                                              .outgoing = str_of(cases[i].outgoing)},
                            &m, &err));
        assert_true(str_eq_c(m.to, cases[i].to));
        assert_int_equal(m.to_kind, cases[i].kind);
    }
}

static void files_have_the_name_under_which_they_are_stored(void **state)
{
    (void)state;
    auto_arena a = arena_new(ARENA);
    struct send_message m;
    struct err err = {0};
    struct send_row row = {
        .kind = STR("image"),
        .outgoing = STR(
            "{\"kind\":\"image\",\"text\":\"look\",\"media\":[{\"type\":\"image\",\"media_id\":\"m1\"},"
            "{\"type\":\"file\",\"url\":\"https://a/b\",\"name\":\"n\",\"mime\":\"x/y\"}]}"),
        .media = STR("{\"m1\":{\"name\":\"p.jpg\",\"mime\":\"image/jpeg\",\"size\":77}}")};
    assert_true(compose(a, row, &m, &err));
    assert_int_equal(m.kind, SEND_MEDIA);
    assert_int_equal(m.n_media, 2);
    assert_true(str_eq_c(m.text, "look"));
    assert_true(str_eq_c(m.media[0].file, "tenant/m1/77") && str_eq_c(m.media[0].name, "p.jpg") &&
                str_eq_c(m.media[0].mime, "image/jpeg") && m.media[0].size_bytes == 77 &&
                !m.media[0].url.len);
    assert_true(str_eq_c(m.media[1].url, "https://a/b") && str_eq_c(m.media[1].name, "n") &&
                !m.media[1].file.len);
    row.media = STR_NONE;
    assert_false(compose(a, row, &m, &err));
    assert_int_equal(err.kind, ERR_INVALID);
}

static void all_kinds_are_read(void **state)
{
    (void)state;
    auto_arena a = arena_new(ARENA);
    struct send_message m;
    struct err err = {0};
    assert_true(compose(
        a,
        (struct send_row){
            .kind = STR("choices"),
            .body = STR("which?"),
            .outgoing = STR(
                "{\"choices_title\":\"open\",\"choices\":[{\"title\":\"A\",\"payload\":\"a\",\"description\":\"d\"},"
                "{\"title\":\"B\",\"url\":\"https://b\"}],\"tag\":\"T\",\"human_agent\":true}")},
        &m, &err));
    assert_int_equal(m.n_choices, 2);
    assert_int_equal(m.choices[0].style, CHOICE_REPLY);
    assert_int_equal(m.choices[1].style, CHOICE_URL);
    assert_true(str_eq_c(m.choices_title, "open") && str_eq_c(m.tag, "T") && m.is_human_agent);
    assert_true(str_eq_c(m.text, "which?"));

    assert_true(compose(
        a,
        (struct send_row){
            .kind = STR("template"),
            .outgoing = STR(
                "{\"template\":{\"name\":\"n\",\"language\":\"de\",\"components\":[{\"type\":\"body\"}]}}")},
        &m, &err));
    assert_int_equal(m.kind, SEND_TEMPLATE);
    assert_true(str_eq_c(m.template.components, "[{\"type\":\"body\"}]"));

    assert_true(compose(
        a,
        (struct send_row){
            .kind = STR("location"),
            .outgoing =
                STR("{\"location\":{\"latitude\":52.123456789012345,\"longitude\":\"13.4\"}}")},
        &m, &err));
    assert_true(str_eq_c(m.location.latitude, "52.123456789012345") &&
                str_eq_c(m.location.longitude, "13.4"));

    assert_true(
        compose(a,
                (struct send_row){.kind = STR("reaction"),
                                  .outgoing = STR("{\"emoji\":\"x\",\"target_id\":\"e7\"}")},
                &m, &err));
    assert_int_equal(m.kind, SEND_REACTION);
    assert_true(str_eq_c(m.emoji, "x") && str_eq_c(m.target_id, "e7"));
}

static void what_is_too_much_or_unknown_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *outgoing;
    } cases[] = {
        {"hologram", NULL},
        {"text", "{"},
        {"image",
         "{\"media\":[{\"url\":\"u\"},{\"url\":\"u\"},{\"url\":\"u\"},{\"url\":\"u\"},{\"url\":\"u\"},{\"url\":\"u\"},"
         "{\"url\":\"u\"},{\"url\":\"u\"},{\"url\":\"u\"},{\"url\":\"u\"},{\"url\":\"u\"}]}"},
        {"choices", "{\"choices\":[{},{},{},{},{},{},{},{},{},{},{},{},{},{}]}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        auto_arena a = arena_new(ARENA);
        struct send_message m;
        struct err err = {0};
        assert_false(compose(
            a,
            (struct send_row){.kind = str_of(cases[i].kind), .outgoing = str_of(cases[i].outgoing)},
            &m, &err));
        assert_int_equal(err.kind, ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_text_is_all_in_its_columns),
        cmocka_unit_test(a_conversation_without_a_name_is_a_person),
        cmocka_unit_test(files_have_the_name_under_which_they_are_stored),
        cmocka_unit_test(all_kinds_are_read),
        cmocka_unit_test(what_is_too_much_or_unknown_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
