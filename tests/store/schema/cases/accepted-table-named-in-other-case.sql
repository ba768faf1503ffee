-- store test version 1
CREATE TABLE Todo (Id TEXT PRIMARY KEY NOT NULL);
-- event e(id TEXT)
INSERT INTO TODO (ID) SELECT :id WHERE (SELECT count(*) FROM todo) = 0;
