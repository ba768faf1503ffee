-- store people version 1
--
-- Users and their posts; what someone is about to type stays on the device.

CREATE TABLE user (
  id TEXT PRIMARY KEY NOT NULL,
  name TEXT NOT NULL,
  email TEXT NOT NULL DEFAULT ''
) STRICT;
CREATE TABLE post (id TEXT PRIMARY KEY NOT NULL, author TEXT NOT NULL) STRICT;
CREATE TABLE draft (user TEXT NOT NULL, field TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (user, field)) STRICT;

-- event userCreated(user TEXT, name TEXT)
INSERT INTO user (id, name) VALUES (:user, :name);

-- event userNameUpdated(user TEXT, name TEXT)
SELECT refuse('no such user') WHERE NOT EXISTS (SELECT 1 FROM user WHERE id = :user);
UPDATE user SET name = :name WHERE id = :user;

-- event updated(user TEXT, email TEXT)
SELECT refuse('no such user') WHERE NOT EXISTS (SELECT 1 FROM user WHERE id = :user);
UPDATE user SET email = :email WHERE id = :user;

-- event postCreated(post TEXT, author TEXT)
INSERT INTO post (id, author) VALUES (:post, :author);

-- event postDeleted(post TEXT)
SELECT refuse('no such post') WHERE NOT EXISTS (SELECT 1 FROM post WHERE id = :post);
DELETE FROM post WHERE id = :post;

-- event typed(user TEXT, field TEXT, text TEXT) client-only
INSERT INTO draft (user, field, text) VALUES (:user, :field, :text)
  ON CONFLICT (user, field) DO UPDATE SET text = excluded.text;
