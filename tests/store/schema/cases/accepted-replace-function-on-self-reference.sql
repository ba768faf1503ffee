-- store test version 1
CREATE TABLE node (id TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES node (id) ON DELETE CASCADE);
-- event e(id TEXT)
UPDATE node SET id = replace(id, 'a', 'b') WHERE 0 OR replace(id, 'a', 'b') = :id;
