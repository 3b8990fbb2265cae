-- API keys, and what was revoked or signed out lately. Needs 001.
--
-- For PostgreSQL 14 and newer. Runs any number of times:
-- psql "$DATABASE_URL" -f deploy/sql/006_credentials.sql

BEGIN;

SET LOCAL client_min_messages = warning;

-- The key is the one that `python -m services.registry migrate` takes.
SELECT pg_advisory_xact_lock(7237110982);

CREATE TABLE IF NOT EXISTS platform.api_keys (
  id text PRIMARY KEY,
  name text NOT NULL,
  secret_hash bytea NOT NULL,
  role text NOT NULL CHECK (role IN ('owner', 'administrator', 'developer', 'read_only', 'none')),
  project_refs text[],
  created_by text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  last_used_at timestamptz,
  revoked_at timestamptz
);

COMMENT ON TABLE platform.api_keys IS
  'What a key may do never changes: revoke it and issue another one. Services remember it until it is revoked or deleted.';
COMMENT ON COLUMN platform.api_keys.secret_hash IS 'SHA-256 of the SHA-256 of 256 random bits: nobody can guess those.';
COMMENT ON COLUMN platform.api_keys.project_refs IS 'NULL: all projects.';

CREATE INDEX IF NOT EXISTS api_keys_created_at_idx ON platform.api_keys (created_at DESC, id DESC);

CREATE INDEX IF NOT EXISTS api_keys_created_by_idx ON platform.api_keys (created_by);

-- Ids of API keys and sessions that nobody may use any more, for as long as somebody could show a cookie that looks valid.
CREATE TABLE IF NOT EXISTS platform.ended_credentials (
  id text PRIMARY KEY,
  forget_at timestamptz NOT NULL
);

CREATE INDEX IF NOT EXISTS ended_credentials_forget_at_idx ON platform.ended_credentials (forget_at);

-- A session's cookie lasts a quarter of an hour; twice that covers one that was renewed in the same moment.
CREATE OR REPLACE FUNCTION platform.end_credential(credential_id text) RETURNS void LANGUAGE sql AS $$
  -- A few more than one is added, so that the table shrinks to what is recent.
  DELETE FROM platform.ended_credentials WHERE id IN (
    SELECT e.id FROM platform.ended_credentials e WHERE e.forget_at < now()
    ORDER BY e.forget_at LIMIT 10 FOR UPDATE SKIP LOCKED
  );
  INSERT INTO platform.ended_credentials (id, forget_at) VALUES (credential_id, now() + interval '30 minutes')
  ON CONFLICT (id) DO UPDATE SET forget_at = excluded.forget_at;
$$;

-- Tells the registry's processes; they tell the services (`CredentialService.Watch…`).
CREATE OR REPLACE FUNCTION platform.notify_credential_ended() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('studio_credentials', json_build_object(
    'id', NEW.id, 'forget_after_s', extract(epoch FROM NEW.forget_at - now()))::text);
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER ended_credentials_notify
  AFTER INSERT OR UPDATE ON platform.ended_credentials
  FOR EACH ROW EXECUTE FUNCTION platform.notify_credential_ended();

-- However a key is revoked or deleted, by hand too. The keys that were issued with it, and with those, end with it: whoever
-- has stolen a key must not live on in others. All in one statement: the triggers of those find nothing left to do.
CREATE OR REPLACE FUNCTION platform.end_api_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    PERFORM pg_notify('studio_credentials', '{"op": "resync"}');
  ELSE
    PERFORM platform.end_credential(OLD.id);
    IF pg_trigger_depth() > 1 THEN
      RETURN NULL;
    END IF;
    WITH RECURSIVE issued (id) AS (
      SELECT k.id FROM platform.api_keys k WHERE k.created_by = 'key:' || OLD.id AND k.revoked_at IS NULL
      UNION
      SELECT k.id FROM issued i JOIN platform.api_keys k ON k.created_by = 'key:' || i.id AND k.revoked_at IS NULL
    )
    UPDATE platform.api_keys SET revoked_at = now() WHERE id IN (SELECT i.id FROM issued i) AND revoked_at IS NULL;
  END IF;
  RETURN NULL;
END
$$;

CREATE OR REPLACE TRIGGER api_keys_revoked
  AFTER UPDATE ON platform.api_keys
  FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
  EXECUTE FUNCTION platform.end_api_key();

CREATE OR REPLACE TRIGGER api_keys_deleted
  AFTER DELETE ON platform.api_keys
  FOR EACH ROW EXECUTE FUNCTION platform.end_api_key();

CREATE OR REPLACE TRIGGER api_keys_truncated
  AFTER TRUNCATE ON platform.api_keys
  FOR EACH STATEMENT EXECUTE FUNCTION platform.end_api_key();

COMMIT;
