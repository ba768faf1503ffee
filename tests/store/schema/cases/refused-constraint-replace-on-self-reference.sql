-- expect: 3: ON CONFLICT REPLACE on table 'node'
-- store test version 1
CREATE TABLE node (id TEXT PRIMARY KEY ON CONFLICT REPLACE NOT NULL, parent TEXT REFERENCES node (id));
