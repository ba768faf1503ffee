-- store test version 1
CREATE TABLE time (id TEXT PRIMARY KEY NOT NULL, kind TEXT DEFAULT 'now');
-- event e(id TEXT)
INSERT INTO time (id, kind) VALUES (:id, 'now');
SELECT strftime('now', 0), lower('utc') FROM time;
