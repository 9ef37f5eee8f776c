CREATE TABLE receipts (
    number serial PRIMARY KEY,
    order_id bigint NOT NULL,
    issued_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX receipts_order_id_idx ON receipts (order_id);
