-- store chaos version 1
--
-- What every session wrote, and who wrote last: the second depends on the order of
-- all events, so two devices with another order have another state.

CREATE TABLE entry (
  session TEXT NOT NULL,
  number INTEGER NOT NULL,
  behind TEXT NOT NULL,
  PRIMARY KEY (session, number)
) STRICT;

CREATE TABLE latest (
  key TEXT PRIMARY KEY NOT NULL,
  session TEXT NOT NULL,
  number INTEGER NOT NULL,
  writes INTEGER NOT NULL
) STRICT;

CREATE TABLE seen (
  session TEXT PRIMARY KEY NOT NULL,
  number INTEGER NOT NULL
) STRICT;

-- event put(key TEXT, number INTEGER)
INSERT INTO entry (session, number, behind)
  VALUES (:session_id, :number, coalesce((SELECT session || ' ' || number FROM latest WHERE key = :key), ''));
INSERT INTO latest (key, session, number, writes) VALUES (:key, :session_id, :number, 1)
  ON CONFLICT (key) DO UPDATE SET session = excluded.session, number = excluded.number, writes = writes + 1;

-- event looked(number INTEGER) client-only
INSERT INTO seen (session, number) VALUES (:session_id, :number)
  ON CONFLICT (session) DO UPDATE SET number = excluded.number;
