/** Documents of MongoDB, exact: they travel as canonical Extended JSON, and each hook is given what reads their text.
 *
 * `JSON.parse` would lose names that come twice, and the order of those that look like numbers.
 */

import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { data } from "../client.js";
import { ApiError } from "../errors.js";
import { events } from "../events.js";
import type { components } from "../generated/schema.js";
import { ExactJson, stringifyExact } from "../json.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";
import type { MongoNamespace } from "./mongodb.js";

type Schemas = components["schemas"];
export type MongoCount = Schemas["MongodbCountDocumentsResponse"];
export type MongoSchemaField = Schemas["MongodbSchemaField"];

/** A query; its documents are Extended JSON texts, empty for none. */
export interface MongoQuery extends MongoNamespace {
  filter: string;
  projection: string;
  sort: string;
  collation: string;
  /** Name or keys of an index. */
  hint: string;
  skip: number;
  limit: number;
  /** 0 for the server's default. */
  maxTimeMs: number;
}

/** Which documents, for what changes many or counts. */
export type MongoSelection = Pick<
  MongoQuery,
  "databaseName" | "collection" | "filter" | "collation" | "hint"
>;

/** Reads the text of an answer. */
export type Read<T> = (text: string) => T;

/** One document: its `_id`, and what it was when it was read, both Extended JSON. */
export interface MongoDocumentRef extends MongoNamespace {
  id: string;
  expected: string;
}

const SAMPLE_SIZE = 200;
const SAMPLE_MS = 5_000;
const SAMPLE_STALE_MS = 5 * 60_000;
const PAGE_KEPT_MS = 30_000;

const exact = (text: string): ExactJson | undefined => (text ? new ExactJson(text) : undefined);
const asText = { bodySerializer: stringifyExact, parseAs: "text" } as const;
const path = (databaseId: string) => ({ path: { database_id: databaseId } });

function selection({ databaseName, collection, filter, collation, hint }: MongoSelection) {
  return {
    database_name: databaseName,
    collection,
    filter: exact(filter),
    collation: exact(collation),
    hint: exact(hint),
  };
}

/** A page of documents. */
export function useMongoDocuments<T>(
  databaseId: string,
  query: MongoQuery,
  pageToken: string,
  read: Read<T>,
) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine(
      "mongodb",
      databaseId,
      "documents",
      query.databaseName,
      query.collection,
      "page",
      query,
      pageToken,
    ),
    gcTime: PAGE_KEPT_MS,
    // Comparing thousands of values with those of before costs more than drawing them.
    structuralSharing: false,
    queryFn: async ({ signal }) => {
      const body = {
        ...selection(query),
        projection: exact(query.projection),
        sort: exact(query.sort),
        skip: query.skip,
        limit: query.limit,
        maxTimeMS: query.maxTimeMs,
        page_token: pageToken,
        ejson: "canonical" as const,
      };
      const started = performance.now();
      const text = await data(
        client.POST("/api/platform/mongodb/{database_id}/documents/find", {
          params: path(databaseId),
          body,
          ...asText,
          signal,
        }),
      );
      return { page: read(text), ms: performance.now() - started };
    },
  });
}

/** One document as it is now, whole. */
export function useMongoDocument<T>(
  databaseId: string,
  of: MongoNamespace,
  id: string | undefined,
  read: Read<T>,
) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("mongodb", databaseId, "documents", of.databaseName, of.collection, "one", id),
    enabled: id !== undefined,
    staleTime: 0,
    gcTime: 0,
    structuralSharing: false,
    queryFn: async ({ signal }) => {
      const query = {
        database_name: of.databaseName,
        collection: of.collection,
        id: id ?? "",
        ejson: "canonical" as const,
      };
      const params = { ...path(databaseId), query };
      const call = client.GET("/api/platform/mongodb/{database_id}/documents/get", {
        params,
        parseAs: "text",
        signal,
      });
      return read(await data(call));
    },
  });
}

/** How many documents match: the server's estimate without a filter, otherwise up to a bound unless `all` is asked for. */
export function useMongoCount(databaseId: string, of: MongoSelection, all: boolean) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine(
      "mongodb",
      databaseId,
      "documents",
      of.databaseName,
      of.collection,
      "count",
      of,
      all,
    ),
    queryFn: ({ signal }) =>
      data(
        client.POST("/api/platform/mongodb/{database_id}/documents/count", {
          params: path(databaseId),
          body: { ...selection(of), exact: all },
          bodySerializer: stringifyExact,
          signal,
        }),
      ),
  });
}

/** The fields of a random sample, for completion; asked for once `enabled`, and kept for a while. */
export function useMongoFields(databaseId: string, of: MongoNamespace, enabled: boolean) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("mongodb", databaseId, "fields", of.databaseName, of.collection),
    enabled,
    staleTime: SAMPLE_STALE_MS,
    queryFn: async ({ signal }): Promise<readonly MongoSchemaField[]> => {
      const { response } = await client.POST("/api/platform/mongodb/{database_id}/schema/analyze", {
        params: path(databaseId),
        body: {
          database_name: of.databaseName,
          collection: of.collection,
          sample_size: SAMPLE_SIZE,
          maxTimeMS: SAMPLE_MS,
        },
        parseAs: "stream",
        signal,
      });
      let fields: readonly MongoSchemaField[] = [];
      for await (const event of events<Schemas["MongodbAnalyzeSchemaResponse"]>(response)) {
        if (event.done) fields = event.fields;
      }
      return fields;
    },
  });
}

/** Forgets pages and counts of a collection. */
function forget(queries: QueryClient, databaseId: string, { databaseName, collection }: MongoNamespace) {
  const about = ["documents", "stats"];
  return Promise.all(
    about.map((each) =>
      queries.invalidateQueries({
        queryKey: keys.engine("mongodb", databaseId, each, databaseName, collection),
      }),
    ),
  );
}

/** Inserts documents; stops at the first that fails, which the error's metadata names by its `index`. */
export function useInsertMongoDocuments(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({
      databaseName,
      collection,
      documents,
    }: MongoNamespace & { documents: readonly string[] }) =>
      data(
        client.POST("/api/platform/mongodb/{database_id}/documents", {
          params: path(databaseId),
          body: {
            database_name: databaseName,
            collection,
            documents: documents.map((each) => new ExactJson(each)),
          },
          bodySerializer: stringifyExact,
        }),
      ),
    // Also where one of several failed: those before it are there.
    onSettled: (_, __, of) => forget(queries, databaseId, of),
  });
}

/** Replaces a document, unless it is another than was read: an `ApiError` for which `currentOf` has that one. */
export function useReplaceMongoDocument(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: ({ document, ...of }: MongoDocumentRef & { document: string }) =>
      data(
        client.PUT("/api/platform/mongodb/{database_id}/documents", {
          params: path(databaseId),
          body: {
            database_name: of.databaseName,
            collection: of.collection,
            id: new ExactJson(of.id),
            expected: new ExactJson(of.expected),
            document: new ExactJson(document),
            ejson: "canonical",
          },
          bodySerializer: stringifyExact,
        }),
      ),
    onSuccess: (_, of) => forget(queries, databaseId, of),
  });
}

/** Whether a change failed because the document is another by now, and which, where it is small enough to be told. */
export function conflictOf(error: unknown): { current: string | undefined } | undefined {
  if (!(error instanceof ApiError) || error.code !== "CONFLICT") return undefined;
  return { current: error.metadata.current };
}

/** Deletes a document, unless it is another than was read. */
export function useDeleteMongoDocument(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (of: MongoDocumentRef) =>
      data(
        client.POST("/api/platform/mongodb/{database_id}/documents/delete", {
          params: path(databaseId),
          body: {
            database_name: of.databaseName,
            collection: of.collection,
            id: new ExactJson(of.id),
            expected: new ExactJson(of.expected),
            ejson: "canonical",
          },
          bodySerializer: stringifyExact,
        }),
      ),
    onSuccess: (_, of) => forget(queries, databaseId, of),
  });
}

/** What a change of many documents does, or would do. */
export interface ManyOptions<T> {
  of: MongoSelection;
  /** Changes nothing, and answers with samples. */
  dryRun: boolean;
  read: Read<T>;
  signal: AbortSignal;
}

/** As long as the gateway waits for a call. */
const MANY_MS = 15_000;

function many<T>({ of, dryRun }: ManyOptions<T>) {
  return {
    ...selection(of),
    many: true,
    dry_run: dryRun,
    // Asked for where the filter is empty; the page has asked the user by then.
    confirmation: dryRun ? "" : `${of.databaseName}.${of.collection}`,
    maxTimeMS: dryRun ? 0 : MANY_MS,
    ejson: "canonical" as const,
  };
}

/** Updates all that match. */
export function useUpdateMongoDocuments<T>(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ update, ...options }: ManyOptions<T> & { update: string }) =>
      options.read(
        await data(
          client.PATCH("/api/platform/mongodb/{database_id}/documents", {
            params: path(databaseId),
            body: { ...many(options), update: new ExactJson(update) },
            ...asText,
            signal: options.signal,
          }),
        ),
      ),
    onSettled: (_, __, { of, dryRun }) => (dryRun ? undefined : forget(queries, databaseId, of)),
  });
}

/** Deletes all that match. */
export function useDeleteMongoDocuments<T>(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async (options: ManyOptions<T>) =>
      options.read(
        await data(
          client.POST("/api/platform/mongodb/{database_id}/documents/delete", {
            params: path(databaseId),
            body: many(options),
            ...asText,
            signal: options.signal,
          }),
        ),
      ),
    onSettled: (_, __, { of, dryRun }) => (dryRun ? undefined : forget(queries, databaseId, of)),
  });
}
