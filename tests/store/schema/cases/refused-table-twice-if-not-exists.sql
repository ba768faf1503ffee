-- expect: 4: creates nothing
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE IF NOT EXISTS t (id TEXT PRIMARY KEY NOT NULL, other TEXT);
