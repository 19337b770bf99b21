-- SPDX-License-Identifier: Apache-2.0
-- A bulk begins conversations, and a conversation that was begun by us may turn out to be one that is
-- there: what hangs on it goes with it.

SET LOCAL ROLE postrider_owner;

CREATE POLICY sender ON conversation_search TO postrider_sender USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON conversation_search TO postrider_sender;
CREATE POLICY router ON notes TO postrider_router USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE ON notes TO postrider_router;

RESET ROLE;
