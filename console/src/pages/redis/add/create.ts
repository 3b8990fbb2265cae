/** Making a key of each type: only where there is none of its name. */

import { ApiError, type Client } from "@studio-databases/client";
import { type RedisBlobInput, type RedisName, redisGet, redisPost } from "@studio-databases/client/react";
import type { Typed } from "../bytes-field";
import { fieldsOf, type TypedField } from "../streams/fields";
import { membersOf, type TypedMembers } from "../values/members-field";

/** Types that can be made, and the action that the contract calls it. */
export const NEEDS = {
  string: "redis.key.set",
  hash: "redis.hash.set",
  list: "redis.list.push",
  set: "redis.set.add",
  zset: "redis.sortedset.add",
  stream: "redis.stream.add",
  "ReJSON-RL": "redis.json.set",
} as const;

/** What is typed, for whichever type. */
export interface Draft {
  type: keyof typeof NEEDS;
  content: Typed;
  fields: TypedField[];
  members: TypedMembers;
  score: string;
  json: string;
}

type Fields = { field: RedisBlobInput; content: RedisBlobInput }[];
/** The first value of a key. */
export type Value =
  | { type: "string"; content: RedisBlobInput }
  | { type: "hash" | "stream"; fields: Fields }
  | { type: "list" | "set"; members: RedisBlobInput[] }
  | { type: "zset"; members: { member: RedisBlobInput; score: string }[] }
  | { type: "ReJSON-RL"; json: string };

const SCORE = /^(?:[+-]?inf|[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)$/;

/** The value that is typed; undefined while it is none. */
export function typedValue({ type, content, fields, members, score, json }: Draft): Value | undefined {
  switch (type) {
    case "string":
      return content.blob ? { type, content: content.blob } : undefined;
    case "hash":
    case "stream": {
      const found = fieldsOf(fields);
      return found ? { type, fields: found } : undefined;
    }
    case "list":
    case "set": {
      const found = membersOf(members);
      return found ? { type, members: found } : undefined;
    }
    case "zset": {
      const found = SCORE.test(score) ? membersOf(members) : undefined;
      return found ? { type, members: found.map((member) => ({ member, score })) } : undefined;
    }
    case "ReJSON-RL":
      try {
        JSON.parse(json);
        return { type, json };
      } catch {
        return undefined;
      }
  }
}

/** Makes the key.
 *
 * @throws where there is a key of this name.
 */
export async function createKey(
  client: Client,
  databaseId: string,
  name: RedisName,
  value: Value,
  ttlMs: number | undefined,
): Promise<void> {
  if (value.type === "string") {
    const ttl = ttlMs === undefined ? {} : { ttl_ms: ttlMs };
    await redisPost(client, databaseId, "set", { ...name, ...value.content, ...ttl, if_not_exists: true });
    return;
  }
  if (await exists(client, databaseId, name)) throw new Error("There is a key of this name.");
  await write(client, databaseId, name, value);
  if (ttlMs !== undefined) await redisPost(client, databaseId, "key/expire", { ...name, ttl_ms: ttlMs });
}

async function exists(client: Client, databaseId: string, name: RedisName): Promise<boolean> {
  try {
    await redisGet(client, databaseId, "key", { ...name, memory_samples: 1 });
    return true;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) return false;
    throw error;
  }
}

async function write(
  client: Client,
  databaseId: string,
  name: RedisName,
  value: Exclude<Value, { type: "string" }>,
): Promise<void> {
  switch (value.type) {
    case "hash": {
      const fields = value.fields.map((each) => ({ ...each, absent: true }));
      await redisPost(client, databaseId, "hash/set", { ...name, fields });
      return;
    }
    case "list":
      await redisPost(client, databaseId, "list/push", { ...name, items: value.members });
      return;
    case "set":
      await redisPost(client, databaseId, "set-members/add", { ...name, members: value.members });
      return;
    case "zset":
      await redisPost(client, databaseId, "sorted-set/add", {
        ...name,
        members: value.members,
        only_new: true,
      });
      return;
    case "stream":
      await redisPost(client, databaseId, "stream/add", { ...name, fields: value.fields });
      return;
    case "ReJSON-RL":
      await redisPost(client, databaseId, "json/set", { ...name, path: "$", json: value.json });
  }
}
