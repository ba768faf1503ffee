-- expect: 6: a materializer is made of
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
DETACH x;
