-- WebAssembly modules: their code, their versions, which are in use, and how
-- they came to be.
CREATE TABLE module_code (
  sha256 TEXT PRIMARY KEY, -- hexadecimal
  code   BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE module_version (
  id       INTEGER PRIMARY KEY AUTOINCREMENT, -- the order in which they came
  kind     TEXT NOT NULL,
  name     TEXT NOT NULL,
  digest   TEXT NOT NULL,
  label    TEXT NOT NULL,
  sha256   TEXT NOT NULL,
  tag      TEXT NOT NULL,
  manifest BLOB NOT NULL, -- JSON, empty: none
  config   BLOB NOT NULL, -- JSON, empty: none
  signer   TEXT NOT NULL,
  origin   TEXT NOT NULL,
  state    TEXT NOT NULL,
  report   BLOB NOT NULL, -- JSON, empty: none
  proven   INTEGER NOT NULL,
  served   INTEGER NOT NULL,
  pushed   INTEGER NOT NULL, -- Unix ms
  changed  INTEGER NOT NULL, -- Unix ms
  UNIQUE (kind, name, digest)
) STRICT;
CREATE INDEX module_version_code ON module_version (sha256);

CREATE TABLE module_lanes (
  kind     TEXT NOT NULL,
  name     TEXT NOT NULL,
  seed     TEXT NOT NULL,
  active   TEXT NOT NULL, -- digests, as all that follow
  previous TEXT NOT NULL,
  canary   TEXT NOT NULL,
  shadow   TEXT NOT NULL,
  share    REAL NOT NULL,
  split_by TEXT NOT NULL,
  guard    BLOB NOT NULL, -- JSON, empty: none
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE module_event (
  id    INTEGER PRIMARY KEY AUTOINCREMENT,
  kind  TEXT NOT NULL,
  name  TEXT NOT NULL,
  label TEXT NOT NULL,
  time  INTEGER NOT NULL, -- Unix ms
  what  TEXT NOT NULL,
  who   TEXT NOT NULL,
  why   TEXT NOT NULL
) STRICT;
CREATE INDEX module_event_name ON module_event (kind, name);
