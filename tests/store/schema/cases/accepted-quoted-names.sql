-- store test version 1
CREATE TABLE "a ""b;" ("key ;" TEXT PRIMARY KEY NOT NULL, [x y] TEXT DEFAULT 'it''s; -- event');
-- event e(id TEXT)
INSERT INTO "a ""b;" ("key ;") VALUES (:id);
