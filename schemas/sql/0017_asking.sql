-- SPDX-License-Identifier: Apache-2.0
-- Uncertain messages are looked for in the provider's own list.

SET LOCAL ROLE postrider_owner;

ALTER TABLE send_attempts
    -- The provider is asked then whether it has the message; NULL: not, or not any more.
    ADD COLUMN ask_at timestamptz,
    ADD COLUMN asks   integer NOT NULL DEFAULT 0; -- how often it was asked

CREATE INDEX send_attempts_ask ON send_attempts (ask_at) WHERE ask_at IS NOT NULL;

RESET ROLE;
