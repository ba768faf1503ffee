-- expect: 6: REPLACE on table 'a', which references itself
-- store test version 1
CREATE TABLE a (id TEXT PRIMARY KEY NOT NULL, b TEXT REFERENCES b (id) ON DELETE CASCADE);
CREATE TABLE b (id TEXT PRIMARY KEY NOT NULL, a TEXT REFERENCES a (id) ON DELETE CASCADE);
-- event e(id TEXT)
REPLACE INTO a (id) VALUES (:id);
