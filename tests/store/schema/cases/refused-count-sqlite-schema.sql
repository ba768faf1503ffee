-- expect: 6: reads 'sqlite_schema', which is no table of the schema
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;

-- event e(id TEXT)
SELECT count(*) FROM sqlite_schema;
