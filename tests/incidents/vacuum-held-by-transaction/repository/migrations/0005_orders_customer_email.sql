-- The receipt goes to the address given with the order, which may differ from the account's.
ALTER TABLE orders ADD COLUMN customer_email text;
