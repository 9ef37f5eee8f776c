-- The fulfilment job asks for open orders, oldest first.
CREATE INDEX CONCURRENTLY orders_open_created_at_idx ON orders (created_at) WHERE status = 'pending';
