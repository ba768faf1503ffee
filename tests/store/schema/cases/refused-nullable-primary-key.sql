-- expect: 3: column 'id' is in the primary key of table 't' and must be NOT NULL
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY);
