-- expect: 6: the synced event a reads table 'u'
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE u (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event a(id TEXT)
SELECT refuse('no') WHERE EXISTS (SELECT 1 FROM u);
-- event b(id TEXT) client-only
INSERT INTO u (id) VALUES (:id);
