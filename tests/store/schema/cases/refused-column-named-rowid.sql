-- expect: 3: column 'ROWID' of table 't' hides the rowid
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, ROWID TEXT);
