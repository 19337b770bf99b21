-- SPDX-License-Identifier: Apache-2.0
-- A bulk finds each person's conversation by an index, not by reading all of the channel's.

SET LOCAL ROLE postrider_owner;

CREATE INDEX conversations_contact ON conversations (tenant_id, channel_id, contact_id) WHERE NOT is_group;

RESET ROLE;
