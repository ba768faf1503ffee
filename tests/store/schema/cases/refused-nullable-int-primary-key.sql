-- expect: 3: column 'id' is in the primary key
-- store test version 1
CREATE TABLE t (id INT PRIMARY KEY);
