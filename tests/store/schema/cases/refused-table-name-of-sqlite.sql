-- expect: 3: object name reserved
-- store test version 1
CREATE TABLE sqlite_t (id TEXT PRIMARY KEY NOT NULL);
