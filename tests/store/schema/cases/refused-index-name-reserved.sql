-- expect: 4: the name 'leaderd_i' is reserved
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE INDEX leaderd_i ON t (v);
