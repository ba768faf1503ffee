-- expect: 3: the default of column 'v'
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v TEXT DEFAULT (hex(zeroblob(1000000))));
