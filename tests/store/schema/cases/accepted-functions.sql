-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(id TEXT)
SELECT abs(-1), char(65), coalesce(1, 2), format('%d', 1), glob('a*', 'a'), hex('a'), ifnull(1, 2), iif(1, 2, 3), instr('a', 'a'), length('a'), 'a' LIKE 'b', likelihood(1, 0.5), lower('A'), ltrim(' a'), max(1, 2), min(1, 2), nullif(1, 2), printf('%.2f', 1.5), quote('a'), replace('a', 'b', 'c'), round(1.5), sign(-2), substr('abc', 1, 1), trim(' a '), typeof(1), unicode('a'), upper('a'), zeroblob(1);
SELECT avg(v), count(*), group_concat(id), max(v), min(v), sum(v), total(v), json_group_array(v), json_group_object(id, v) FROM t;
SELECT json(v), json_array(v), json_extract(v, '$.a'), v -> '$.a', v ->> '$.a', json_set(v, '$.a', 1), json_type(v) FROM t;
SELECT row_number() OVER (ORDER BY id), lag(v) OVER (ORDER BY id), sum(v) OVER (PARTITION BY id) FROM t;
