-- expect: 2: expected '-- store NAME version N' first
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
