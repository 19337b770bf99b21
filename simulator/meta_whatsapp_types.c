/* SPDX-License-Identifier: Apache-2.0 */
/* What WhatsApp wants of each type of message. */
#include "meta_api.h"

#define TEXT_MAX      4096
#define CAPTION_MAX   1024
#define BUTTONS_MAX   3
#define ROWS_MAX      10
#define SECTIONS_MAX  10
#define TITLE_MAX     20
#define ROW_TITLE_MAX 24
#define ROW_TEXT_MAX  72
#define BUTTON_ID_MAX 256
#define ROW_ID_MAX    200

/* --- what a type wants ------------------------------------------------------------------------ */

static bool text_valid(struct sim_call *c, const struct json *v)
{
    static const struct graph_member members[] = {
        {"body", GRAPH_TEXT, true, TEXT_MAX},
        {"preview_url", GRAPH_BOOL, false, 0},
    };
    if (!sim_graph_check(c, v, "text", members, ARRAY_LEN(members)))
        return false;
    return json_text(c->a, json_get(v, "body")).len > 0 ||
           sim_graph_invalid(c, "text['body']", "must be non-empty.");
}

static bool media_check(struct sim_call *c, const struct json *v, const char *type,
                        bool has_caption, bool has_filename)
{
    static const struct graph_member members[] = {
        {"id", GRAPH_ID, false, 0},
        {"link", GRAPH_URL, false, 0},
        {"caption", GRAPH_TEXT, false, CAPTION_MAX},
        {"filename", GRAPH_TEXT, false, 0},
    };
    if (!sim_graph_check(c, v, type, members, ARRAY_LEN(members)))
        return false;
    if ((json_get(v, "id") != NULL) == (json_get(v, "link") != NULL))
        return sim_graph_invalid(c, type, "must have exactly one of id and link.");
    if (json_get(v, "caption") && !has_caption)
        return sim_graph_invalid(c, "caption", "has no place in this type.");
    if (json_get(v, "filename") && !has_filename)
        return sim_graph_invalid(c, "filename", "has no place in this type.");
    struct str id = json_text(c->a, json_get(v, "id"));
    return !id.len || sim_is_digits(id) ||
           sim_graph_invalid(c, "id", "must be the id of an uploaded media.");
}

static bool image_valid(struct sim_call *c, const struct json *v)
{
    return media_check(c, v, "image", true, false);
}

static bool video_valid(struct sim_call *c, const struct json *v)
{
    return media_check(c, v, "video", true, false);
}

static bool audio_valid(struct sim_call *c, const struct json *v)
{
    return media_check(c, v, "audio", false, false);
}

static bool document_valid(struct sim_call *c, const struct json *v)
{
    return media_check(c, v, "document", true, true);
}

static bool sticker_valid(struct sim_call *c, const struct json *v)
{
    return media_check(c, v, "sticker", false, false);
}

static bool location_valid(struct sim_call *c, const struct json *v)
{
    static const struct graph_member members[] = {
        {"latitude", GRAPH_ID, true, 0},
        {"longitude", GRAPH_ID, true, 0},
        {"name", GRAPH_TEXT, false, 0},
        {"address", GRAPH_TEXT, false, 0},
    };
    return sim_graph_check(c, v, "location", members, ARRAY_LEN(members));
}

static bool contacts_valid(struct sim_call *c, const struct json *list)
{
    for (const struct json *v = json_first(list); v; v = json_next(list, v))
        if (!json_get(json_get(v, "name"), "formatted_name"))
            return sim_graph_missing(c, "contacts[name][formatted_name]");
    return true;
}

static bool reaction_valid(struct sim_call *c, const struct json *v)
{
    static const struct graph_member members[] = {
        {"message_id", GRAPH_ID, true, 0},
        {"emoji", GRAPH_TEXT, true, 0},
    };
    return sim_graph_check(c, v, "reaction", members, ARRAY_LEN(members));
}

static bool template_valid(struct sim_call *c, const struct json *v)
{
    static const char *const types[] = {"header", "body", "button", "carousel", NULL};
    static const struct graph_member members[] = {
        {"name", GRAPH_TEXT, true, 512},
        {"language", GRAPH_OBJECT, true, 0},
        {"components", GRAPH_ARRAY, false, 0},
    };
    static const struct graph_member language[] = {
        {"code", GRAPH_TEXT, true, 0},
        {"policy", GRAPH_TEXT, false, 0},
    };
    if (!sim_graph_check(c, v, "template", members, ARRAY_LEN(members)) ||
        !sim_graph_check(c, json_get(v, "language"), "template[language]", language,
                         ARRAY_LEN(language)))
        return false;
    const struct json *list = json_get(v, "components");
    for (const struct json *e = json_first(list); e; e = json_next(list, e))
        if (!sim_is_one_of(json_text(c->a, json_get(e, "type")), types))
            return sim_graph_invalid(c, "template[components][type]",
                                     "must be one of {header, body, button, carousel}.");
    struct graph_error unknown = sim_graph_error(132001, 0);
    return !str_starts(json_text(c->a, json_get(v, "name")), STR("absent")) ||
           sim_graph_refuse(c, &unknown, "template name does not exist in this language");
}

/* --- interactive ------------------------------------------------------------------------------ */

static bool buttons_valid(struct sim_call *c, const struct json *action)
{
    static const struct graph_member members[] = {{"buttons", GRAPH_ARRAY, true, BUTTONS_MAX}};
    static const struct graph_member button[] = {
        {"type", GRAPH_TEXT, true, 0},
        {"reply", GRAPH_OBJECT, true, 0},
    };
    static const struct graph_member reply[] = {
        {"id", GRAPH_TEXT, true, BUTTON_ID_MAX},
        {"title", GRAPH_TEXT, true, TITLE_MAX},
    };
    if (!sim_graph_check(c, action, "action", members, ARRAY_LEN(members)))
        return false;
    const struct json *list = json_get(action, "buttons");
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (!sim_graph_check(c, v, "buttons", button, ARRAY_LEN(button)) ||
            !sim_graph_check(c, json_get(v, "reply"), "reply", reply, ARRAY_LEN(reply)))
            return false;
        if (!str_eq_c(json_text(c->a, json_get(v, "type")), "reply"))
            return sim_graph_invalid(c, "buttons[type]", "must be one of {reply}.");
    }
    return true;
}

static bool rows_valid(struct sim_call *c, const struct json *section, size_t *n)
{
    static const struct graph_member members[] = {
        {"title", GRAPH_TEXT, false, ROW_TITLE_MAX},
        {"rows", GRAPH_ARRAY, true, ROWS_MAX},
    };
    static const struct graph_member row[] = {
        {"id", GRAPH_TEXT, true, ROW_ID_MAX},
        {"title", GRAPH_TEXT, true, ROW_TITLE_MAX},
        {"description", GRAPH_TEXT, false, ROW_TEXT_MAX},
    };
    if (!sim_graph_check(c, section, "sections", members, ARRAY_LEN(members)))
        return false;
    const struct json *list = json_get(section, "rows");
    for (const struct json *v = json_first(list); v; v = json_next(list, v), ++*n)
        if (!sim_graph_check(c, v, "rows", row, ARRAY_LEN(row)))
            return false;
    return true;
}

static bool list_valid(struct sim_call *c, const struct json *action)
{
    static const struct graph_member members[] = {
        {"button", GRAPH_TEXT, true, TITLE_MAX},
        {"sections", GRAPH_ARRAY, true, SECTIONS_MAX},
    };
    if (!sim_graph_check(c, action, "action", members, ARRAY_LEN(members)))
        return false;
    const struct json *list = json_get(action, "sections");
    size_t n = 0;
    for (const struct json *v = json_first(list); v; v = json_next(list, v)) {
        if (!rows_valid(c, v, &n))
            return false;
        if (list->n > 1 && !json_get(v, "title"))
            return sim_graph_missing(c, "sections[title]");
    }
    return n <= ROWS_MAX || sim_graph_invalid(c, "sections", "must have at most 10 rows in all.");
}

static bool link_valid(struct sim_call *c, const struct json *action)
{
    static const struct graph_member members[] = {
        {"name", GRAPH_TEXT, true, 0},
        {"parameters", GRAPH_OBJECT, true, 0},
    };
    static const struct graph_member parameters[] = {
        {"display_text", GRAPH_TEXT, true, TITLE_MAX},
        {"url", GRAPH_URL, true, 0},
    };
    return sim_graph_check(c, action, "action", members, ARRAY_LEN(members)) &&
           (str_eq_c(json_text(c->a, json_get(action, "name")), "cta_url") ||
            sim_graph_invalid(c, "action[name]", "must be cta_url.")) &&
           sim_graph_check(c, json_get(action, "parameters"), "parameters", parameters,
                           ARRAY_LEN(parameters));
}

static bool interactive_valid(struct sim_call *c, const struct json *v)
{
    static const struct {
        const char *type;
        whatsapp_check *valid;
        size_t text_max;
    } types[] = {{"button", buttons_valid, CAPTION_MAX},
                 {"list", list_valid, TEXT_MAX},
                 {"cta_url", link_valid, CAPTION_MAX}};
    static const struct graph_member members[] = {
        {"type", GRAPH_TEXT, true, 0},      {"body", GRAPH_OBJECT, true, 0},
        {"action", GRAPH_OBJECT, true, 0},  {"header", GRAPH_OBJECT, false, 0},
        {"footer", GRAPH_OBJECT, false, 0},
    };
    if (!sim_graph_check(c, v, "interactive", members, ARRAY_LEN(members)))
        return false;
    struct str type = json_text(c->a, json_get(v, "type"));
    struct str text = json_text(c->a, json_get(json_get(v, "body"), "text"));
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (!str_eq_c(type, types[i].type))
            continue;
        if (!text.len)
            return sim_graph_missing(c, "interactive[body][text]");
        if (sim_characters(text) > types[i].text_max)
            return sim_graph_invalid(c, "interactive[body][text]", "is too long.");
        return types[i].valid(c, json_get(v, "action"));
    }
    return sim_graph_invalid(c, "interactive[type]", "must be one of {button, list, cta_url}.");
}

/* --- the types ------------------------------------------------------------------------------- */

static const struct whatsapp_type types[] = {
    {"text", text_valid, false, true},
    {"image", image_valid, false, true},
    {"video", video_valid, false, true},
    {"audio", audio_valid, false, true},
    {"document", document_valid, false, true},
    {"sticker", sticker_valid, false, true},
    {"location", location_valid, false, true},
    {"contacts", contacts_valid, true, true},
    {"reaction", reaction_valid, false, true},
    {"template", template_valid, false, true},
    {"interactive", interactive_valid, false, false},
};

const struct whatsapp_type *sim_whatsapp_type(struct str name)
{
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq_c(name, types[i].name))
            return &types[i];
    return NULL;
}
