-- expect: 3: a SELECT is not allowed in a definition
-- store test version 1
CREATE TABLE t AS SELECT 1 AS id;
