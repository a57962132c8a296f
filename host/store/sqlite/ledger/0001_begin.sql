-- How far the journal has been folded in.
CREATE TABLE mark (
  id      INTEGER PRIMARY KEY CHECK (id = 1),
  journal INTEGER NOT NULL
) STRICT;
INSERT INTO mark VALUES (1, 0);

-- What rows of the ledger share is kept once.
CREATE TABLE principal (
  id       INTEGER PRIMARY KEY,
  key_id   TEXT NOT NULL,
  key_name TEXT NOT NULL,
  org      TEXT NOT NULL,
  project  TEXT NOT NULL,
  team     TEXT NOT NULL,
  user     TEXT NOT NULL,
  UNIQUE (key_id, key_name, org, project, team, user)
) STRICT;

CREATE TABLE flow (
  id      INTEGER PRIMARY KEY,
  op      TEXT NOT NULL,
  dialect TEXT NOT NULL,
  stream  INTEGER NOT NULL,
  asked   TEXT NOT NULL, -- the model name that the caller used
  target  TEXT NOT NULL, -- provider/model
  route   TEXT NOT NULL, -- module@version
  policy  TEXT NOT NULL, -- bundle revision
  origin  TEXT NOT NULL, -- what made the request, "": a caller did
  cached  TEXT NOT NULL, -- whose answer it was given, "": its own
  UNIQUE (asked, target, route, policy, op, dialect, stream, origin, cached)
) STRICT;

CREATE TABLE outcome (
  id         INTEGER PRIMARY KEY,
  status     INTEGER NOT NULL,
  class      TEXT NOT NULL,
  code       TEXT NOT NULL,
  provenance TEXT NOT NULL, -- of the cost
  UNIQUE (status, class, code, provenance)
) STRICT;

CREATE TABLE request (
  id             INTEGER PRIMARY KEY, -- grows with time
  principal      INTEGER NOT NULL,
  flow           INTEGER NOT NULL,
  outcome        INTEGER NOT NULL,
  duration_us    INTEGER NOT NULL,
  overhead_us    INTEGER NOT NULL,
  ttft_us        INTEGER NOT NULL,
  input          INTEGER NOT NULL,
  cache_read     INTEGER NOT NULL,
  cache_write_5m INTEGER NOT NULL,
  cache_write_1h INTEGER NOT NULL,
  output         INTEGER NOT NULL,
  reasoning      INTEGER NOT NULL,
  cost           INTEGER NOT NULL, -- nano-dollars
  reserved       INTEGER NOT NULL, -- nano-dollars
  units          TEXT,             -- JSON, what it used beside text tokens
  attempts       TEXT              -- JSON, when there was more than one
) STRICT;

-- Sums per hour, kept in the transaction that adds the requests.
CREATE TABLE usage (
  hour           INTEGER NOT NULL, -- since 1970, UTC
  principal      INTEGER NOT NULL,
  target         TEXT NOT NULL,
  requests       INTEGER NOT NULL,
  errors         INTEGER NOT NULL,
  input          INTEGER NOT NULL,
  cache_read     INTEGER NOT NULL,
  cache_write_5m INTEGER NOT NULL,
  cache_write_1h INTEGER NOT NULL,
  output         INTEGER NOT NULL,
  reasoning      INTEGER NOT NULL,
  cost           INTEGER NOT NULL,
  PRIMARY KEY (hour, principal, target)
) STRICT, WITHOUT ROWID;

-- What requests of an hour used beside text tokens.
CREATE TABLE usage_unit (
  hour      INTEGER NOT NULL,
  principal INTEGER NOT NULL,
  target    TEXT NOT NULL,
  unit      INTEGER NOT NULL, -- index of the bucket
  amount    INTEGER NOT NULL,
  PRIMARY KEY (hour, principal, target, unit)
) STRICT, WITHOUT ROWID;

-- The ledger as people read it.
CREATE VIEW ledger AS
SELECT r.id,
       strftime('%Y-%m-%dT%H:%M:%fZ', ((r.id >> 22) + 1767225600000) / 1000.0, 'unixepoch') AS time,
       p.key_id, p.key_name, p.org, p.project, p.team, p.user,
       f.op, f.dialect, f.stream, f.asked, f.target, f.route, f.policy,
       o.status, o.class, o.code, o.provenance,
       r.duration_us, r.overhead_us, r.ttft_us,
       r.input, r.cache_read, r.cache_write_5m, r.cache_write_1h, r.output, r.reasoning,
       r.cost, r.reserved, r.units, r.attempts
FROM request r
JOIN principal p ON p.id = r.principal
JOIN flow f ON f.id = r.flow
JOIN outcome o ON o.id = r.outcome;
