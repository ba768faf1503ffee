-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(tags JSON)
INSERT INTO t (id, v) SELECT value, key FROM json_each(:tags);
INSERT INTO t (id) SELECT fullkey FROM json_tree(:tags) WHERE atom IS NOT NULL;
SELECT count(*) FROM json_each(:tags);
