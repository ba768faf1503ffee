-- expect: 4: a deferred foreign key is refused
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE c (id TEXT PRIMARY KEY NOT NULL, p TEXT REFERENCES t (id) DEFERRABLE INITIALLY DEFERRED);
