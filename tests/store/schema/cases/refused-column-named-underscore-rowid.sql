-- expect: 3: column '_ROWID_' of table 't' hides the rowid
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, _ROWID_ TEXT);
