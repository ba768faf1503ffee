-- expect: 3: references table 'parent', which the schema does not create
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, p TEXT REFERENCES parent (id));
