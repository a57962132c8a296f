-- runs with: 1
-- How far each node's journal has been folded in, and the highest id of its rows.
CREATE TABLE ledger_mark (
  node    text PRIMARY KEY,
  journal bigint NOT NULL,
  last    bigint NOT NULL
);

-- What rows of the ledger share is kept once.
CREATE TABLE principal (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  key_id   text NOT NULL,
  key_name text NOT NULL,
  org      text NOT NULL,
  project  text NOT NULL,
  team     text NOT NULL,
  "user"   text NOT NULL,
  UNIQUE (key_id, key_name, org, project, team, "user")
);

CREATE TABLE flow (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  op      text NOT NULL,
  dialect text NOT NULL,
  stream  bigint NOT NULL,
  asked   text NOT NULL, -- the model name that the caller used
  target  text NOT NULL, -- provider/model
  route   text NOT NULL, -- module@version
  policy  text NOT NULL, -- bundle revision
  origin  text NOT NULL, -- what made the request, "": a caller did
  cached  text NOT NULL, -- whose answer it was given, "": its own
  UNIQUE (op, dialect, stream, asked, target, route, policy, origin, cached)
);

CREATE TABLE outcome (
  id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  status     bigint NOT NULL,
  class      text NOT NULL,
  code       text NOT NULL,
  provenance text NOT NULL, -- of the cost
  UNIQUE (status, class, code, provenance)
);

-- Requests, in a partition for each day (UTC): what is too old is dropped whole.
CREATE TABLE request (
  id             bigint NOT NULL, -- grows with time
  principal      bigint NOT NULL,
  flow           bigint NOT NULL,
  outcome        bigint NOT NULL,
  duration_us    bigint NOT NULL,
  overhead_us    bigint NOT NULL,
  ttft_us        bigint NOT NULL,
  input          bigint NOT NULL,
  cache_read     bigint NOT NULL,
  cache_write_5m bigint NOT NULL,
  cache_write_1h bigint NOT NULL,
  output         bigint NOT NULL,
  reasoning      bigint NOT NULL,
  cost           bigint NOT NULL, -- nano-dollars
  reserved       bigint NOT NULL, -- nano-dollars
  count          bigint NOT NULL, -- requests that the row stands for
  units          text,            -- JSON, what it used beside text tokens
  attempts       text,            -- JSON, when there was more than one
  address        text,            -- of a caller who showed no valid key
  saved          bigint NOT NULL, -- nano-dollars that a cache has spared
  parent         bigint,          -- the request that made this one
  PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX request_parent ON request (parent) WHERE parent IS NOT NULL;

-- Sums per hour and, of the time before that, per day, kept in the transaction
-- that adds the requests. Those of an hour are by node: no node ever waits for
-- another's transaction.
CREATE TABLE hour (
  hour             bigint NOT NULL, -- since 1970, UTC
  principal        bigint NOT NULL,
  flow             bigint NOT NULL,
  outcome          bigint NOT NULL,
  node             bigint NOT NULL,
  requests         bigint NOT NULL,
  cost             bigint NOT NULL,
  saved            bigint NOT NULL,
  input            bigint NOT NULL,
  cache_read       bigint NOT NULL,
  cache_write_5m   bigint NOT NULL,
  cache_write_1h   bigint NOT NULL,
  output           bigint NOT NULL,
  reasoning        bigint NOT NULL,
  audio_input      bigint NOT NULL,
  audio_output     bigint NOT NULL,
  image_input      bigint NOT NULL,
  image_output     bigint NOT NULL,
  cache_read_audio bigint NOT NULL,
  cache_read_image bigint NOT NULL,
  characters       bigint NOT NULL,
  millis           bigint NOT NULL,
  images           bigint NOT NULL,
  pages            bigint NOT NULL,
  searches         bigint NOT NULL,
  reported_cost    bigint NOT NULL,
  PRIMARY KEY (hour, principal, flow, outcome, node)
) WITH (fillfactor = 60); -- so that what a batch adds stays on its page

CREATE TABLE day (
  day              bigint NOT NULL, -- since 1970, UTC
  principal        bigint NOT NULL,
  flow             bigint NOT NULL,
  outcome          bigint NOT NULL,
  requests         bigint NOT NULL,
  cost             bigint NOT NULL,
  saved            bigint NOT NULL,
  input            bigint NOT NULL,
  cache_read       bigint NOT NULL,
  cache_write_5m   bigint NOT NULL,
  cache_write_1h   bigint NOT NULL,
  output           bigint NOT NULL,
  reasoning        bigint NOT NULL,
  audio_input      bigint NOT NULL,
  audio_output     bigint NOT NULL,
  image_input      bigint NOT NULL,
  image_output     bigint NOT NULL,
  cache_read_audio bigint NOT NULL,
  cache_read_image bigint NOT NULL,
  characters       bigint NOT NULL,
  millis           bigint NOT NULL,
  images           bigint NOT NULL,
  pages            bigint NOT NULL,
  searches         bigint NOT NULL,
  reported_cost    bigint NOT NULL,
  PRIMARY KEY (day, principal, flow, outcome)
);

-- From when on rows of requests and sums of hours are there, in Unix seconds.
CREATE TABLE ledger_kept (
  id       bigint PRIMARY KEY CHECK (id = 1),
  requests bigint NOT NULL,
  hours    bigint NOT NULL
);
INSERT INTO ledger_kept VALUES (1, 0, 0);

-- The ledger as people read it.
CREATE VIEW ledger AS
SELECT r.id, to_timestamp(((r.id >> 22) + 1767225600000) / 1000.0) AS time, r.count,
       p.key_id, p.key_name, p.org, p.project, p.team, p."user",
       f.op, f.dialect, f.stream, f.asked, f.target, f.route, f.policy, f.origin, f.cached,
       o.status, o.class, o.code, o.provenance, r.address,
       r.duration_us, r.overhead_us, r.ttft_us,
       r.input, r.cache_read, r.cache_write_5m, r.cache_write_1h, r.output, r.reasoning,
       r.cost, r.reserved, r.saved, r.parent, r.units, r.attempts
FROM request r
JOIN principal p ON p.id = r.principal
JOIN flow f ON f.id = r.flow
JOIN outcome o ON o.id = r.outcome;
