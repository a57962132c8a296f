-- runs with: 1
-- Files that tenants have put with the gateway.
CREATE TABLE batch_file (
  seq     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id      TEXT NOT NULL UNIQUE,
  tenant  TEXT NOT NULL,
  name    TEXT NOT NULL,
  purpose TEXT NOT NULL,
  size    BIGINT NOT NULL,
  sha256  TEXT NOT NULL,
  created BIGINT NOT NULL, -- Unix ms
  expires BIGINT NOT NULL  -- Unix ms, 0: never
);
CREATE INDEX batch_file_tenant ON batch_file (tenant, seq);
CREATE INDEX batch_file_expires ON batch_file (expires) WHERE expires > 0;

-- Their bytes, 256 KiB to a row.
CREATE TABLE batch_part (
  file TEXT NOT NULL,
  n    INT NOT NULL,
  at   BIGINT NOT NULL, -- Unix ms
  data BYTEA NOT NULL,
  PRIMARY KEY (file, n)
);
ALTER TABLE batch_part ALTER COLUMN data SET STORAGE EXTERNAL;

-- Batches of requests.
CREATE TABLE batch (
  seq    BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  id     TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  input  TEXT NOT NULL, -- a file
  ended  BIGINT NOT NULL, -- Unix ms, 0: it is not over
  lines  BIGINT NOT NULL,
  done   BIGINT NOT NULL,
  failed BIGINT NOT NULL,
  cost   BIGINT NOT NULL, -- nano-dollars
  doc    BYTEA NOT NULL   -- JSON: the rest
);
CREATE INDEX batch_tenant ON batch (tenant, seq);
CREATE INDEX batch_ended ON batch (ended);
CREATE INDEX batch_input ON batch (input) WHERE ended = 0;

-- Their parts, each held by one worker at a time. Number -1 is what goes
-- before and after all lines.
CREATE TABLE batch_chunk (
  batch   TEXT NOT NULL,
  n       INT NOT NULL,
  first   BIGINT NOT NULL, -- line
  lines   BIGINT NOT NULL,
  from_at BIGINT NOT NULL, -- byte of the input file
  to_at   BIGINT NOT NULL,
  token   TEXT NOT NULL,   -- of who holds it
  node    TEXT NOT NULL,
  until   BIGINT NOT NULL, -- Unix ms
  done    INT NOT NULL,
  PRIMARY KEY (batch, n)
);

-- Their requests, from when each is about to be sent.
CREATE TABLE batch_line (
  batch TEXT NOT NULL,
  n     BIGINT NOT NULL,
  token TEXT NOT NULL,   -- of who sent it
  state INT NOT NULL,    -- 0 sent, 1 done, 2 failed
  out   BYTEA,           -- its line of the output
  cost  BIGINT NOT NULL, -- nano-dollars
  PRIMARY KEY (batch, n)
);
