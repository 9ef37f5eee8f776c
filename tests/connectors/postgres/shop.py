"""What is in the test servers: a small shop with personal data, and traps laid by a hostile user."""

from __future__ import annotations

from connectors.postgres import role
from tests.connectors.postgres.servers import Server

EMAIL = "anna.seed@mail.example"
CARD = "4242424242424242"
NAME = "Annaliese Seedling"
PERSONAL = (EMAIL, CARD, NAME)

READER = role.RoleWish("firstcause", "shop")
PLANNER = role.RoleWish("firstcause_plans", "shop", planned=("public",))

SCHEMA = f"""
CREATE TABLE customers (id serial PRIMARY KEY, email text NOT NULL, name text, card text, note text);
INSERT INTO customers (email, name, card) SELECT 'c' || n || '@mail.example', 'Customer ' || n, n::text
FROM generate_series(1, 2000) n;
INSERT INTO customers (email, name, card) VALUES ('{EMAIL}', '{NAME}', '{CARD}');
CREATE TYPE order_status AS ENUM ('open', 'paid');
CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id int REFERENCES customers (id), customer_email text,
                     status order_status DEFAULT 'open', total_cents int,
                     created_at timestamptz DEFAULT now());
INSERT INTO orders (customer_id, customer_email, total_cents)
SELECT 1 + n % 2000, 'c' || n % 2000 || '@mail.example', n FROM generate_series(1, 20000) n;
CREATE INDEX orders_created_at_idx ON orders (created_at);
CREATE INDEX orders_created_at_again_idx ON orders (created_at);
CREATE VIEW customer_list AS SELECT id, name FROM customers;
CREATE MATERIALIZED VIEW order_totals AS SELECT count(*) FROM orders;
CREATE SEQUENCE loose_seq;
CREATE TABLE traces (what text);
GRANT INSERT ON traces TO PUBLIC;
CREATE FUNCTION act() RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO public.traces VALUES ('act'); RETURN 1; END $$;
CREATE FUNCTION lying() RETURNS int IMMUTABLE LANGUAGE plpgsql AS
  $$ BEGIN RETURN public.act(); END $$;
CREATE FUNCTION as_owner() RETURNS int SECURITY DEFINER LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO public.traces VALUES ('owner'); RETURN 1; END $$;
CREATE FUNCTION dumped() RETURNS SETOF customers SECURITY DEFINER STABLE LANGUAGE sql AS
  'SELECT * FROM public.customers';
CREATE FUNCTION count(text) RETURNS int LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO public.traces VALUES ('count'); RETURN 1; END $$;
CREATE FUNCTION trap(text, text) RETURNS boolean LANGUAGE plpgsql AS
  $$ BEGIN INSERT INTO public.traces VALUES ('operator'); RETURN true; END $$;
CREATE OPERATOR public.= (LEFTARG = text, RIGHTARG = text, FUNCTION = trap);
CREATE OPERATOR public.<-> (LEFTARG = text, RIGHTARG = text, FUNCTION = trap);
CREATE EXTENSION pg_stat_statements;
ANALYZE;
"""


def fill(server: Server) -> None:
    """Make the database, its tables and traps, and the two roles as `sql-role` prints them."""
    with server.admin("postgres") as connection:
        connection.execute("CREATE DATABASE shop")
    with server.admin() as connection:
        connection.execute(SCHEMA.encode())
        if connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'hypopg'").fetchone():
            connection.execute("CREATE EXTENSION hypopg")
        for wish in (READER, PLANNER):
            for statement in role.grants(wish):
                connection.execute(statement.encode())
