-- expect: 3: only CREATE TABLE and CREATE INDEX
-- store test version 1
PRAGMA foreign_keys = OFF;
