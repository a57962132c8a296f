-- runs with: 1
-- Times are Unix milliseconds, 0 for none.

-- Gateways. A number is part of the ids of requests: no two have the same.
CREATE TABLE node (
  id      text PRIMARY KEY,
  number  integer UNIQUE CHECK (number BETWEEN 0 AND 1023), -- NULL: given to another since
  name    text NOT NULL,
  version text NOT NULL,
  epoch   bigint NOT NULL, -- how often it has started
  started bigint NOT NULL,
  seen    bigint NOT NULL,
  fenced  bigint NOT NULL
);

-- What has changed how often, for watchers.
CREATE TABLE change (
  topic   text PRIMARY KEY,
  version bigint NOT NULL
);

CREATE TABLE key (
  id       text PRIMARY KEY,
  name     text NOT NULL,
  mac      bytea NOT NULL,
  org      text NOT NULL,
  project  text NOT NULL,
  team     text NOT NULL,
  "user"   text NOT NULL,
  env      text NOT NULL,
  roles    text NOT NULL, -- JSON
  attrs    text NOT NULL, -- JSON
  budgets  text NOT NULL, -- JSON
  created  bigint NOT NULL,
  expires  bigint NOT NULL,
  revoked  bigint NOT NULL,
  scope    text NOT NULL,  -- JSON
  previous bytea NOT NULL, -- mac of the secret before the one in use, empty: none
  until    bigint NOT NULL, -- previous counts
  rotated  bigint NOT NULL,
  used     bigint NOT NULL
);
CREATE UNIQUE INDEX key_live_name ON key (name) WHERE revoked = 0;

-- Credentials of providers that were given through the admin API.
CREATE TABLE credential (
  provider text NOT NULL,
  name     text NOT NULL,
  sealed   bytea NOT NULL,
  weight   integer NOT NULL,
  created  bigint NOT NULL,
  retires  bigint NOT NULL,
  PRIMARY KEY (provider, name)
);

-- What providers keep, and for whom.
CREATE TABLE kept (
  provider text NOT NULL,
  id       text NOT NULL, -- the provider's
  tenant   text NOT NULL,
  kind     text NOT NULL,
  created  bigint NOT NULL,
  PRIMARY KEY (provider, id)
);

-- WebAssembly modules: their code, their versions, which are in use, and how
-- they came to be.
CREATE TABLE module_code (
  sha256 text PRIMARY KEY, -- hexadecimal
  code   bytea NOT NULL
);

CREATE TABLE module_version (
  id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- the order in which they came
  kind     text NOT NULL,
  name     text NOT NULL,
  digest   text NOT NULL,
  label    text NOT NULL,
  sha256   text NOT NULL,
  tag      text NOT NULL,
  manifest bytea NOT NULL, -- JSON, empty: none
  config   bytea NOT NULL, -- JSON, empty: none
  signer   text NOT NULL,
  origin   text NOT NULL,
  state    text NOT NULL,
  report   bytea NOT NULL, -- JSON, empty: none
  proven   boolean NOT NULL,
  served   boolean NOT NULL,
  pushed   bigint NOT NULL,
  changed  bigint NOT NULL,
  UNIQUE (kind, name, digest)
);
CREATE INDEX module_version_code ON module_version (sha256);

CREATE TABLE module_lanes (
  kind     text NOT NULL,
  name     text NOT NULL,
  seed     text NOT NULL,
  active   text NOT NULL, -- digests, as all that follow
  previous text NOT NULL,
  canary   text NOT NULL,
  shadow   text NOT NULL,
  share    double precision NOT NULL,
  split_by text NOT NULL,
  guard    bytea NOT NULL, -- JSON, empty: none
  PRIMARY KEY (kind, name)
);

CREATE TABLE module_event (
  id    bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind  text NOT NULL,
  name  text NOT NULL,
  label text NOT NULL,
  time  bigint NOT NULL,
  what  text NOT NULL,
  who   text NOT NULL,
  why   text NOT NULL
);
CREATE INDEX module_event_name ON module_event (kind, name, id);

-- Pieces of configuration that are changed while gateways run.
CREATE TABLE document (
  kind     text NOT NULL,
  name     text NOT NULL,
  revision bigint NOT NULL, -- of this document, from 1; never used twice
  body     bytea NOT NULL,  -- JSON
  changed  bigint NOT NULL,
  PRIMARY KEY (kind, name)
);

-- The last revision of documents of a kind.
CREATE TABLE document_revision (
  kind text PRIMARY KEY,
  last bigint NOT NULL
);
