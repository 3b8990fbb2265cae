/** Connection strings and their parts, kept in step while one of them is edited.
 *
 * The registry decides what a connection string means (docs/connections.md); this reads and writes the usual forms, so that a
 * form can show both. What it can't take apart stays a text, and the parts are not shown. */

import type { EngineType } from "./engines";

/** The parts of a connection, decoded. */
export interface Parts {
  /** `host`, or several as in the URL: `a:1,b:2`. */
  host: string;
  /** Decimal; empty for the engine's own, or where `host` names several. */
  port: string;
  username: string;
  password: string;
  /** Database name or number, or the base path of an API. */
  path: string;
  tls: boolean;
  /** What stands behind `?`, as it is. */
  query: string;
}

interface Form {
  /** Schemes without and with TLS; the same where TLS is an option. */
  plain: string;
  tls: string;
  others: readonly string[];
  port: string;
}

const FORMS: Readonly<Record<EngineType, Form>> = {
  redis: { plain: "redis", tls: "rediss", others: ["valkey", "valkeys"], port: "6379" },
  mongodb: { plain: "mongodb", tls: "mongodb", others: ["mongodb+srv"], port: "27017" },
  bun_api: { plain: "http", tls: "https", others: [], port: "" },
  postgres: { plain: "postgresql", tls: "postgresql", others: ["postgres"], port: "5432" },
};

const TLS_OPTION: Partial<Record<EngineType, readonly [string, string]>> = {
  mongodb: ["tls", "true"],
  postgres: ["sslmode", "require"],
};

export const EMPTY: Parts = {
  host: "",
  port: "",
  username: "",
  password: "",
  path: "",
  tls: false,
  query: "",
};

/** An example for the type's field. */
export function example(type: EngineType): string {
  const { plain, port } = FORMS[type];
  if (type === "bun_api") return "https://:key@api.example.com/base/path";
  return `${plain}://user:password@host:${port}/${type === "redis" ? "0" : "database"}`;
}

/** The port where none is given. */
export function defaultPort(type: EngineType): string {
  return FORMS[type].port;
}

/** The type that a connection string is of, by its scheme; undefined where no type has it. */
export function typeOf(text: string): EngineType | undefined {
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text.trim())?.[1]?.toLowerCase() ?? "";
  const base = scheme.split("+")[0] ?? "";
  for (const [type, form] of Object.entries(FORMS)) {
    if ([form.plain, form.tls, ...form.others].some((each) => each.split("+")[0] === base))
      return type as EngineType;
  }
  return undefined;
}

const URL_FORM = /^([a-z][a-z0-9+.-]*):\/\/(?:([^/?#]*)@)?([^/?#@]*)(?:\/([^?#]*))?(?:\?([^#]*))?$/i;

/** The parts of a connection string; a sentence where it can't be taken apart. */
export function parse(type: EngineType, text: string): Parts | string {
  const trimmed = text.trim();
  if (!trimmed) return "Give a connection string.";
  const form = FORMS[type];
  const match = URL_FORM.exec(trimmed);
  if (!match) return problemOf(trimmed);
  const [, scheme = "", login = "", hosts = "", path = "", query = ""] = match;
  const known = [form.plain, form.tls, ...form.others];
  if (!known.includes(scheme.toLowerCase())) {
    return typeOf(trimmed) === type
      ? "This form is taken as it is; its parts can't be shown."
      : `A connection string of this type begins with ${form.plain}:// — this one with ${scheme}://.`;
  }
  if (!hosts) return "The connection string names no host.";
  const [username = "", ...rest] = login.split(":");
  const host = /^(\[[^\]]+\]|[^:,]+):(\d+)$/.exec(hosts);
  try {
    return {
      host: host?.[1] ?? hosts,
      port: host?.[2] ?? "",
      username: decodeURIComponent(username),
      password: decodeURIComponent(rest.join(":")),
      path: decodeURIComponent(path),
      tls: isTls(type, scheme.toLowerCase(), query),
      query,
    };
  } catch {
    return "An escape (%…) in the connection string is not complete.";
  }
}

/** The connection string of parts; every character of user and password is encoded that needs to be. */
export function format(type: EngineType, parts: Parts, scheme?: string): string {
  const form = FORMS[type];
  const option = TLS_OPTION[type];
  const chosen = option && scheme ? scheme : parts.tls ? form.tls : form.plain;
  const user = encodeURIComponent(parts.username);
  const password = parts.password ? `:${encodeURIComponent(parts.password)}` : "";
  const login = user || password ? `${user}${password}@` : "";
  const port = parts.port ? `:${parts.port}` : "";
  const path = parts.path ? `/${parts.path.split("/").map(encodeURIComponent).join("/")}` : "";
  const query = option ? withOption(parts.query, option, parts.tls) : parts.query;
  // MongoDB's options need the slash in front.
  const slash = query && !path && type === "mongodb" ? "/" : "";
  return `${chosen}://${login}${parts.host}${port}${path}${slash}${query ? `?${query}` : ""}`;
}

/** The connection string with its password out of sight. */
export function masked(text: string): string {
  return text.replace(/^([a-z][a-z0-9+.-]*:\/\/[^/?#@:]*):[^/?#]*@/i, "$1:••••••@");
}

function isTls(type: EngineType, scheme: string, query: string): boolean {
  const form = FORMS[type];
  const option = TLS_OPTION[type];
  if (!option) return scheme === form.tls || scheme === "valkeys";
  const values = new URLSearchParams(query);
  const value = values.get(option[0]) ?? (type === "mongodb" ? values.get("ssl") : null);
  if (type === "mongodb") return value === "true" || (value === null && scheme === "mongodb+srv");
  return ["require", "verify-ca", "verify-full"].includes(value ?? "");
}

function withOption(query: string, [name, value]: readonly [string, string], on: boolean): string {
  const kept = query.split("&").filter((each) => each && !each.startsWith(`${name}=`));
  const present = query.split("&").find((each) => each.startsWith(`${name}=`));
  if (on)
    kept.push(
      present && present !== `${name}=false` && present !== `${name}=disable` ? present : `${name}=${value}`,
    );
  return kept.join("&");
}

function problemOf(text: string): string {
  if (!text.includes("://"))
    return "A connection string begins with a scheme: redis://, mongodb://, https://, postgresql://.";
  if (text.includes("#")) return 'A "#" in a user name or password is written %23.';
  return "This can't be read. In user names and passwords, @ : / # % ? are written as %40 %3A %2F %23 %25 %3F.";
}
