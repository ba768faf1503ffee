-- store test version 1

/* a block
-- event not(here TEXT)
*/
-- events are below, storehouses too
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- a comment

-- event e ( id  TEXT ,n INTEGER ? )
  -- event indented lines are comments
UPDATE t -- the table; not the end
SET v = '-- event x()' /* ; */ WHERE id = :id; SELECT 1; -- event on the same line
