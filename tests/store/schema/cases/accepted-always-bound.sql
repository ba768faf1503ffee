-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e()
INSERT INTO t (id, v) VALUES (:event_id, :client_id || :session_id || :hlc || :time_ms || :args);
