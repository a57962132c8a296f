-- runs with: 1
-- The audit log: a chain of hashes, one for all nodes.
CREATE TABLE audit (
  seq  BIGINT PRIMARY KEY,
  time BIGINT NOT NULL, -- Unix ms, that of the body
  body BYTEA NOT NULL,  -- JSON; it names seq and the hash before
  hash BYTEA NOT NULL   -- SHA-256 of the body
);
CREATE INDEX audit_time ON audit (time);

CREATE TABLE audit_head (
  id   INT PRIMARY KEY CHECK (id = 1),
  seq  BIGINT NOT NULL,
  hash BYTEA NOT NULL,
  mac  BYTEA NOT NULL
);

CREATE TABLE audit_anchor (
  seq  BIGINT NOT NULL,
  cut  BOOLEAN NOT NULL, -- the rows up to it were removed
  time BIGINT NOT NULL,  -- Unix ms
  hash BYTEA NOT NULL,
  mac  BYTEA NOT NULL,
  PRIMARY KEY (seq, cut)
);
