-- store test version 1
CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);
-- event e(v TEXT)
INSERT INTO t (v) VALUES (:v);
