-- What people are told of, each once.
CREATE TABLE alert (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  kind         TEXT NOT NULL,
  scope        TEXT NOT NULL,
  window       TEXT NOT NULL,
  window_start INTEGER NOT NULL, -- Unix seconds
  window_end   INTEGER NOT NULL, -- Unix seconds
  mark         TEXT NOT NULL,
  time         INTEGER NOT NULL, -- Unix ms
  body         BLOB NOT NULL,    -- JSON
  UNIQUE (kind, scope, window, window_start, mark)
) STRICT;
CREATE INDEX alert_end ON alert (window_end);

-- What is on its way to whom.
CREATE TABLE delivery (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  alert    INTEGER NOT NULL REFERENCES alert (id),
  receiver TEXT NOT NULL,
  tries    INTEGER NOT NULL,
  next     INTEGER NOT NULL, -- Unix ms, 0: never again
  done     INTEGER NOT NULL, -- Unix ms, 0: it has not arrived
  err      TEXT NOT NULL
) STRICT;
CREATE INDEX delivery_next ON delivery (next) WHERE next > 0;
CREATE INDEX delivery_alert ON delivery (alert);
