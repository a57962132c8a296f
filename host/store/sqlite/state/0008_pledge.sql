-- Reservations that outlive the process which made them.
CREATE TABLE pledge (
  id       INTEGER PRIMARY KEY, -- of the reservation
  owner    TEXT NOT NULL,
  parts    TEXT NOT NULL,       -- JSON, '': it was redeemed before it was put
  at       INTEGER NOT NULL,    -- Unix ms
  redeemed INTEGER NOT NULL
) STRICT;
