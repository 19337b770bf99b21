/* SPDX-License-Identifier: Apache-2.0 */
/* schemas/avro and the structs of records.h, row by row. */
#include <stddef.h>

#include "mem.h"
#include "records_codec.h"

#define ROW(type, member, field, kind)                 \
    {                                                  \
        field, kind, offsetof(struct type, member), "" \
    }
#define ROW_OR(type, member, field, kind, value)          \
    {                                                     \
        field, kind, offsetof(struct type, member), value \
    }

static const struct field webhook_event_fields[] = {
    ROW(webhook_event, provider, "provider", FIELD_STRING),
    ROW(webhook_event, tenant_id, "tenant_id", FIELD_OPTIONAL),
    ROW(webhook_event, account, "account", FIELD_STRING),
    ROW(webhook_event, account_type, "account_type", FIELD_OPTIONAL),
    ROW(webhook_event, conversation, "conversation", FIELD_OPTIONAL),
    ROW(webhook_event, received_at_ms, "received_at", FIELD_LONG),
    ROW(webhook_event, body, "body", FIELD_BYTES),
};

static const struct field send_command_fields[] = {
    ROW(send_command, tenant_id, "tenant_id", FIELD_STRING),
    ROW(send_command, message_id, "message_id", FIELD_STRING),
    ROW(send_command, channel_id, "channel_id", FIELD_STRING),
    ROW(send_command, conversation_id, "conversation_id", FIELD_STRING),
    ROW(send_command, provider, "provider", FIELD_STRING),
    ROW(send_command, attempt, "attempt", FIELD_INT),
    ROW(send_command, created_at_ms, "created_at", FIELD_LONG),
    ROW(send_command, priority, "priority", FIELD_INT),
};

static const struct field result_fields[] = {
    ROW(result, tenant_id, "tenant_id", FIELD_STRING),
    ROW(result, at_ms, "at", FIELD_LONG),
};

static const struct field send_result_fields[] = {
    ROW(result, message_id, "message_id", FIELD_STRING),
    ROW(result, attempt, "attempt", FIELD_INT),
    ROW(result, outcome, "outcome", FIELD_STRING),
    ROW(result, external_message_id, "external_message_id", FIELD_OPTIONAL),
    ROW(result, error_code, "error_code", FIELD_OPTIONAL),
    ROW(result, error_message, "error_message", FIELD_OPTIONAL),
    ROW(result, retry_at_ms, "retry_at", FIELD_OPTIONAL_LONG),
    ROW(result, conversation, "conversation", FIELD_OPTIONAL),
};

static const struct field object_changed_fields[] = {
    ROW(result, object_kind, "object_kind", FIELD_STRING),
    ROW(result, object_id, "object_id", FIELD_STRING),
};

static const struct field update_fields[] = {
    ROW(update, id, "id", FIELD_STRING),
    ROW(update, tenant_id, "tenant_id", FIELD_STRING),
    ROW(update, kind, "kind", FIELD_STRING),
    ROW(update, provider, "provider", FIELD_STRING),
    ROW(update, channel_id, "channel_id", FIELD_OPTIONAL),
    ROW(update, conversation_id, "conversation_id", FIELD_OPTIONAL),
    ROW(update, object_id, "object_id", FIELD_STRING),
    ROW(update, rev, "rev", FIELD_LONG),
    ROW(update, at_ms, "at", FIELD_LONG),
    ROW(update, data, "data", FIELD_STRING),
};

static const struct field quarantined_fields[] = {
    ROW(quarantined, provider, "provider", FIELD_STRING),
    ROW(quarantined, tenant_id, "tenant_id", FIELD_OPTIONAL),
    ROW(quarantined, account, "account", FIELD_OPTIONAL),
    ROW(quarantined, reason, "reason", FIELD_STRING),
    ROW(quarantined, detail, "detail", FIELD_STRING),
    ROW(quarantined, topic, "topic", FIELD_STRING),
    ROW(quarantined, partition, "partition", FIELD_INT32),
    ROW(quarantined, offset, "offset", FIELD_LONG),
    ROW(quarantined, received_at_ms, "received_at", FIELD_LONG),
    ROW(quarantined, key, "key", FIELD_BYTES),
    ROW(quarantined, body, "body", FIELD_BYTES),
    ROW_OR(quarantined, headers, "headers", FIELD_STRING, "{}"),
};

#define TABLE(record, file, fields)             \
    {                                           \
        record, file, fields, ARRAY_LEN(fields) \
    }

const struct field_table record_tables[RECORD_TYPES] = {
    [RECORD_WEBHOOK_EVENT] = TABLE("WebhookEvent", "webhook_event.avsc", webhook_event_fields),
    [RECORD_SEND_COMMAND] = TABLE("SendCommand", "send_command.avsc", send_command_fields),
    [RECORD_RESULT] = TABLE("Result", "result.avsc", result_fields),
    [RECORD_UPDATE] = TABLE("Update", "update.avsc", update_fields),
    [RECORD_QUARANTINED] = TABLE("Quarantined", "quarantined.avsc", quarantined_fields),
};

const struct field_table event_tables[BRANCHES] = {
    [RESULT_SEND] = TABLE("SendResult", NULL, send_result_fields),
    [RESULT_OBJECT_CHANGED] = TABLE("ObjectChanged", NULL, object_changed_fields),
};

static const struct {
    const char *name;
    enum record_type record;
} topics[TOPICS] = {
    [TOPIC_INBOUND] = {"inbound", RECORD_WEBHOOK_EVENT},
    [TOPIC_OUTBOUND] = {"outbound", RECORD_SEND_COMMAND},
    [TOPIC_RESULTS] = {"results", RECORD_RESULT},
    [TOPIC_UPDATES] = {"updates", RECORD_UPDATE},
    [TOPIC_QUARANTINE] = {"quarantine", RECORD_QUARANTINED},
};

const char *topic_name(enum topic t)
{
    return topics[t].name;
}

enum record_type topic_record(enum topic t)
{
    return topics[t].record;
}

const char *record_name(enum record_type t)
{
    return record_tables[t].record;
}
