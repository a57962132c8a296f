-- Files that tenants have put with the gateway; their bytes lie beside.
CREATE TABLE batch_file (
  seq     INTEGER PRIMARY KEY AUTOINCREMENT,
  id      TEXT NOT NULL UNIQUE,
  tenant  TEXT NOT NULL,
  name    TEXT NOT NULL,
  purpose TEXT NOT NULL,
  size    INTEGER NOT NULL,
  sha256  TEXT NOT NULL,
  created INTEGER NOT NULL, -- Unix ms
  expires INTEGER NOT NULL  -- Unix ms, 0: never
) STRICT;
CREATE INDEX batch_file_tenant ON batch_file (tenant, seq);
CREATE INDEX batch_file_expires ON batch_file (expires) WHERE expires > 0;

-- Batches of requests.
CREATE TABLE batch (
  seq    INTEGER PRIMARY KEY AUTOINCREMENT,
  id     TEXT NOT NULL UNIQUE,
  tenant TEXT NOT NULL,
  input  TEXT NOT NULL, -- a file
  ended  INTEGER NOT NULL, -- Unix ms, 0: it is not over
  lines  INTEGER NOT NULL,
  done   INTEGER NOT NULL,
  failed INTEGER NOT NULL,
  cost   INTEGER NOT NULL, -- nano-dollars
  doc    BLOB NOT NULL     -- JSON: the rest
) STRICT;
CREATE INDEX batch_tenant ON batch (tenant, seq);
CREATE INDEX batch_ended ON batch (ended);
CREATE INDEX batch_input ON batch (input) WHERE ended = 0;

-- Their parts, each held by one worker at a time. Number -1 is what goes
-- before and after all lines.
CREATE TABLE batch_chunk (
  batch   TEXT NOT NULL,
  n       INTEGER NOT NULL,
  first   INTEGER NOT NULL, -- line
  lines   INTEGER NOT NULL,
  from_at INTEGER NOT NULL, -- byte of the input file
  to_at   INTEGER NOT NULL,
  token   TEXT NOT NULL,    -- of who holds it
  node    TEXT NOT NULL,
  until   INTEGER NOT NULL, -- Unix ms
  done    INTEGER NOT NULL,
  PRIMARY KEY (batch, n)
) STRICT, WITHOUT ROWID;

-- Their requests, from when each is about to be sent.
CREATE TABLE batch_line (
  batch TEXT NOT NULL,
  n     INTEGER NOT NULL,
  token TEXT NOT NULL,    -- of who sent it
  state INTEGER NOT NULL, -- 0 sent, 1 done, 2 failed
  out   BLOB,             -- its line of the output
  cost  INTEGER NOT NULL, -- nano-dollars
  PRIMARY KEY (batch, n)
) STRICT;
