-- expect: 4: triggers are refused
-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
CREATE TRIGGER r AFTER INSERT ON t BEGIN
  DELETE FROM t;
END;
