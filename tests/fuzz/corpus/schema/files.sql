-- store files version 1
--
-- The files of a repository, from the events of its history. Each event says
-- what it expects to find, so a history that contradicts itself is refused
-- where it does. A file names the commit that touched it; the commit need not
-- have been recorded before, because several sessions may bring the parts.

CREATE TABLE history (
  sha TEXT PRIMARY KEY NOT NULL,
  time INTEGER NOT NULL
) STRICT;

CREATE TABLE file (
  path TEXT PRIMARY KEY NOT NULL,
  mode TEXT NOT NULL,
  blob TEXT NOT NULL
) STRICT;

-- event commitRecorded(sha TEXT, time INTEGER)
INSERT INTO history (sha, time) VALUES (:sha, :time);

-- event fileAdded(path TEXT, mode TEXT, blob TEXT, commit TEXT)
INSERT INTO file (path, mode, blob) VALUES (:path, :mode, :blob);

-- event fileModified(path TEXT, mode TEXT, blob TEXT, commit TEXT)
SELECT refuse('no such file') WHERE NOT EXISTS (SELECT 1 FROM file WHERE path = :path);
UPDATE file SET mode = :mode, blob = :blob WHERE path = :path;

-- event fileDeleted(path TEXT, commit TEXT)
SELECT refuse('no such file') WHERE NOT EXISTS (SELECT 1 FROM file WHERE path = :path);
DELETE FROM file WHERE path = :path;
