/** What documents of a MongoDB collection look like, and the rules that they must keep. */

import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Client, data } from "../client.js";
import { events } from "../events.js";
import type { components } from "../generated/schema.js";
import { ExactJson, stringifyExact } from "../json.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";
import type { MongoNamespace } from "./mongodb.js";
import type { Read } from "./mongodb-documents.js";

type Schemas = components["schemas"];
export type MongoSchemaProgress = Schemas["MongodbAnalyzeSchemaResponse"];
export type MongoSchemaType = Schemas["MongodbSchemaType"];
export type MongoValidation = Schemas["MongodbGetValidationResponse"];
export type MongoValidationTest = Schemas["MongodbTestValidationResponse"];
export type MongoInvalidDocument = Schemas["MongodbInvalidDocument"];

const exact = (text: string): ExactJson | undefined => (text ? new ExactJson(text) : undefined);
const asText = { bodySerializer: stringifyExact, parseAs: "text" } as const;

/** Analyses a random sample of the documents that match; the last event has the fields. */
export async function* analyzeMongoSchema(
  client: Client,
  databaseId: string,
  of: MongoNamespace & { filter: string; sampleSize: number },
  signal: AbortSignal,
): AsyncGenerator<MongoSchemaProgress, void, undefined> {
  const { response } = await client.POST("/api/platform/mongodb/{database_id}/schema/analyze", {
    params: { path: { database_id: databaseId } },
    body: {
      database_name: of.databaseName,
      collection: of.collection,
      filter: exact(of.filter),
      sample_size: of.sampleSize,
    },
    bodySerializer: stringifyExact,
    parseAs: "stream",
    signal,
  });
  yield* events<MongoSchemaProgress>(response);
}

function validationKey(databaseId: string, of: MongoNamespace) {
  return keys.engine("mongodb", databaseId, "validation", of.databaseName, of.collection);
}

/** The rules of a collection. */
export function useMongoValidation<T>(databaseId: string, of: MongoNamespace, read: Read<T>) {
  const client = useClient();
  return useQuery({
    queryKey: validationKey(databaseId, of),
    queryFn: async ({ signal }) => {
      const query = {
        database_name: of.databaseName,
        collection: of.collection,
        ejson: "canonical" as const,
      };
      const params = { path: { database_id: databaseId }, query };
      const call = client.GET("/api/platform/mongodb/{database_id}/validation", {
        params,
        parseAs: "text",
        signal,
      });
      return read(await data(call));
    },
  });
}

/** Sets rules, `{}` for none; documents that are there already stay. */
export function useSetMongoValidation(databaseId: string, of: MongoNamespace) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (rules: {
      validator: string;
      level: "" | "off" | "strict" | "moderate";
      action: "" | "error" | "warn" | "errorAndLog";
    }) =>
      data(
        client.PUT("/api/platform/mongodb/{database_id}/validation", {
          params: { path: { database_id: databaseId } },
          body: {
            database_name: of.databaseName,
            collection: of.collection,
            ...rules,
            validator: new ExactJson(rules.validator),
          },
          ...asText,
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: validationKey(databaseId, of) }),
  });
}

/** Proposes rules that a random sample keeps; sets nothing. */
export function useProposeMongoValidation<T>(databaseId: string, of: MongoNamespace, read: Read<T>) {
  const client = useClient();
  return useMutation({
    mutationFn: async ({ withBounds, noOtherFields }: { withBounds: boolean; noOtherFields: boolean }) =>
      read(
        await data(
          client.POST("/api/platform/mongodb/{database_id}/validation/propose", {
            params: { path: { database_id: databaseId } },
            body: {
              database_name: of.databaseName,
              collection: of.collection,
              with_bounds: withBounds,
              no_other_fields: noOtherFields,
              ejson: "canonical" as const,
            },
            ...asText,
          }),
        ),
      ),
  });
}

/** Counts the documents that break rules; goes on where `resume` says. */
export async function* testMongoValidation(
  client: Client,
  databaseId: string,
  of: MongoNamespace & { validator: string; resume: string },
  signal: AbortSignal,
): AsyncGenerator<MongoValidationTest, void, undefined> {
  const { response } = await client.POST("/api/platform/mongodb/{database_id}/validation/test", {
    params: { path: { database_id: databaseId } },
    body: {
      database_name: of.databaseName,
      collection: of.collection,
      validator: exact(of.validator),
      resume: of.resume,
      ejson: "canonical" as const,
    },
    bodySerializer: stringifyExact,
    parseAs: "stream",
    signal,
  });
  yield* events<MongoValidationTest>(response);
}
