ALTER TABLE orders ADD COLUMN channel text NOT NULL DEFAULT 'web';

-- The report counts orders by channel.
CREATE INDEX CONCURRENTLY orders_channel_idx ON orders (channel);
