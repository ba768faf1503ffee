-- expect: 3: the default of column 'v': the clock and the time zone
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v TEXT DEFAULT (date('n' || 'ow')));
