-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, a INTEGER DEFAULT -1, b TEXT DEFAULT 'now', c REAL DEFAULT (1 + 2), d BLOB DEFAULT x'00', e DEFAULT NULL, f DEFAULT true, g TEXT DEFAULT (date(0, 'unixepoch')), CHECK (length(id) > 0), CHECK (b = 'now' OR date(b) IS NOT NULL));
-- event e(id TEXT)
INSERT INTO t (id) VALUES (:id);
