-- The registry of connections: platform.databases and what is read from it. Needs 001.
--
-- For PostgreSQL 14 and newer. Runs any number of times:
-- psql "$DATABASE_URL" -f deploy/sql/002_add_multi_database_support.sql

BEGIN;

SET LOCAL client_min_messages = warning;

-- The key is the one that `python -m services.registry migrate` takes.
SELECT pg_advisory_xact_lock(7237110982);

DO $$
BEGIN
  IF to_regtype('platform.database_type') IS NULL THEN
    CREATE TYPE platform.database_type AS ENUM ('postgres', 'redis', 'mongodb', 'bun_api');
  END IF;
END
$$;

-- project_id has the type that platform.projects.id has here: uuid, bigint, integer, text.
DO $$
DECLARE
  project_id_type text;
BEGIN
  SELECT format_type(a.atttypid, a.atttypmod) INTO project_id_type
  FROM pg_attribute a
  WHERE a.attrelid = to_regclass('platform.projects') AND a.attname = 'id' AND NOT a.attisdropped;
  IF project_id_type IS NULL THEN
    RAISE EXCEPTION 'platform.projects has no column id: run 001_platform_schema.sql first';
  END IF;
  EXECUTE format(
    'CREATE TABLE IF NOT EXISTS platform.databases (
       id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
       project_id %s NOT NULL REFERENCES platform.projects (id) ON DELETE CASCADE,
       name text NOT NULL CONSTRAINT databases_name_check CHECK (name ~ ''^[a-z0-9-]+$''),
       type platform.database_type NOT NULL,
       description text,
       connection_string text NOT NULL,
       host text,
       port integer,
       database_name text,
       username text,
       config jsonb NOT NULL DEFAULT ''{}'',
       status text NOT NULL DEFAULT ''active''
         CONSTRAINT databases_status_check CHECK (status IN (''active'', ''inactive'', ''error'')),
       last_connected_at timestamptz,
       created_at timestamptz NOT NULL DEFAULT now(),
       updated_at timestamptz NOT NULL DEFAULT now(),
       CONSTRAINT databases_project_id_name_key UNIQUE (project_id, name)
     )', project_id_type);
END
$$;

COMMENT ON COLUMN platform.databases.connection_string IS
  'Ciphertext only, bound to this row''s id and type: copied to another row it does not open.';

-- Lists go by project and name, in the order of bytes, so that pages don't depend on the database's locale.
CREATE INDEX IF NOT EXISTS databases_project_id_name_idx ON platform.databases (project_id, name COLLATE "C", id);
CREATE INDEX IF NOT EXISTS databases_type_status_idx ON platform.databases (type, status);

-- Search is ILIKE over name, description and host. With pg_trgm an index serves it; without, a scan does, which is
-- enough for thousands of rows.
DO $$
DECLARE
  trigram_schema text;
BEGIN
  BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
  EXCEPTION WHEN OTHERS THEN
    -- Not shipped with this server, or not ours to install. `OTHERS`, since each hosting service refuses in its own way.
    NULL;
  END;
  SELECT n.nspname INTO trigram_schema
  FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'pg_trgm';
  IF trigram_schema IS NOT NULL THEN
    EXECUTE format(
      'CREATE INDEX IF NOT EXISTS databases_search_idx ON platform.databases
       USING gin (name %1$I.gin_trgm_ops, description %1$I.gin_trgm_ops, host %1$I.gin_trgm_ops)', trigram_schema);
  END IF;
END
$$;

-- updated_at is the time of the last change somebody made; a health check that moves the status made none.
CREATE OR REPLACE FUNCTION platform.touch_databases_updated_at() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.updated_at := now();
  RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER databases_updated_at
  BEFORE UPDATE ON platform.databases
  FOR EACH ROW
  WHEN ((OLD.project_id, OLD.name, OLD.type, OLD.description, OLD.connection_string, OLD.host, OLD.port,
         OLD.database_name, OLD.username, OLD.config)
    IS DISTINCT FROM
        (NEW.project_id, NEW.name, NEW.type, NEW.description, NEW.connection_string, NEW.host, NEW.port,
         NEW.database_name, NEW.username, NEW.config))
  EXECUTE FUNCTION platform.touch_databases_updated_at();

-- What a service that holds a connection must know of: changes exactly when the ciphertext, type, config, name or
-- project (its id or ref) does. A JSON array, so that no two different rows concatenate to the same text.
CREATE OR REPLACE FUNCTION platform.database_revision(database platform.databases) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT left(encode(sha256(convert_to(jsonb_build_array(
    database.connection_string, database.type, database.config, database.name, database.project_id,
    (SELECT p.ref FROM platform.projects p WHERE p.id = database.project_id)
  )::text, 'UTF8')), 'hex'), 32)
$$;

-- Tells the registry's processes which connection changed; they tell the services (`ResolverService.Watch…`).
-- A type changes rarely, but then the services of both types must know: hence both in the message.
CREATE OR REPLACE FUNCTION platform.notify_database_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('studio_databases', '{"op": "resync"}');
  ELSIF TG_OP = 'DELETE' THEN
    PERFORM pg_notify('studio_databases',
      json_build_object('op', 'deleted', 'id', OLD.id, 'types', json_build_array(OLD.type))::text);
  ELSE
    PERFORM pg_notify('studio_databases',
      json_build_object('op', 'changed', 'id', OLD.id, 'types', json_build_array(OLD.type, NEW.type))::text);
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER databases_notify_changed
  AFTER UPDATE ON platform.databases
  FOR EACH ROW
  WHEN ((OLD.id, OLD.project_id, OLD.name, OLD.type, OLD.connection_string, OLD.config)
    IS DISTINCT FROM
        (NEW.id, NEW.project_id, NEW.name, NEW.type, NEW.connection_string, NEW.config))
  EXECUTE FUNCTION platform.notify_database_changed();

CREATE OR REPLACE TRIGGER databases_notify_deleted
  AFTER DELETE ON platform.databases
  FOR EACH ROW EXECUTE FUNCTION platform.notify_database_changed();

CREATE OR REPLACE TRIGGER databases_notify_truncated
  AFTER TRUNCATE ON platform.databases
  FOR EACH STATEMENT EXECUTE FUNCTION platform.notify_database_changed();

-- Made once: a later migration may add columns, and replacing the view with this shorter one would then fail.
DO $$
DECLARE
  same_type boolean;
BEGIN
  IF to_regclass('platform.databases_with_projects') IS NOT NULL THEN
    RETURN;
  END IF;
  SELECT count(DISTINCT a.atttypid) = 1 INTO same_type
  FROM pg_attribute a
  WHERE (a.attrelid = to_regclass('platform.organizations') AND a.attname = 'id')
     OR (a.attrelid = to_regclass('platform.projects') AND a.attname = 'organization_id');
  -- LEFT JOIN: a project without an organization must not hide its databases.
  EXECUTE format(
    'CREATE VIEW platform.databases_with_projects AS
     SELECT d.id, d.project_id, d.name, d.type, d.description, d.connection_string, d.host, d.port, d.database_name,
            d.username, d.config, d.status, d.last_connected_at, d.created_at, d.updated_at,
            p.name AS project_name, p.ref AS project_ref,
            o.name AS organization_name, o.slug AS organization_slug
     FROM platform.databases d
     JOIN platform.projects p ON p.id = d.project_id
     LEFT JOIN platform.organizations o ON %s',
    CASE WHEN same_type THEN 'o.id = p.organization_id' ELSE 'o.id::text = p.organization_id::text' END);
END
$$;

-- The result type of a function can't be replaced, so one of another type goes first.
DO $$
BEGIN
  IF EXISTS (
    SELECT FROM pg_proc
    WHERE oid = to_regprocedure('platform.get_database_by_name(text, text)') AND NOT proretset
  ) THEN
    DROP FUNCTION platform.get_database_by_name(text, text);
  END IF;
END
$$;

CREATE OR REPLACE FUNCTION platform.get_databases_by_project(project_ref text) RETURNS SETOF platform.databases
LANGUAGE sql STABLE AS $$
  SELECT d.*
  FROM platform.databases d
  JOIN platform.projects p ON p.id = d.project_id
  WHERE p.ref = get_databases_by_project.project_ref
  ORDER BY d.name COLLATE "C"
$$;

CREATE OR REPLACE FUNCTION platform.get_database_by_name(project_ref text, database_name text)
RETURNS SETOF platform.databases
LANGUAGE sql STABLE AS $$
  SELECT d.*
  FROM platform.databases d
  JOIN platform.projects p ON p.id = d.project_id
  WHERE p.ref = get_database_by_name.project_ref AND d.name = get_database_by_name.database_name
$$;

-- Totals by project, type and status; as fresh as its last REFRESH MATERIALIZED VIEW CONCURRENTLY.
CREATE MATERIALIZED VIEW IF NOT EXISTS platform.database_stats AS
SELECT
  d.project_id,
  d.type,
  d.status,
  count(*) AS database_count,
  max(d.last_connected_at) AS last_connected_at,
  max(d.updated_at) AS updated_at
FROM platform.databases d
GROUP BY d.project_id, d.type, d.status;

-- REFRESH … CONCURRENTLY asks for a unique index.
CREATE UNIQUE INDEX IF NOT EXISTS database_stats_key ON platform.database_stats (project_id, type, status);

COMMIT;
