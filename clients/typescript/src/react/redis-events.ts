/** Redis: calls that go on for a while and tell how far they are: work on many keys, analysis, what happens on the server. */

import type { Client } from "../client.js";
import { events } from "../events.js";
import type { components, paths } from "../generated/schema.js";

type Schemas = components["schemas"];
export type RedisSelection = Schemas["RedisKeySelection"];
export type RedisProgress = Schemas["RedisWorkProgress"];
export type RedisAnalysis = Schemas["RedisAnalyzeMemoryResponse"];
export type RedisKeyMemory = Schemas["RedisKeyMemory"];
export type RedisMonitored = Schemas["RedisMonitorResponse"];
export type RedisMessage = Schemas["RedisSubscribeResponse"];
export type RedisKeyEvent = Schemas["RedisWatchKeyspaceResponse"];

type Prefix = "/api/platform/redis/{database_id}/";

/** What the routes' events are; the contract names them, the OpenAPI document can't. */
interface Watched {
  monitor: RedisMonitored;
  subscribe: RedisMessage;
  "keyspace-events": RedisKeyEvent;
  analysis: RedisAnalysis;
}
export type RedisWatch = keyof Watched;
export type RedisWatched<R extends RedisWatch> = Watched[R];
export type RedisWatchQuery<R extends RedisWatch> = NonNullable<
  paths[`${Prefix}${R}`]["get"]["parameters"]["query"]
>;

/** Work on many keys, as its route is called. */
export type RedisWork = "bulk/preview" | "bulk/delete" | "bulk/expire" | "bulk/copy";
export type RedisWorkBody<W extends RedisWork | "export"> =
  paths[`${Prefix}${W}`]["post"]["requestBody"]["content"]["application/json"];

/** A job: its route with what that takes. */
export type RedisJob = { [W in RedisWork]: { work: W; body: RedisWorkBody<W> } }[RedisWork];

type Loose = (path: string, init: object) => Promise<{ response: Response }>;

/** Watches what goes on; leaving the loop, or aborting, ends it. */
export async function* watchRedis<R extends RedisWatch>(
  client: Client,
  databaseId: string,
  route: R,
  query: RedisWatchQuery<R>,
  signal: AbortSignal,
): AsyncGenerator<RedisWatched<R>, void, undefined> {
  // The types above tie route, query and events together; a generic path is beyond what openapi-fetch infers.
  const get = client.GET as unknown as Loose;
  const params = { path: { database_id: databaseId }, query };
  const { response } = await get(`/api/platform/redis/{database_id}/${route}`, {
    params,
    parseAs: "stream",
    signal,
  });
  yield* events<RedisWatched<R>>(response);
}

/** Works on the keys of a selection; leaving the loop, or aborting, stops the work. */
export async function* workOnRedis(
  client: Client,
  databaseId: string,
  job: RedisJob,
  signal: AbortSignal,
): AsyncGenerator<RedisProgress, void, undefined> {
  const post = client.POST as unknown as Loose;
  const { response } = await post(`/api/platform/redis/{database_id}/${job.work}`, {
    params: { path: { database_id: databaseId } },
    body: job.body,
    parseAs: "stream",
    signal,
  });
  yield* events<RedisProgress>(response);
}

/** Begins an export: the answer's body is its lines. */
export async function exportRedis(
  client: Client,
  databaseId: string,
  body: RedisWorkBody<"export">,
  signal: AbortSignal,
): Promise<Response> {
  const post = client.POST as unknown as Loose;
  const params = { path: { database_id: databaseId } };
  const { response } = await post("/api/platform/redis/{database_id}/export", {
    params,
    body,
    parseAs: "stream",
    signal,
  });
  return response;
}
