-- store test version 1
CREATE TABLE t (id TEXT PRIMARY KEY NOT NULL, v ANY) STRICT;
-- event e(id TEXT)
UPDATE t SET v = strftime('%Y-%m', :time_ms / 1000, 'unixepoch', '+1 month', 'start of month') WHERE id = :id;
SELECT date('2024-02-29'), time('12:00'), datetime(0, 'unixepoch'), julianday('2000-01-01'), unixepoch('2000-01-01'), date(:time_ms / 1000, 'auto');
