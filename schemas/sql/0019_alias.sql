-- SPDX-License-Identifier: Apache-2.0
-- Some providers name a message by an id of their own and, where it is answered, by the network's.

SET LOCAL ROLE postrider_owner;

ALTER TABLE messages
    ADD COLUMN external_alias text; -- the network's own id of the same message

-- By a hash, because both are as long as the provider likes.
CREATE INDEX messages_alias ON messages (tenant_id, channel_id, hashtextextended(external_alias, 0))
    WHERE external_alias IS NOT NULL;
CREATE INDEX messages_replies ON messages (tenant_id, channel_id, hashtextextended(reply_to, 0))
    WHERE reply_to IS NOT NULL;

RESET ROLE;
