-- expect: 3: is reserved
-- store test version 1
CREATE TABLE LEADERD_T (id TEXT PRIMARY KEY NOT NULL);
