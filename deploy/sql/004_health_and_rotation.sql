-- Health checks with their history, keys that rotate unnoticed, and word of every change that lists show. Needs 002.
--
-- For PostgreSQL 14 and newer. Runs any number of times:
-- psql "$DATABASE_URL" -f deploy/sql/004_health_and_rotation.sql

BEGIN;

SET LOCAL client_min_messages = warning;

-- The key is the one that `python -m services.registry migrate` takes.
SELECT pg_advisory_xact_lock(7237110982);

-- Which connection string this is, whatever key it is sealed with: sealing the same one anew is no change for those who
-- have opened it. A random value rather than a count, so that a restored backup never repeats one.
ALTER TABLE platform.databases
  ADD COLUMN IF NOT EXISTS connection_version uuid NOT NULL DEFAULT gen_random_uuid();

COMMENT ON COLUMN platform.databases.connection_version IS
  'Changes with connection_string, unless studio.resealing is ''on'': then only the sealing changed.';

CREATE OR REPLACE FUNCTION platform.renew_connection_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  NEW.connection_version := gen_random_uuid();
  RETURN NEW;
END
$$;

-- By its name it fires before databases_updated_at, whose condition sees the new version.
CREATE OR REPLACE TRIGGER databases_connection_version
  BEFORE UPDATE ON platform.databases
  FOR EACH ROW
  WHEN (OLD.connection_string IS DISTINCT FROM NEW.connection_string
    AND current_setting('studio.resealing', true) IS DISTINCT FROM 'on')
  EXECUTE FUNCTION platform.renew_connection_version();

-- The next three replace those of 002, with the version instead of the ciphertext.
CREATE OR REPLACE TRIGGER databases_updated_at
  BEFORE UPDATE ON platform.databases
  FOR EACH ROW
  WHEN ((OLD.project_id, OLD.name, OLD.type, OLD.description, OLD.connection_version, OLD.host, OLD.port,
         OLD.database_name, OLD.username, OLD.config)
    IS DISTINCT FROM
        (NEW.project_id, NEW.name, NEW.type, NEW.description, NEW.connection_version, NEW.host, NEW.port,
         NEW.database_name, NEW.username, NEW.config))
  EXECUTE FUNCTION platform.touch_databases_updated_at();

CREATE OR REPLACE FUNCTION platform.database_revision(database platform.databases) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE AS $$
  SELECT left(encode(sha256(convert_to(jsonb_build_array(
    database.connection_version, database.type, database.config, database.name, database.project_id,
    (SELECT p.ref FROM platform.projects p WHERE p.id = database.project_id)
  )::text, 'UTF8')), 'hex'), 32)
$$;

CREATE OR REPLACE TRIGGER databases_notify_changed
  AFTER UPDATE ON platform.databases
  FOR EACH ROW
  WHEN ((OLD.id, OLD.project_id, OLD.name, OLD.type, OLD.connection_version, OLD.config)
    IS DISTINCT FROM
        (NEW.id, NEW.project_id, NEW.name, NEW.type, NEW.connection_version, NEW.config))
  EXECUTE FUNCTION platform.notify_database_changed();

-- Tells the registry's processes that lists look different now. One message a transaction, however many rows changed:
-- PostgreSQL drops repetitions. `last_connected_at` is not among it: health checks move it all the time.
CREATE OR REPLACE FUNCTION platform.notify_lists_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('studio_lists', '');
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER databases_lists_rows
  AFTER INSERT OR DELETE OR TRUNCATE ON platform.databases
  FOR EACH STATEMENT EXECUTE FUNCTION platform.notify_lists_changed();

CREATE OR REPLACE TRIGGER databases_lists_changed
  AFTER UPDATE ON platform.databases
  FOR EACH ROW
  WHEN ((OLD.id, OLD.project_id, OLD.name, OLD.type, OLD.description, OLD.host, OLD.port, OLD.database_name,
         OLD.username, OLD.config, OLD.status, OLD.created_at, OLD.updated_at)
    IS DISTINCT FROM
        (NEW.id, NEW.project_id, NEW.name, NEW.type, NEW.description, NEW.host, NEW.port, NEW.database_name,
         NEW.username, NEW.config, NEW.status, NEW.created_at, NEW.updated_at))
  EXECUTE FUNCTION platform.notify_lists_changed();

CREATE OR REPLACE TRIGGER projects_lists_changed
  AFTER UPDATE ON platform.projects
  FOR EACH ROW
  WHEN ((OLD.ref, OLD.name, OLD.organization_id) IS DISTINCT FROM (NEW.ref, NEW.name, NEW.organization_id))
  EXECUTE FUNCTION platform.notify_lists_changed();

CREATE OR REPLACE TRIGGER organizations_lists_changed
  AFTER UPDATE ON platform.organizations
  FOR EACH ROW
  WHEN ((OLD.slug, OLD.name) IS DISTINCT FROM (NEW.slug, NEW.name))
  EXECUTE FUNCTION platform.notify_lists_changed();

-- One check each, for a day. No foreign keys here: TRUNCATE platform.databases must go on working. Rows of a database that
-- is gone are deleted by the trigger below, and at the latest with their age.
CREATE TABLE IF NOT EXISTS platform.database_health (
  database_id uuid NOT NULL,
  checked_at timestamptz NOT NULL,
  -- Milliseconds to connect, log in and ask for the version; NULL where that failed.
  latency_ms double precision,
  error_code text NOT NULL DEFAULT '',
  PRIMARY KEY (database_id, checked_at)
);

-- For what goes by time alone: pruning, and the totals of all databases.
CREATE INDEX IF NOT EXISTS database_health_checked_at_idx ON platform.database_health (checked_at);

-- The same by the hour, for thirty days; counted as the checks come in, so that no job has to have run.
CREATE TABLE IF NOT EXISTS platform.database_health_hourly (
  database_id uuid NOT NULL,
  hour timestamptz NOT NULL,
  checks integer NOT NULL,
  errors integer NOT NULL,
  latency_ms_sum double precision NOT NULL,
  latency_ms_max double precision NOT NULL,
  error_code text NOT NULL DEFAULT '',
  PRIMARY KEY (database_id, hour)
);

CREATE INDEX IF NOT EXISTS database_health_hourly_hour_idx ON platform.database_health_hourly (hour);

-- What the checker has to know of a database, here so that another replica goes on where one stopped.
CREATE TABLE IF NOT EXISTS platform.database_health_state (
  database_id uuid PRIMARY KEY,
  last_checked_at timestamptz,
  -- When somebody last asked for the database: until then it is checked often.
  last_viewed_at timestamptz,
  -- Factor by which this database's next wait differs from the interval.
  jitter double precision NOT NULL DEFAULT 1,
  -- How many of the last checks in a row said the same.
  failures integer NOT NULL DEFAULT 0,
  successes integer NOT NULL DEFAULT 0,
  -- What those counts are about; where it has changed since, they begin anew.
  status text,
  connection_version uuid
);

CREATE OR REPLACE FUNCTION platform.forget_database_health() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    DELETE FROM platform.database_health;
    DELETE FROM platform.database_health_hourly;
    DELETE FROM platform.database_health_state;
  ELSE
    DELETE FROM platform.database_health WHERE database_id = OLD.id;
    DELETE FROM platform.database_health_hourly WHERE database_id = OLD.id;
    DELETE FROM platform.database_health_state WHERE database_id = OLD.id;
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER databases_forget_health
  AFTER DELETE ON platform.databases
  FOR EACH ROW EXECUTE FUNCTION platform.forget_database_health();

CREATE OR REPLACE TRIGGER databases_forget_all_health
  AFTER TRUNCATE ON platform.databases
  FOR EACH STATEMENT EXECUTE FUNCTION platform.forget_database_health();

COMMIT;
