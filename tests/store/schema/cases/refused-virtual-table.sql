-- expect: 3: virtual tables are refused
-- store test version 1
CREATE VIRTUAL TABLE t USING fts5(text);
