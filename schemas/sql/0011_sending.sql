-- SPDX-License-Identifier: Apache-2.0
-- What the senders share while they send: how fast, and whose claim an attempt is.

SET LOCAL ROLE postrider_owner;

ALTER TABLE send_attempts
    -- Of the claiming transaction: what it claimed is found again when nobody knows whether it committed.
    ADD COLUMN claim_id uuid,
    -- Why it ended so: the judgement's name (sent, rate_limited, retry, auth, window, permanent,
    -- ambiguous), late (given up before the call) or unclaimed (the claim was taken back).
    ADD COLUMN class    text;

-- Theoretical arrival times (GCRA) in microseconds since 1970, of an account (channel's id), a pair
-- ('pair:' and the conversation's id) or an app ('app:' and whose): slots before it are taken. Unlogged: a
-- crash of the database forgets them, and the providers' own limits hold meanwhile.
CREATE UNLOGGED TABLE send_pace (
    key    text PRIMARY KEY,
    tat_us bigint NOT NULL
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.1);
ALTER TABLE send_pace ENABLE ROW LEVEL SECURITY;
ALTER TABLE send_pace FORCE ROW LEVEL SECURITY;
CREATE POLICY sender ON send_pace TO postrider_sender USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE, DELETE ON send_pace TO postrider_sender;

RESET ROLE;
