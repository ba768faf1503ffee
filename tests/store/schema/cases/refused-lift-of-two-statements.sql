-- expect: 5: found a second statement
-- store test version 1
-- event f(id TEXT)
-- event e(id TEXT) becomes f: SELECT :id AS id;
SELECT 1 AS id;
