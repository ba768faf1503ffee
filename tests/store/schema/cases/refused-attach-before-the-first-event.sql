-- expect: 3: only CREATE TABLE and CREATE INDEX
-- store test version 1
ATTACH 'other.db' AS other;
