-- Pieces of configuration that are changed while gateways run.
CREATE TABLE document (
  kind     TEXT NOT NULL,
  name     TEXT NOT NULL,
  revision INTEGER NOT NULL, -- of this document, from 1; never used twice
  body     BLOB NOT NULL,    -- JSON
  changed  INTEGER NOT NULL, -- Unix ms
  PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

-- The last revision of documents of a kind.
CREATE TABLE document_revision (
  kind TEXT PRIMARY KEY,
  last INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
