-- When an object was named last, 0: not since it was made.
ALTER TABLE kept ADD COLUMN used INTEGER NOT NULL DEFAULT 0;
CREATE INDEX kept_last ON kept (max(created, used));
CREATE INDEX pledge_over ON pledge (at) WHERE redeemed = 1;
