/* SPDX-License-Identifier: Apache-2.0 */
#pragma once
/* For apply*.c only: the steps that events and results have in common. */
#include "apply.h"

void router_mark_message(struct model *m, struct fact *f, struct message *msg, enum change change);
void router_mark_conversation(struct fact *f, struct conversation *c);
/* A receipt's status reaches a message that is there. */
void router_apply_status(struct model *m, struct fact *f, struct message *msg, struct str status,
                         struct str code, struct str text);
/* What the conversation's watermarks say of it. */
void router_apply_watermarks(struct model *m, struct fact *f, struct message *msg);
void router_apply_edit(struct model *m, struct fact *f, struct message *msg, int64_t at_ms,
                       struct str key, struct str body);
void router_apply_delete(struct model *m, struct fact *f, struct message *msg, int64_t at_ms);
/* The message has come, or got its name: what waited for it is merged into it. */
void router_merge_early(struct model *m, struct fact *f, struct message *msg);
