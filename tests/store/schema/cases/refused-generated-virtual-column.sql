-- expect: 3: generated columns are refused: column 'u'
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, u TEXT AS (upper(id)));
