-- expect: 4: a foreign key leads from the client-only table 'c' to the synced table 't'
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE c (id TEXT PRIMARY KEY NOT NULL, p TEXT REFERENCES t (id));
-- event a(id TEXT)
INSERT INTO t (id) VALUES (:id);
-- event b(id TEXT) client-only
INSERT INTO c (id) VALUES (:id);
