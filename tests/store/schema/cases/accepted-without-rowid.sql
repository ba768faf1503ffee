-- store test version 1
CREATE TABLE t (a TEXT, b INTEGER, PRIMARY KEY (b, a)) WITHOUT ROWID;
-- event e(a TEXT)
INSERT INTO t VALUES (:a, 1);
