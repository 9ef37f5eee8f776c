CREATE TABLE stock_levels (
    product_id bigint PRIMARY KEY,
    available integer NOT NULL,
    told_at timestamptz NOT NULL DEFAULT now()
);
