CREATE TABLE entry (
	key BLOB NOT NULL UNIQUE,
	tenant TEXT NOT NULL,
	model TEXT NOT NULL,
	made INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	bytes INTEGER NOT NULL,
	sealed BLOB NOT NULL
);
CREATE INDEX entry_tenant ON entry (tenant, made);
CREATE INDEX entry_expires ON entry (expires);
CREATE TABLE meaning (
	id INTEGER PRIMARY KEY,
	part BLOB NOT NULL,
	key BLOB NOT NULL,
	tenant TEXT NOT NULL,
	model TEXT NOT NULL,
	made INTEGER NOT NULL,
	expires INTEGER NOT NULL,
	vector BLOB NOT NULL,
	sealed BLOB NOT NULL
);
CREATE INDEX meaning_part ON meaning (part, id);
CREATE INDEX meaning_expires ON meaning (expires);
