/** What the settings' form holds, and what of it is sent. */

import { ApiError } from "@studio-databases/client";
import type { Database, UpdateDatabase } from "@studio-databases/client/react";
import { isMarked } from "@/lib/engines";

export interface Edited {
  name: string;
  description: string;
  readOnly: boolean;
  production: boolean;
  /** A whole new connection string; empty to keep the stored one, or to change its parts. */
  connection: string;
  host: string;
  port: string;
  databaseName: string;
  username: string;
  /** A new one; the stored one is shown to nobody. */
  password: string;
}

export function edited(database: Database): Edited {
  return {
    name: database.name,
    description: database.description,
    readOnly: isMarked(database, "readonly"),
    production: isMarked(database, "production"),
    connection: "",
    host: database.host,
    port: database.port ? String(database.port) : "",
    databaseName: database.database_name,
    username: database.username,
    password: "",
  };
}

/** Only what was changed: others may change the rest meanwhile. */
export function changes(database: Database, now: Edited): UpdateDatabase {
  const before = edited(database);
  const body: UpdateDatabase = {};
  if (now.name !== before.name) body.name = now.name;
  if (now.description !== before.description) body.description = now.description;
  if (now.connection) body.connection_string = now.connection.trim();
  else {
    if (now.host !== before.host) body.host = now.host;
    if (now.port !== before.port) body.port = Number(now.port);
    if (now.databaseName !== before.databaseName) body.database_name = now.databaseName;
    if (now.username !== before.username) body.username = now.username;
    if (now.password) body.password = now.password;
  }
  if (now.readOnly !== before.readOnly || now.production !== before.production) {
    const kept = Object.entries(database.config ?? {}).filter(
      ([name]) => !["readonly", "production"].includes(name.replaceAll(/[_-]/g, "").toLowerCase()),
    );
    body.config = {
      ...Object.fromEntries(kept),
      ...(now.readOnly ? { read_only: true } : {}),
      ...(now.production ? { production: true } : {}),
    };
  }
  return body;
}

/** Reasons of a change that are about the connection: it can be saved all the same. */
const UNTESTED = /^DB_|^SERVICE_UNAVAILABLE$/;

/** Whether a change failed since its connection does. */
export function isUntested(error: unknown): boolean {
  return error instanceof ApiError && UNTESTED.test(error.code);
}
