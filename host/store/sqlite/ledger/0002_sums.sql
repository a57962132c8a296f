-- A row may stand for several requests, where rows were left out; of callers
-- who showed no valid key it has the address.
ALTER TABLE request ADD COLUMN count INTEGER NOT NULL DEFAULT 1;
ALTER TABLE request ADD COLUMN address TEXT;

-- The request that made this one, and what a cache has spared, in nano-dollars.
ALTER TABLE request ADD COLUMN parent INTEGER;
ALTER TABLE request ADD COLUMN saved INTEGER NOT NULL DEFAULT 0;
CREATE INDEX request_parent ON request (parent) WHERE parent IS NOT NULL;

-- Sums per hour and, of the time before that, per day. What they are kept by
-- is all that rows of requests share.
DROP VIEW ledger;
DROP TABLE usage;
DROP TABLE usage_unit;

CREATE TABLE hour (
  hour             INTEGER NOT NULL, -- since 1970, UTC
  principal        INTEGER NOT NULL,
  flow             INTEGER NOT NULL,
  outcome          INTEGER NOT NULL,
  requests         INTEGER NOT NULL,
  cost             INTEGER NOT NULL,
  saved            INTEGER NOT NULL,
  input            INTEGER NOT NULL,
  cache_read       INTEGER NOT NULL,
  cache_write_5m   INTEGER NOT NULL,
  cache_write_1h   INTEGER NOT NULL,
  output           INTEGER NOT NULL,
  reasoning        INTEGER NOT NULL,
  audio_input      INTEGER NOT NULL DEFAULT 0,
  audio_output     INTEGER NOT NULL DEFAULT 0,
  image_input      INTEGER NOT NULL DEFAULT 0,
  image_output     INTEGER NOT NULL DEFAULT 0,
  cache_read_audio INTEGER NOT NULL DEFAULT 0,
  cache_read_image INTEGER NOT NULL DEFAULT 0,
  characters       INTEGER NOT NULL DEFAULT 0,
  millis           INTEGER NOT NULL DEFAULT 0,
  images           INTEGER NOT NULL DEFAULT 0,
  pages            INTEGER NOT NULL DEFAULT 0,
  searches         INTEGER NOT NULL DEFAULT 0,
  reported_cost    INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (hour, principal, flow, outcome)
) STRICT, WITHOUT ROWID;

CREATE TABLE day (
  day              INTEGER NOT NULL, -- since 1970, UTC
  principal        INTEGER NOT NULL,
  flow             INTEGER NOT NULL,
  outcome          INTEGER NOT NULL,
  requests         INTEGER NOT NULL,
  cost             INTEGER NOT NULL,
  saved            INTEGER NOT NULL,
  input            INTEGER NOT NULL,
  cache_read       INTEGER NOT NULL,
  cache_write_5m   INTEGER NOT NULL,
  cache_write_1h   INTEGER NOT NULL,
  output           INTEGER NOT NULL,
  reasoning        INTEGER NOT NULL,
  audio_input      INTEGER NOT NULL,
  audio_output     INTEGER NOT NULL,
  image_input      INTEGER NOT NULL,
  image_output     INTEGER NOT NULL,
  cache_read_audio INTEGER NOT NULL,
  cache_read_image INTEGER NOT NULL,
  characters       INTEGER NOT NULL,
  millis           INTEGER NOT NULL,
  images           INTEGER NOT NULL,
  pages            INTEGER NOT NULL,
  searches         INTEGER NOT NULL,
  reported_cost    INTEGER NOT NULL,
  PRIMARY KEY (day, principal, flow, outcome)
) STRICT, WITHOUT ROWID;

INSERT INTO hour
SELECT ((id >> 22) / 1000 + 1767225600) / 3600, principal, flow, outcome, count(*), sum(cost), 0,
       sum(input), sum(cache_read), sum(cache_write_5m), sum(cache_write_1h), sum(output), sum(reasoning),
       sum(coalesce(units ->> 'audio_input', 0)), sum(coalesce(units ->> 'audio_output', 0)),
       sum(coalesce(units ->> 'image_input', 0)), sum(coalesce(units ->> 'image_output', 0)),
       sum(coalesce(units ->> 'cache_read_audio', 0)), sum(coalesce(units ->> 'cache_read_image', 0)),
       sum(coalesce(units ->> 'characters', 0)), sum(coalesce(units ->> 'millis', 0)), sum(coalesce(units ->> 'images', 0)),
       sum(coalesce(units ->> 'pages', 0)), sum(coalesce(units ->> 'searches', 0)), sum(coalesce(units ->> 'reported_cost', 0))
FROM request GROUP BY 1, 2, 3, 4;

-- From when on rows of requests and sums of hours are there, in Unix seconds.
CREATE TABLE kept (
  id       INTEGER PRIMARY KEY CHECK (id = 1),
  requests INTEGER NOT NULL,
  hours    INTEGER NOT NULL
) STRICT;
INSERT INTO kept VALUES (1, 0, 0);

-- The ledger as people read it.
CREATE VIEW ledger AS
SELECT r.id,
       strftime('%Y-%m-%dT%H:%M:%fZ', ((r.id >> 22) + 1767225600000) / 1000.0, 'unixepoch') AS time, r.count,
       p.key_id, p.key_name, p.org, p.project, p.team, p.user,
       f.op, f.dialect, f.stream, f.asked, f.target, f.route, f.policy, f.origin, f.cached,
       o.status, o.class, o.code, o.provenance, r.address,
       r.duration_us, r.overhead_us, r.ttft_us,
       r.input, r.cache_read, r.cache_write_5m, r.cache_write_1h, r.output, r.reasoning,
       r.cost, r.reserved, r.saved, r.parent, r.units, r.attempts
FROM request r
JOIN principal p ON p.id = r.principal
JOIN flow f ON f.id = r.flow
JOIN outcome o ON o.id = r.outcome;
