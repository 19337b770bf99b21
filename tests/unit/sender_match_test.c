/* SPDX-License-Identifier: Apache-2.0 */
#include "match.h"
#include "test.h"

#define BEGAN INT64_C(1767225600000)

static struct sent_message item(const char *text)
{
    return (struct sent_message){
        .external_id = STR("1"), .text = str_of(text), .at_ms = BEGAN, .is_ours = true};
}

static bool matches(const char *ours, const char *theirs, bool rewrites_links)
{
    struct send_message m = {.kind = SEND_TEXT, .text = str_of(ours)};
    struct sender_wanted w = {&m, BEGAN, rewrites_links};
    struct sent_message listed = item(theirs);
    return sender_match(&w, &listed);
}

static void texts_are_alike_but_for_white_space(void **state)
{
    (void)state;
    assert_true(matches("hello", "hello", false));
    assert_true(matches(" two\r\n lines ", "two\nlines", false));
    assert_false(matches("hello", "hello again", false));
    assert_false(matches("hello again", "hello", false));
    assert_false(matches("hello", "Hello", false));
    assert_false(matches("", "", false));
}

static void rewritten_addresses_do_not_count(void **state)
{
    (void)state;
    assert_true(matches("see https://a.example/long", "see https://t.co/x", true));
    assert_true(matches("see", "see https://t.co/medium", true));
    assert_false(matches("see https://a.example/long", "see https://t.co/x", false));
    assert_false(matches("see https://a.example", "look https://a.example", true));
}

static void only_what_our_side_wrote_since_the_call_counts(void **state)
{
    (void)state;
    struct send_message m = {.kind = SEND_TEXT, .text = STR("hello")};
    struct sender_wanted w = {&m, BEGAN, false};
    struct sent_message theirs = item("hello"), old = item("hello"), early = item("hello");
    theirs.is_ours = false;
    old.at_ms = BEGAN - SENDER_MATCH_SLACK_MS - 1;
    early.at_ms = BEGAN - SENDER_MATCH_SLACK_MS;
    assert_false(sender_match(&w, &theirs));
    assert_false(sender_match(&w, &old));
    assert_true(sender_match(&w, &early));
}

static void files_are_found_by_being_there(void **state)
{
    (void)state;
    struct send_message m = {.kind = SEND_MEDIA, .n_media = 1, .text = STR("caption")};
    struct sender_wanted w = {&m, BEGAN, false};
    struct sent_message with = item("caption"), without = item("caption"), other = item("else"),
                        split = item("");
    with.n_media = other.n_media = split.n_media = 1;
    assert_true(sender_match(&w, &with));
    assert_true(sender_match(&w, &split));
    assert_false(sender_match(&w, &without));
    assert_false(sender_match(&w, &other));
}

static void absence_is_told_of_a_whole_list_and_of_plain_kinds_only(void **state)
{
    (void)state;
    struct send_message m = {.kind = SEND_TEXT, .text = STR("hello")};
    struct sender_wanted w = {&m, BEGAN, false};
    struct sent_message items[] = {item("newer"), item("older")};
    struct sent_list page = {.items = items, .n = 2};
    assert_false(sender_match_reaches_back(&w, &page));
    items[1].at_ms = 0; // of no known time
    assert_false(sender_match_reaches_back(&w, &page));
    items[1].at_ms = BEGAN - SENDER_MATCH_SLACK_MS - 1;
    assert_true(sender_match_reaches_back(&w, &page));
    assert_true(sender_match_reaches_back(&w, &(struct sent_list){.is_all = true}));
    assert_false(sender_match_reaches_back(&w, &(struct sent_list){.n = 0}));
    assert_true(sender_match_tells_absence(&m));
    m.kind = SEND_MEDIA;
    assert_true(sender_match_tells_absence(&m));
    m.kind = SEND_CHOICES;
    assert_false(sender_match_tells_absence(&m));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_alike_but_for_white_space),
        cmocka_unit_test(rewritten_addresses_do_not_count),
        cmocka_unit_test(only_what_our_side_wrote_since_the_call_counts),
        cmocka_unit_test(files_are_found_by_being_there),
        cmocka_unit_test(absence_is_told_of_a_whole_list_and_of_plain_kinds_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
