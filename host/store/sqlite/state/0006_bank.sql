-- What the node has of an account beside what it has spent, and the limit, as
-- the last batch told.
ALTER TABLE account ADD COLUMN max INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN held INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN reserved INTEGER NOT NULL DEFAULT 0;
