-- expect: 5: REPLACE on table 'node', which references itself
-- store test version 1
CREATE TABLE node (id TEXT PRIMARY KEY NOT NULL, parent TEXT REFERENCES node (id) ON DELETE CASCADE);
-- event e(id TEXT)
UPDATE OR REPLACE node SET id = :id;
