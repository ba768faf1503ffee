-- store accounts version 1
--
-- Money that cannot be spent twice: what every event leaves behind is never below 0.

CREATE TABLE account (
  id TEXT PRIMARY KEY NOT NULL,
  balance INTEGER NOT NULL CHECK (balance >= 0)
) STRICT;

-- event accountOpened(account TEXT, balance INTEGER)
INSERT INTO account (id, balance) VALUES (:account, :balance);

-- event deposited(account TEXT, amount INTEGER)
SELECT refuse('no such account') WHERE NOT EXISTS (SELECT 1 FROM account WHERE id = :account);
UPDATE account SET balance = balance + :amount WHERE id = :account;

-- event withdrawn(account TEXT, amount INTEGER)
SELECT refuse('no such account') WHERE NOT EXISTS (SELECT 1 FROM account WHERE id = :account);
SELECT refuse('balance too low') FROM account WHERE id = :account AND balance < :amount;
UPDATE account SET balance = balance - :amount WHERE id = :account;
