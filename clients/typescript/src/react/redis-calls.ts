/** Calls of Redis's service, by the part of their path behind the database: typed by the contract, without a hook for each. */

import { useMutation, useQueryClient } from "@tanstack/react-query";
import { type Client, data } from "../client.js";
import type { paths } from "../generated/schema.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";
import type { RedisName } from "./redis-blob.js";

type Prefix = "/api/platform/redis/{database_id}/";
type Json<A> = A extends { content: { "application/json": infer J } } ? J : never;
type Ok<O> = O extends { responses: { 200: infer A } } ? Json<A> : never;
type Names = "key" | "key_base64";

/** Routes that read: `hash`, `stream/groups`. */
export type RedisRead = {
  [P in keyof paths]: P extends `${Prefix}${infer R}`
    ? paths[P] extends { get: { responses: { 200: { content: { "application/json": unknown } } } } }
      ? R
      : never
    : never;
}[keyof paths];
/** Routes that change: `hash/set`, `key/rename`. */
export type RedisWrite = {
  [P in keyof paths]: P extends `${Prefix}${infer R}`
    ? paths[P] extends { post: { responses: { 200: { content: { "application/json": unknown } } } } }
      ? R
      : never
    : never;
}[keyof paths];

type Get<R extends RedisRead> = paths[`${Prefix}${R}`] extends { get: infer O } ? O : never;
type Post<R extends RedisWrite> = paths[`${Prefix}${R}`] extends { post: infer O } ? O : never;
type BodyOf<O> = O extends { requestBody: infer B } ? Json<B> : never;

export type RedisQuery<R extends RedisRead> =
  Get<R> extends { parameters: { query?: infer Q } } ? Q & object : never;
export type RedisAnswer<R extends RedisRead> = Ok<Get<R>>;
export type RedisBody<R extends RedisWrite> = BodyOf<Post<R>>;
export type RedisWritten<R extends RedisWrite> = Ok<Post<R>>;

type Loose = (path: string, init: object) => Promise<{ data?: unknown }>;

/** Reads. */
export async function redisGet<R extends RedisRead>(
  client: Client,
  databaseId: string,
  route: R,
  query: RedisQuery<R>,
  signal?: AbortSignal,
): Promise<RedisAnswer<R>> {
  // The types above tie route, query and answer together; a generic path is beyond what openapi-fetch infers.
  const get = client.GET as unknown as Loose;
  const params = { path: { database_id: databaseId }, query };
  const answer = await data(get(`/api/platform/redis/{database_id}/${route}`, { params, signal }));
  return answer as RedisAnswer<R>;
}

/** Changes. */
export async function redisPost<R extends RedisWrite>(
  client: Client,
  databaseId: string,
  route: R,
  body: RedisBody<R>,
  signal?: AbortSignal,
): Promise<RedisWritten<R>> {
  const post = client.POST as unknown as Loose;
  const params = { path: { database_id: databaseId } };
  const answer = await data(post(`/api/platform/redis/{database_id}/${route}`, { params, body, signal }));
  return answer as RedisWritten<R>;
}

/** The query key of what is known of one key; its values have more behind it. */
export function redisKeyId(databaseId: string, name: RedisName, ...more: readonly unknown[]) {
  return keys.engine(
    "redis",
    databaseId,
    "key",
    name.key_base64 ? `b${name.key_base64}` : `t${name.key}`,
    ...more,
  );
}

/** A change of one key, by its route. What is known of the key is asked for anew; its elements are the page's matter. */
export function useRedisChange<R extends RedisWrite>(databaseId: string, name: RedisName, route: R) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: Omit<RedisBody<R>, Names>) =>
      redisPost(client, databaseId, route, { ...name, ...body } as unknown as RedisBody<R>),
    onSuccess: () => queries.invalidateQueries({ queryKey: redisKeyId(databaseId, name, "details") }),
  });
}
