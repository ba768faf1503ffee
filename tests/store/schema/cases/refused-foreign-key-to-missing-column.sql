-- expect: 4: foreign key mismatch
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TABLE c (id TEXT PRIMARY KEY NOT NULL, p TEXT REFERENCES t (key));
