-- expect: 3: the name 'leaderd_t' is reserved
-- store test version 1
CREATE TABLE leaderd_t (id TEXT PRIMARY KEY NOT NULL);
