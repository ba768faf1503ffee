-- expect: 3: the function random()
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v INTEGER CHECK (v > random()));
