-- runs with: 1
-- What people are told of, each once.
CREATE TABLE alert (
  id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  kind         TEXT NOT NULL,
  scope        TEXT NOT NULL,
  span         TEXT NOT NULL,   -- the window
  window_start BIGINT NOT NULL, -- Unix seconds
  window_end   BIGINT NOT NULL, -- Unix seconds
  mark         TEXT NOT NULL,
  time         BIGINT NOT NULL, -- Unix ms
  body         BYTEA NOT NULL,  -- JSON
  UNIQUE (kind, scope, span, window_start, mark)
);
CREATE INDEX alert_end ON alert (window_end);

-- What is on its way to whom.
CREATE TABLE delivery (
  id       BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  alert    BIGINT NOT NULL REFERENCES alert (id),
  receiver TEXT NOT NULL,
  tries    INT NOT NULL,
  next     BIGINT NOT NULL, -- Unix ms, 0: never again
  done     BIGINT NOT NULL, -- Unix ms, 0: it has not arrived
  err      TEXT NOT NULL
);
CREATE INDEX delivery_next ON delivery (next) WHERE next > 0;
CREATE INDEX delivery_alert ON delivery (alert);
