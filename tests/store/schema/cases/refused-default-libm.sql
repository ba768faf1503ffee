-- expect: 3: the default of column 'v': the function sin() is not allowed
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v TEXT DEFAULT (sin(1)));
