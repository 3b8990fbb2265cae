-- The audit log: who did what, chained so that a change afterwards shows (docs/audit.md). Needs 002.
--
-- For PostgreSQL 14 and newer. Runs any number of times:
-- psql "$DATABASE_URL" -f deploy/sql/007_audit_log.sql

BEGIN;

SET LOCAL client_min_messages = warning;

-- The key is the one that `python -m services.registry migrate` takes.
SELECT pg_advisory_xact_lock(7237110982);

-- Texts are never NULL and compared byte by byte: what is not known is empty. No foreign keys: the record of a database
-- outlives it.
CREATE TABLE IF NOT EXISTS platform.database_audit_log (
  sequence bigint PRIMARY KEY,
  -- When it was stored. Never goes back from one row to the next, so what is old enough to go is a beginning.
  recorded_at timestamptz NOT NULL,
  occurred_at timestamptz NOT NULL,
  action text COLLATE "C" NOT NULL,
  effect text COLLATE "C" NOT NULL,
  outcome text COLLATE "C" NOT NULL,
  reason text COLLATE "C" NOT NULL,
  actor text COLLATE "C" NOT NULL,
  credential text COLLATE "C" NOT NULL,
  credential_id text COLLATE "C" NOT NULL,
  role text COLLATE "C" NOT NULL,
  -- As the request had it, which need not be a UUID.
  database_id text COLLATE "C" NOT NULL,
  database_name text COLLATE "C" NOT NULL,
  project_ref text COLLATE "C" NOT NULL,
  -- Not jsonb: that would write it differently, and the text is part of the chain.
  target json NOT NULL,
  duration_us bigint NOT NULL,
  client_address text COLLATE "C" NOT NULL,
  request_id text COLLATE "C" NOT NULL,
  service text COLLATE "C" NOT NULL,
  source uuid NOT NULL,
  source_sequence bigint NOT NULL,
  -- HMAC-SHA-256 of the hash of the row before and of this row.
  hash bytea NOT NULL
);

-- All in the order of lists, so that a page is read from its index from where it begins. Partial where most rows have
-- nothing to be found by: each index that a row is in costs about a microsecond when it is stored.
-- An expression, so that this one has the order of what is asked for by time alone and no other: the planner, which does
-- not know how rare a value is, would follow it in search of a rare one through the whole log.
CREATE INDEX IF NOT EXISTS database_audit_log_time_idx
  ON platform.database_audit_log ((occurred_at AT TIME ZONE 'UTC'), sequence);
CREATE INDEX IF NOT EXISTS database_audit_log_database_idx
  ON platform.database_audit_log (database_id, occurred_at, sequence) WHERE database_id <> '';
CREATE INDEX IF NOT EXISTS database_audit_log_actor_idx
  ON platform.database_audit_log (actor, occurred_at, sequence);
CREATE INDEX IF NOT EXISTS database_audit_log_action_idx
  ON platform.database_audit_log (action, occurred_at, sequence);
CREATE INDEX IF NOT EXISTS database_audit_log_area_idx
  ON platform.database_audit_log (split_part(action, '.', 1), occurred_at, sequence);
CREATE INDEX IF NOT EXISTS database_audit_log_project_idx
  ON platform.database_audit_log (project_ref, occurred_at, sequence) WHERE project_ref <> '';
CREATE INDEX IF NOT EXISTS database_audit_log_effect_idx
  ON platform.database_audit_log (effect, occurred_at, sequence) WHERE effect <> 'reads';
CREATE INDEX IF NOT EXISTS database_audit_log_outcome_idx
  ON platform.database_audit_log (outcome, occurred_at, sequence) WHERE outcome <> 'ok';
CREATE INDEX IF NOT EXISTS database_audit_log_request_idx
  ON platform.database_audit_log (request_id, occurred_at, sequence) WHERE request_id <> '';
CREATE INDEX IF NOT EXISTS database_audit_log_api_keys_idx
  ON platform.database_audit_log (actor, occurred_at, sequence) WHERE action LIKE 'registry.api_key.%';

-- How far each source of events is stored: what is sent again is recognised by it.
CREATE TABLE IF NOT EXISTS platform.audit_sources (
  source uuid PRIMARY KEY,
  next_sequence bigint NOT NULL,
  last_seen_at timestamptz NOT NULL DEFAULT now()
);

-- One row: where the chain ends, and where it begins after the oldest rows have gone. Who records holds its lock.
CREATE TABLE IF NOT EXISTS platform.audit_chain (
  is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
  sequence bigint NOT NULL DEFAULT 0,
  hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  -- The last row that has gone by its age, its hash, and an HMAC over both.
  checkpoint_sequence bigint NOT NULL DEFAULT 0,
  checkpoint_hash bytea NOT NULL DEFAULT decode(repeat('00', 32), 'hex'),
  checkpoint_mac bytea NOT NULL DEFAULT ''
);

INSERT INTO platform.audit_chain DEFAULT VALUES ON CONFLICT DO NOTHING;

COMMIT;
