-- store todos version 1
--
-- A list of things to do, and what each session of a device looks at. The
-- first is the same on all devices; the second never leaves its own.

CREATE TABLE todo (
  id TEXT PRIMARY KEY NOT NULL,
  title TEXT NOT NULL,
  done INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE ui (
  session TEXT PRIMARY KEY NOT NULL,
  filter TEXT NOT NULL
) STRICT;

-- event todoCreated(id TEXT, title TEXT)
INSERT INTO todo (id, title) VALUES (:id, :title);

-- event todoRenamed(id TEXT, title TEXT)
SELECT refuse('no such todo') WHERE NOT EXISTS (SELECT 1 FROM todo WHERE id = :id);
UPDATE todo SET title = :title WHERE id = :id;

-- event todoCompleted(id TEXT)
SELECT refuse('no such todo') WHERE NOT EXISTS (SELECT 1 FROM todo WHERE id = :id);
UPDATE todo SET done = 1 WHERE id = :id;

-- event todoDeleted(id TEXT)
SELECT refuse('no such todo') WHERE NOT EXISTS (SELECT 1 FROM todo WHERE id = :id);
DELETE FROM todo WHERE id = :id;

-- event filterChanged(filter TEXT) client-only
INSERT INTO ui (session, filter) VALUES (:session_id, :filter)
  ON CONFLICT (session) DO UPDATE SET filter = excluded.filter;
