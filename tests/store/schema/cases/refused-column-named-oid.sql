-- expect: 3: column 'OID' of table 't' hides the rowid
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, OID TEXT);
