-- expect: 4: already exists
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE T (id TEXT PRIMARY KEY NOT NULL);
