-- The audit log: a chain of hashes.
CREATE TABLE audit (
  seq  INTEGER PRIMARY KEY,
  time INTEGER NOT NULL, -- Unix ms, that of the body
  body BLOB NOT NULL,    -- JSON; it names seq and the hash before
  hash BLOB NOT NULL     -- SHA-256 of the body
) STRICT;
CREATE INDEX audit_time ON audit (time);

CREATE TABLE audit_head (
  id   INTEGER PRIMARY KEY CHECK (id = 1),
  seq  INTEGER NOT NULL,
  hash BLOB NOT NULL,
  mac  BLOB NOT NULL
) STRICT;

CREATE TABLE audit_anchor (
  seq  INTEGER NOT NULL,
  cut  INTEGER NOT NULL, -- 1: the rows up to it were removed
  time INTEGER NOT NULL, -- Unix ms
  hash BLOB NOT NULL,
  mac  BLOB NOT NULL,
  PRIMARY KEY (seq, cut)
) STRICT, WITHOUT ROWID;
