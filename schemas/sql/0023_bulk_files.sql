-- SPDX-License-Identifier: Apache-2.0
-- A bulk's messages show their files as others do.

SET LOCAL ROLE postrider_owner;

GRANT INSERT ON attachments TO postrider_sender;

RESET ROLE;
