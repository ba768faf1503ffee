-- expect: 3: AUTOINCREMENT is refused
-- store test version 1
CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL);
