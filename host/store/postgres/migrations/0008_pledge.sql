-- runs with: 1
-- Reservations that outlive the process which made them.
CREATE TABLE pledge (
  id       bigint PRIMARY KEY, -- of the reservation
  owner    text NOT NULL,
  parts    text NOT NULL,      -- JSON, '': it was redeemed before it was put
  at       bigint NOT NULL,    -- Unix ms
  redeemed boolean NOT NULL
);
CREATE INDEX pledge_open ON pledge (id) WHERE NOT redeemed;
