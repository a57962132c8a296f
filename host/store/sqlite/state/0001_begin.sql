-- The bank: what of each budget is leased or spent.
CREATE TABLE bank (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  generation INTEGER NOT NULL,
  seq        INTEGER NOT NULL, -- of the last batch
  grants     TEXT NOT NULL     -- what it came to, as JSON
) STRICT;
INSERT INTO bank VALUES (1, abs(random() % 9223372036854775807) + 1, 0, '[]');

CREATE TABLE account (
  id           INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: pools refer to it
  scope        TEXT NOT NULL,
  window       TEXT NOT NULL,
  window_start INTEGER NOT NULL, -- Unix seconds
  window_end   INTEGER NOT NULL, -- Unix seconds
  granted      INTEGER NOT NULL, -- nano-dollars
  UNIQUE (scope, window, window_start)
) STRICT;
CREATE INDEX account_end ON account (window_end);

CREATE TABLE key (
  id      TEXT PRIMARY KEY,
  name    TEXT NOT NULL,
  mac     BLOB NOT NULL,
  org     TEXT NOT NULL,
  project TEXT NOT NULL,
  team    TEXT NOT NULL,
  user    TEXT NOT NULL,
  env     TEXT NOT NULL,
  roles   TEXT NOT NULL, -- JSON
  attrs   TEXT NOT NULL, -- JSON
  budgets TEXT NOT NULL, -- JSON
  created INTEGER NOT NULL, -- Unix ms, as all times here
  expires INTEGER NOT NULL, -- 0: never
  revoked INTEGER NOT NULL  -- 0: no
) STRICT;
CREATE UNIQUE INDEX key_live_name ON key (name) WHERE revoked = 0;

-- Credentials of providers that were given through the admin API.
CREATE TABLE credential (
  provider TEXT NOT NULL,
  name     TEXT NOT NULL,
  sealed   BLOB NOT NULL,
  weight   INTEGER NOT NULL,
  created  INTEGER NOT NULL,
  retires  INTEGER NOT NULL, -- 0: never
  PRIMARY KEY (provider, name)
) STRICT, WITHOUT ROWID;

-- What providers keep, and for whom.
CREATE TABLE kept (
  provider TEXT NOT NULL,
  id       TEXT NOT NULL, -- the provider's
  tenant   TEXT NOT NULL,
  kind     TEXT NOT NULL,
  created  INTEGER NOT NULL,
  PRIMARY KEY (provider, id)
) STRICT, WITHOUT ROWID;
