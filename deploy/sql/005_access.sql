-- Who may do what on single databases, beside what the callers' tokens say. Needs 004.
--
-- For PostgreSQL 14 and newer. Runs any number of times:
-- psql "$DATABASE_URL" -f deploy/sql/005_access.sql

BEGIN;

SET LOCAL client_min_messages = warning;

-- The key is the one that `python -m services.registry migrate` takes.
SELECT pg_advisory_xact_lock(7237110982);

-- Without a foreign key: connections of the environment have well-known ids and no row. The grants of a database that is
-- gone are deleted by the trigger below.
CREATE TABLE IF NOT EXISTS platform.database_permissions (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  database_id uuid NOT NULL,
  subject text NOT NULL CONSTRAINT database_permissions_subject_check CHECK (length(subject) BETWEEN 1 AND 256),
  role text NOT NULL CONSTRAINT database_permissions_role_check CHECK (role IN ('admin', 'write', 'read')),
  created_at timestamptz NOT NULL DEFAULT now(),
  created_by text NOT NULL DEFAULT '',
  CONSTRAINT database_permissions_database_id_subject_key UNIQUE (database_id, subject)
);

-- Which databases a subject sees.
CREATE INDEX IF NOT EXISTS database_permissions_subject_idx ON platform.database_permissions (subject, database_id);

CREATE OR REPLACE FUNCTION platform.forget_database_permissions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    DELETE FROM platform.database_permissions;
  ELSE
    DELETE FROM platform.database_permissions WHERE database_id = OLD.id;
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER databases_forget_permissions
  AFTER DELETE ON platform.databases
  FOR EACH ROW EXECUTE FUNCTION platform.forget_database_permissions();

CREATE OR REPLACE TRIGGER databases_forget_all_permissions
  AFTER TRUNCATE ON platform.databases
  FOR EACH STATEMENT EXECUTE FUNCTION platform.forget_database_permissions();

-- Tells the registry's processes whose grants changed; they tell the services, which go on with the same connection.
CREATE OR REPLACE FUNCTION platform.notify_permissions_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('studio_databases', '{"op": "resync"}');
    RETURN NULL;
  END IF;
  IF TG_OP <> 'INSERT' THEN
    PERFORM pg_notify('studio_databases', json_build_object('op', 'access', 'id', OLD.database_id)::text);
  END IF;
  IF TG_OP <> 'DELETE' THEN
    PERFORM pg_notify('studio_databases', json_build_object('op', 'access', 'id', NEW.database_id)::text);
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER database_permissions_notify_changed
  AFTER INSERT OR UPDATE OR DELETE ON platform.database_permissions
  FOR EACH ROW EXECUTE FUNCTION platform.notify_permissions_changed();

CREATE OR REPLACE TRIGGER database_permissions_notify_truncated
  AFTER TRUNCATE ON platform.database_permissions
  FOR EACH STATEMENT EXECUTE FUNCTION platform.notify_permissions_changed();

-- Lists show the databases that a subject may see.
CREATE OR REPLACE TRIGGER database_permissions_lists
  AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON platform.database_permissions
  FOR EACH STATEMENT EXECUTE FUNCTION platform.notify_lists_changed();

COMMIT;
