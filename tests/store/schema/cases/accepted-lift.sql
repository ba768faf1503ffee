-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e@1(text TEXT) becomes e: SELECT :event_id AS id, :text AS title

-- event e@2(id TEXT, title TEXT, done BOOLEAN?)
INSERT INTO t (id, v) VALUES (:id, :title);
