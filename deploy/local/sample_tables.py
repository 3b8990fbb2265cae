"""Sample tables for the embedded PostgreSQL: the database `shop`, with a login role of its own.

Apart from the platform's own schema, and from the superuser that serves it. Written once; what the user does with them
afterwards stays.
"""

from __future__ import annotations

from urllib.parse import quote, urlsplit

import psycopg
from psycopg import sql

from deploy.local.sample_data import CITIES, FIRST_NAMES

NAME = "shop"
CUSTOMERS, ORDERS = 500, 5000

_COMMENT = "Sample data of the local system, version 1"
_IS_WRITTEN = """
SELECT 1 FROM pg_database d JOIN pg_shdescription c ON c.objoid = d.oid AND c.classoid = 'pg_database'::regclass
WHERE d.datname = %s AND c.description = %s
"""
_TABLES = """
CREATE TYPE order_status AS ENUM ('open', 'paid', 'shipped', 'returned');
CREATE TABLE customers (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  name text NOT NULL,
  email text NOT NULL UNIQUE,
  city text,
  tags text[] NOT NULL DEFAULT '{}',
  profile jsonb NOT NULL DEFAULT '{}',
  joined_at timestamptz NOT NULL
);
COMMENT ON TABLE customers IS 'Who buys.';
CREATE TABLE orders (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  customer_id bigint NOT NULL REFERENCES customers ON DELETE CASCADE,
  status order_status NOT NULL DEFAULT 'open',
  total numeric(10, 2) NOT NULL CHECK (total >= 0),
  placed_at timestamptz NOT NULL
);
CREATE INDEX orders_by_customer ON orders (customer_id, placed_at DESC);
CREATE VIEW open_orders AS SELECT * FROM orders WHERE status = 'open';
"""
_CUSTOMERS = """
INSERT INTO customers (name, email, city, tags, profile, joined_at)
SELECT (%(names)s::text[])[1 + n %% cardinality(%(names)s::text[])], 'user' || n || '@example.com',
       (%(cities)s::text[])[1 + n %% cardinality(%(cities)s::text[])], ARRAY['sample', 'n' || n %% 7],
       jsonb_build_object('newsletter', n %% 2 = 0, 'visits', n %% 13),
       timestamptz '2024-01-01' + n * interval '7 hours'
FROM generate_series(1, %(count)s) n
"""
_ORDERS = """
INSERT INTO orders (customer_id, status, total, placed_at)
SELECT 1 + n %% %(customers)s, (enum_range(NULL::order_status))[1 + n %% 4], (n * 37 %% 100000) / 100.0,
       timestamptz '2024-06-01' + n * interval '11 minutes'
FROM generate_series(1, %(count)s) n
"""


def url_of_the_database(url: str, password: str) -> str:
    """The URL of the sample database, as its own role."""
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=f"{NAME}:{quote(password, safe='')}@{where}", path=f"/{NAME}").geturl()


def write_once(url: str, password: str) -> int:
    """Writes the sample tables to the PostgreSQL at a superuser's `url`, unless a comment there says that they were.

    Returns:
        How many rows were written: 0 when there was nothing to do.
    """
    name = sql.Identifier(NAME)
    with psycopg.connect(url, autocommit=True) as admin:
        if admin.execute(_IS_WRITTEN, (NAME, _COMMENT)).fetchone():
            return 0
        # Of a run that was interrupted here.
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(name))
        admin.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(name))
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, sql.Literal(password)))
        admin.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(name, name))
    with psycopg.connect(url_of_the_database(url, password)) as shop:
        shop.execute(_TABLES)
        shop.execute(_CUSTOMERS, {"names": list(FIRST_NAMES), "cities": list(CITIES), "count": CUSTOMERS})
        shop.execute(_ORDERS, {"customers": CUSTOMERS, "count": ORDERS})
        # In the same transaction: it says that all of them are there.
        shop.execute(sql.SQL("COMMENT ON DATABASE {} IS {}").format(name, sql.Literal(_COMMENT)))
    return CUSTOMERS + ORDERS
