-- expect: 3: column 'b' is in the primary key
-- store test version 1
CREATE TABLE t (a TEXT NOT NULL, b TEXT, PRIMARY KEY (a, b));
