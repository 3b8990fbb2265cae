/** Indexes of a MongoDB collection. */

import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Client, data } from "../client.js";
import { events } from "../events.js";
import type { components } from "../generated/schema.js";
import { ExactJson, stringifyExact } from "../json.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";
import type { MongoNamespace } from "./mongodb.js";
import type { Read } from "./mongodb-documents.js";

type Schemas = components["schemas"];
export type MongoIndexes = Schemas["MongodbListIndexesResponse"];
export type MongoIndex = Schemas["MongodbIndexInfo"];
export type MongoIndexBuild = Schemas["MongodbIndexBuild"];

/** An index to build; its documents are Extended JSON texts, empty for none. */
export interface MongoIndexSpec {
  key: string;
  name: string;
  unique: boolean;
  sparse: boolean;
  hidden: boolean;
  expireAfterSeconds: number | undefined;
  partialFilterExpression: string;
  collation: string;
}

const WHILE_BUILDING_MS = 2_000;
const exact = (text: string): ExactJson | undefined => (text ? new ExactJson(text) : undefined);

function keyOf(databaseId: string, of: MongoNamespace) {
  return keys.engine("mongodb", databaseId, "indexes", of.databaseName, of.collection);
}

/** The indexes with size and use; asked for again while some are being built. */
export function useMongoIndexes<T>(
  databaseId: string,
  of: MongoNamespace,
  read: Read<T>,
  isBuilding: (found: T) => boolean,
) {
  const client = useClient();
  return useQuery<T>({
    queryKey: keyOf(databaseId, of),
    refetchInterval: (query) =>
      query.state.data !== undefined && isBuilding(query.state.data) ? WHILE_BUILDING_MS : false,
    queryFn: async ({ signal }): Promise<T> => {
      const query = {
        database_name: of.databaseName,
        collection: of.collection,
        ejson: "canonical" as const,
      };
      const params = { path: { database_id: databaseId }, query };
      const call = client.GET("/api/platform/mongodb/{database_id}/indexes", {
        params,
        parseAs: "text",
        signal,
      });
      return read(await data(call));
    },
  });
}

/** Builds indexes; ending the loop, or the signal, aborts the build. */
export async function* buildMongoIndexes(
  client: Client,
  databaseId: string,
  of: MongoNamespace,
  specs: readonly MongoIndexSpec[],
  signal: AbortSignal,
): AsyncGenerator<MongoIndexBuild, void, undefined> {
  const { response } = await client.POST("/api/platform/mongodb/{database_id}/indexes", {
    params: { path: { database_id: databaseId } },
    body: {
      database_name: of.databaseName,
      collection: of.collection,
      indexes: specs.map((each) => ({
        key: new ExactJson(each.key),
        name: each.name,
        unique: each.unique,
        sparse: each.sparse,
        hidden: each.hidden,
        expire_after_seconds: each.expireAfterSeconds,
        partial_filter_expression: exact(each.partialFilterExpression),
        collation: exact(each.collation),
      })),
    },
    bodySerializer: stringifyExact,
    parseAs: "stream",
    signal,
  });
  yield* events<MongoIndexBuild>(response);
}

/** Forgets the indexes of a collection. */
export function forgetMongoIndexes(queries: QueryClient, databaseId: string, of: MongoNamespace) {
  return queries.invalidateQueries({ queryKey: keyOf(databaseId, of) });
}

/** Hides an index or shows it again, or changes its expiry. */
export function useModifyMongoIndex(databaseId: string, of: MongoNamespace) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (change: { name: string; hidden?: boolean; expire_after_seconds?: number }) =>
      data(
        client.PATCH("/api/platform/mongodb/{database_id}/indexes", {
          params: { path: { database_id: databaseId } },
          body: { database_name: of.databaseName, collection: of.collection, ...change },
        }),
      ),
    onSuccess: () => forgetMongoIndexes(queries, databaseId, of),
  });
}

/** Drops an index, or aborts its build. */
export function useDropMongoIndex(databaseId: string, of: MongoNamespace) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (name: string) => {
      const query = { database_name: of.databaseName, collection: of.collection, name: [name] };
      const params = { path: { database_id: databaseId }, query };
      await client.DELETE("/api/platform/mongodb/{database_id}/indexes", { params });
    },
    onSuccess: () => forgetMongoIndexes(queries, databaseId, of),
  });
}
