-- runs with: 1
-- The time, in Unix milliseconds, by the one clock that all nodes share.
CREATE FUNCTION now_ms() RETURNS bigint LANGUAGE sql AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint';

-- The bank: what of each budget is leased to which node, or spent.
CREATE TABLE bank (
  id         integer PRIMARY KEY CHECK (id = 1),
  generation bigint NOT NULL
);
INSERT INTO bank VALUES (1, (random() * 9e18)::bigint + 1);

-- Where it stands with a node.
CREATE TABLE bank_node (
  node   text PRIMARY KEY,
  seq    bigint NOT NULL, -- of its last batch
  grants text NOT NULL,   -- what that came to, as JSON
  seen   bigint NOT NULL
);

CREATE TABLE account (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- never used twice: pools refer to it
  scope        text NOT NULL,
  "window"     text NOT NULL,
  window_start bigint NOT NULL, -- Unix seconds
  window_end   bigint NOT NULL, -- Unix seconds
  granted      bigint NOT NULL, -- nano-dollars, tokens or requests
  max          bigint NOT NULL, -- the limit, as it was asked for last
  UNIQUE (scope, "window", window_start)
) WITH (fillfactor = 50);
CREATE INDEX account_end ON account (window_end);

-- What nodes have of accounts beside what they have spent, as they told last.
CREATE TABLE lease (
  node     text NOT NULL,
  account  bigint NOT NULL REFERENCES account ON DELETE CASCADE,
  held     bigint NOT NULL, -- not reserved
  reserved bigint NOT NULL, -- by running requests
  PRIMARY KEY (node, account)
) WITH (fillfactor = 50);
CREATE INDEX lease_account ON lease (account);

-- Nodes that were refused while others held something. Losing it does no harm.
CREATE UNLOGGED TABLE bank_want (
  account bigint PRIMARY KEY,
  node    text NOT NULL,
  at      bigint NOT NULL
);

-- bank_apply carries out the ops of a node's batch p_seq. The last batch may
-- come again: it comes to what it came to before. Rows are locked in the order
-- of their ids, after those that are made, which are in the order of their
-- names; windows that roll are locked as a whole, before either.
CREATE FUNCTION bank_apply(p_node text, p_epoch bigint, p_generation bigint, p_seq bigint, rows bigint[], scopes text[], windows text[],
  starts bigint[], ends bigint[], froms bigint[], maxes bigint[], returns bigint[], needs bigint[], leasts bigint[], wants bigint[],
  helds bigint[], reserveds bigint[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  at_ms   bigint := now_ms();
  me      node%ROWTYPE;
  stand   bank_node%ROWTYPE;
  ids     bigint[] := '{}';
  list    jsonb[] := '{}';
  live    bigint;
  h       bigint;
  acc     bigint;
  g       bigint;
  before  bigint;
  left_n  bigint;
  amount  bigint;
  o_held  bigint;
  o_res   bigint;
  wanted  boolean;
BEGIN
  SELECT * INTO stand FROM bank_node WHERE node = p_node FOR UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'the bank does not know the node' USING ERRCODE = 'SB001';
  END IF;
  SELECT * INTO me FROM node WHERE id = p_node;
  IF me.fenced <> 0 THEN
    RAISE EXCEPTION 'the node is fenced' USING ERRCODE = 'SB002';
  END IF;
  IF me.epoch <> p_epoch THEN
    RAISE EXCEPTION 'another process has started as this node' USING ERRCODE = 'SB003';
  END IF;
  IF p_generation <> (SELECT generation FROM bank) THEN
    RAISE EXCEPTION 'it is another bank' USING ERRCODE = 'SB001';
  END IF;
  IF p_seq = stand.seq AND jsonb_array_length(stand.grants::jsonb) = cardinality(rows) THEN
    RETURN stand.grants;
  END IF;
  IF p_seq <> stand.seq + 1 THEN
    RAISE EXCEPTION 'batch % after %', p_seq, stand.seq USING ERRCODE = 'SB001';
  END IF;
  IF current_setting('synchronous_commit') = 'off' THEN
    PERFORM set_config('synchronous_commit', 'on', true);
  END IF;
  SELECT greatest(count(*), 1) INTO live FROM bank_node WHERE seen > at_ms - 60000;

  FOR h IN SELECT DISTINCT hashtextextended(s || ' ' || w, 0) FROM unnest(scopes, windows, starts, froms) AS o(s, w, st, f) WHERE f <> st ORDER BY 1 LOOP
    PERFORM pg_advisory_xact_lock(h);
  END LOOP;
  IF 0 = ANY (rows) THEN
    INSERT INTO account (scope, "window", window_start, window_end, granted, max)
      SELECT DISTINCT s, w, st, e, 0, 0 FROM unnest(rows, scopes, windows, starts, ends) AS o(r, s, w, st, e)
      WHERE r = 0 AND NOT EXISTS (SELECT 1 FROM account a WHERE a.scope = s AND a."window" = w AND a.window_start = st)
      ORDER BY 1, 2, 3 ON CONFLICT DO NOTHING;
  END IF;
  FOR i IN 1 .. cardinality(rows) LOOP
    acc := NULL;
    IF rows[i] <> 0 THEN
      SELECT id INTO acc FROM account WHERE id = rows[i];
    ELSE
      SELECT id INTO acc FROM account WHERE scope = scopes[i] AND "window" = windows[i] AND window_start = starts[i];
    END IF;
    ids := ids || acc;
  END LOOP;
  PERFORM 1 FROM account WHERE id = ANY (ids) ORDER BY id FOR UPDATE;

  FOR i IN 1 .. cardinality(rows) LOOP
    acc := ids[i];
    SELECT granted INTO g FROM account WHERE id = acc;
    IF NOT FOUND THEN -- long forgotten
      list := list || jsonb_build_object('Row', rows[i]);
      CONTINUE;
    END IF;
    g := g - returns[i];
    before := 0;
    IF froms[i] <> starts[i] THEN
      SELECT coalesce(sum(a.granted), 0) INTO before FROM account a
        WHERE a.scope = scopes[i] AND a."window" = windows[i] AND a.window_start >= froms[i] AND a.id <> acc;
      SELECT coalesce(sum(l.held), 0), coalesce(sum(l.reserved), 0) INTO o_held, o_res FROM lease l JOIN account a ON a.id = l.account
        WHERE a.scope = scopes[i] AND a."window" = windows[i] AND a.window_start >= froms[i] AND l.node <> p_node;
    ELSE
      SELECT coalesce(sum(l.held), 0), coalesce(sum(l.reserved), 0) INTO o_held, o_res FROM lease l WHERE l.account = acc AND l.node <> p_node;
    END IF;
    wanted := EXISTS (SELECT 1 FROM bank_want b WHERE b.account = acc AND b.node <> p_node AND b.at > at_ms - 3000);
    left_n := maxes[i] - before - g;
    -- Near the limit grants shrink, down to what requests are waiting for, and
    -- what is of no use to any of them is left to others.
    amount := greatest(0, least(left_n, greatest(needs[i], CASE WHEN wanted THEN 0 ELSE least(wants[i], left_n / (2 * live)) END)));
    IF needs[i] > 0 AND amount < leasts[i] THEN
      amount := 0;
    END IF;
    g := g + amount;
    UPDATE account SET granted = g, max = CASE WHEN maxes[i] > 0 THEN maxes[i] ELSE max END WHERE id = acc;
    IF helds[i] + amount = 0 AND reserveds[i] = 0 THEN
      DELETE FROM lease WHERE node = p_node AND account = acc;
    ELSE
      INSERT INTO lease VALUES (p_node, acc, helds[i] + amount, reserveds[i])
        ON CONFLICT (node, account) DO UPDATE SET held = excluded.held, reserved = excluded.reserved;
    END IF;
    IF needs[i] > 0 AND (amount = 0 OR amount < leasts[i]) AND o_held > 0 THEN
      INSERT INTO bank_want SELECT id, p_node, at_ms FROM account
        WHERE id = acc OR froms[i] <> starts[i] AND scope = scopes[i] AND "window" = windows[i] AND window_start >= froms[i] ORDER BY id
        ON CONFLICT (account) DO UPDATE SET node = excluded.node, at = excluded.at;
    END IF;
    list := list || jsonb_build_object('Row', acc, 'Amount', amount, 'Granted', before + g, 'Held', o_held, 'Reserved', o_res,
      'Recall', wanted AND helds[i] + amount > 0);
  END LOOP;

  stand.grants := to_jsonb(list)::text;
  UPDATE bank_node SET seq = p_seq, grants = stand.grants, seen = at_ms WHERE node = p_node;
  IF p_seq % 1024 = 0 THEN -- accounts outlive their windows, for requests that still run
    DELETE FROM account WHERE id IN (SELECT id FROM account WHERE window_end < at_ms / 1000 - 48 * 3600 FOR UPDATE SKIP LOCKED);
    DELETE FROM bank_want WHERE at < at_ms - 60000;
  END IF;
  RETURN stand.grants;
END $$;

-- bank_fence writes a node off: what it held, as it told last, is handed back,
-- what its requests had reserved counts as spent, and it may not come back.
CREATE FUNCTION bank_fence(p_node text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  n bigint := 0;
  l lease%ROWTYPE;
BEGIN
  PERFORM 1 FROM bank_node WHERE node = p_node FOR UPDATE; -- after a batch that is underway, before the next
  UPDATE node SET fenced = now_ms() WHERE id = p_node AND fenced = 0;
  FOR l IN SELECT * FROM lease WHERE node = p_node ORDER BY account LOOP
    UPDATE account SET granted = granted - greatest(l.held, 0) WHERE id = l.account;
    n := n + 1;
  END LOOP;
  DELETE FROM lease WHERE node = p_node;
  RETURN n;
END $$;
