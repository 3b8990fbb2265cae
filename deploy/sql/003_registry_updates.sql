-- What changing databases asks of the schema: requests that may be repeated, databases out of use, projects that are
-- renamed. Needs 002.
--
-- For PostgreSQL 14 and newer. Runs any number of times:
-- psql "$DATABASE_URL" -f deploy/sql/003_registry_updates.sql

BEGIN;

SET LOCAL client_min_messages = warning;

-- The key is the one that `python -m services.registry migrate` takes.
SELECT pg_advisory_xact_lock(7237110982);

-- Which database a request made, so that its repeat makes no second one. Without a foreign key: the repeat of a request
-- whose database is gone must not make it again.
CREATE TABLE IF NOT EXISTS platform.database_requests (
  request_id uuid PRIMARY KEY,
  database_id uuid NOT NULL,
  payload_digest text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);

COMMENT ON COLUMN platform.database_requests.payload_digest IS
  'Keyed: what was asked for includes a password, which a plain digest would let somebody guess.';

-- Old ones are deleted by later requests.
CREATE INDEX IF NOT EXISTS database_requests_created_at_idx ON platform.database_requests (created_at);

-- When a user took the database out of use; NULL while it is in use. The status alone can't tell: `inactive` is also
-- what has never been tested, and that may be used.
ALTER TABLE platform.databases ADD COLUMN IF NOT EXISTS deactivated_at timestamptz;

CREATE OR REPLACE TRIGGER databases_notify_use
  AFTER UPDATE ON platform.databases
  FOR EACH ROW
  WHEN ((OLD.deactivated_at IS NULL) IS DISTINCT FROM (NEW.deactivated_at IS NULL))
  EXECUTE FUNCTION platform.notify_database_changed();

-- Services show a project's ref and name beside its databases.
CREATE OR REPLACE FUNCTION platform.notify_project_changed() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  most constant integer := 100;
BEGIN
  -- Beyond that, one message that makes everybody compare is cheaper than one a database.
  IF (SELECT count(*) FROM (SELECT FROM platform.databases d WHERE d.project_id = NEW.id LIMIT most + 1) few) > most THEN
    PERFORM pg_notify('studio_databases', '{"op": "resync"}');
  ELSE
    PERFORM pg_notify('studio_databases',
      json_build_object('op', 'changed', 'id', d.id, 'types', json_build_array(d.type, d.type))::text)
    FROM platform.databases d WHERE d.project_id = NEW.id;
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER projects_notify_changed
  AFTER UPDATE ON platform.projects
  FOR EACH ROW
  WHEN ((OLD.ref, OLD.name) IS DISTINCT FROM (NEW.ref, NEW.name))
  EXECUTE FUNCTION platform.notify_project_changed();

COMMIT;
