-- expect: 3: temporary tables are no state
-- store test version 1
CREATE TABLE temp.t (id TEXT PRIMARY KEY NOT NULL);
