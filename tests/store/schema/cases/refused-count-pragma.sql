-- expect: 6: which is no table of the schema
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
SELECT count(*) FROM pragma_database_list;
