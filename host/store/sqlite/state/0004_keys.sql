-- What a key may be used for, the secret before the one in use, and when it
-- was used last.
ALTER TABLE key ADD COLUMN scope    TEXT NOT NULL DEFAULT 'null'; -- JSON
ALTER TABLE key ADD COLUMN previous BLOB NOT NULL DEFAULT x'';    -- mac
ALTER TABLE key ADD COLUMN until    INTEGER NOT NULL DEFAULT 0;   -- previous counts
ALTER TABLE key ADD COLUMN rotated  INTEGER NOT NULL DEFAULT 0;
ALTER TABLE key ADD COLUMN used     INTEGER NOT NULL DEFAULT 0;
