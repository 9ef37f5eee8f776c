-- The provider sends an answer again when ours was late; a reference pays one order.
CREATE UNIQUE INDEX CONCURRENTLY orders_external_reference_key ON orders (external_reference);
