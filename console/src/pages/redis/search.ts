/** What of the Redis page stands in its address. */

import type { RedisName } from "@studio-databases/client/react";

/** `key` or `key64` is the key that is open; other views keep their own names beside. */
export interface RedisSearch {
  view?: string | undefined;
  key?: string | undefined;
  key64?: string | undefined;
  pattern?: string | undefined;
  type?: string | undefined;
  layout?: "list" | "tree" | undefined;
  [name: string]: string | undefined;
}

const BASE64 = /^(?:[A-Za-z0-9+/_-]{4})*(?:[A-Za-z0-9+/_-]{2,3}={0,2})?$/;

/** The address may hold anything; what is no text but a number or so is taken as it reads. */
export function redisSearch(given: Record<string, unknown>): RedisSearch {
  const found: RedisSearch = {};
  for (const [name, value] of Object.entries(given)) {
    if (typeof value === "string") found[name] = value;
    else if (typeof value === "number" || typeof value === "boolean") found[name] = String(value);
  }
  if (found.layout !== "tree") found.layout = undefined;
  if (!found.key64 || !BASE64.test(found.key64)) found.key64 = undefined;
  return found;
}

/** The key that is open. */
export function chosenKey(search: RedisSearch): RedisName | undefined {
  if (search.key64) return { key_base64: search.key64 };
  return search.key === undefined ? undefined : { key: search.key };
}

/** The same for the address. */
export function keySearch(name: RedisName | undefined): Pick<RedisSearch, "key" | "key64"> {
  return { key: name?.key, key64: name?.key_base64 };
}
