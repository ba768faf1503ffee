-- store accounts version 1
--
-- A precondition in SQL is global: the balance is below 0 on no node, ever.

CREATE TABLE account (
  name TEXT PRIMARY KEY NOT NULL,
  balance INTEGER NOT NULL
) STRICT;

-- event deposited(account TEXT, amount INTEGER)
INSERT INTO account (name, balance) VALUES (:account, :amount)
  ON CONFLICT (name) DO UPDATE SET balance = balance + :amount;

-- event withdrawn(account TEXT, amount INTEGER)
SELECT refuse('balance too low')
  WHERE coalesce((SELECT balance FROM account WHERE name = :account), 0) < :amount;
UPDATE account SET balance = balance - :amount WHERE name = :account;
