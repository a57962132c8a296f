-- runs with: 1
-- Answers under what was meant by their requests. They may be lost.
CREATE UNLOGGED TABLE cache_meaning (
  id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  part    BYTEA NOT NULL,
  key     BYTEA NOT NULL,
  tenant  TEXT NOT NULL,
  model   TEXT NOT NULL,
  made    BIGINT NOT NULL, -- Unix ms
  expires BIGINT NOT NULL, -- Unix ms
  vector  REAL[] NOT NULL, -- of length 1
  sealed  BYTEA NOT NULL
);
CREATE INDEX cache_meaning_part ON cache_meaning (part, id);
CREATE INDEX cache_meaning_expires ON cache_meaning (expires);
