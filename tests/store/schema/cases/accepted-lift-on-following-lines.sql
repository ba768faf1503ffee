-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event old(text TEXT) becomes e:
-- why it is lifted so
SELECT :event_id AS id,
  -- the text was the title
  :text AS title;
-- event older(text TEXT) becomes old: SELECT :text
  AS text
-- event e(id TEXT, title TEXT)
INSERT INTO t (id, v) VALUES (:id, :title);
