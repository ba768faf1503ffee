-- store attributes version 1
--
-- Entity, attribute, value: what is known of anything, one fact a row. The
-- last writer wins, by the clock that each event carries, so the state is the
-- same whatever order the events arrive in. A fact is never deleted, it is
-- replaced: a deleted row would forget the clock that an older fact must lose to.

CREATE TABLE attribute (
  entity TEXT NOT NULL,
  attribute TEXT NOT NULL,
  value TEXT NOT NULL,
  hlc TEXT NOT NULL,
  PRIMARY KEY (entity, attribute)
) STRICT, WITHOUT ROWID;

CREATE INDEX attribute_value ON attribute (attribute, value);

-- event attributeSet(entity TEXT, attribute TEXT, value TEXT)
INSERT INTO attribute (entity, attribute, value, hlc) VALUES (:entity, :attribute, :value, :hlc)
  ON CONFLICT (entity, attribute) DO UPDATE SET value = excluded.value, hlc = excluded.hlc
  WHERE excluded.hlc > attribute.hlc;
