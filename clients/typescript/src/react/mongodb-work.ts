/** Pipelines and plans of MongoDB. Documents are Extended JSON texts both ways: each hook is given what reads an answer. */

import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { data } from "../client.js";
import type { components } from "../generated/schema.js";
import { ExactJson, stringifyExact } from "../json.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";
import type { MongoNamespace } from "./mongodb.js";
import type { Read } from "./mongodb-documents.js";

type Schemas = components["schemas"];
export type MongoPreview = Schemas["MongodbPreviewPipelineResponse"];
export type MongoStagePreview = Schemas["MongodbStagePreview"];
export type MongoAggregation = Schemas["MongodbAggregateResponse"];
export type MongoExplanation = Schemas["MongodbExplainResponse"];
export type MongoPlanStage = Schemas["MongodbPlanStage"];

/** A pipeline: an array of stages as Extended JSON text. */
export interface MongoPipeline extends MongoNamespace {
  pipeline: string;
}

/** How a pipeline is run. */
export interface MongoPipelineRun extends MongoPipeline {
  limit: number;
  allowDiskUse: boolean;
  /** 0 for the server's default. */
  maxTimeMs: number;
  signal: AbortSignal;
}

/** A query to explain; what is empty is left out. */
export interface MongoExplain extends MongoNamespace {
  operation: "find" | "aggregate";
  filter: string;
  projection: string;
  sort: string;
  pipeline: string;
  verbosity: "queryPlanner" | "executionStats" | "allPlansExecution";
  signal: AbortSignal;
}

const PREVIEW_KEPT_MS = 60_000;
const exact = (text: string): ExactJson | undefined => (text ? new ExactJson(text) : undefined);
const asText = { bodySerializer: stringifyExact, parseAs: "text" } as const;

/** What comes out of each stage of a pipeline, on a bounded part of the collection. Writes nothing. */
export function useMongoPreview<T>(
  databaseId: string,
  of: MongoPipeline,
  sampleSize: number,
  enabled: boolean,
  read: Read<T>,
) {
  const client = useClient();
  return useQuery({
    queryKey: keys.engine("mongodb", databaseId, "preview", of, sampleSize),
    enabled,
    gcTime: PREVIEW_KEPT_MS,
    staleTime: PREVIEW_KEPT_MS,
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }): Promise<T> =>
      read(
        await data(
          client.POST("/api/platform/mongodb/{database_id}/aggregate/preview", {
            params: { path: { database_id: databaseId } },
            body: {
              database_name: of.databaseName,
              collection: of.collection,
              pipeline: new ExactJson(of.pipeline),
              sample_size: sampleSize,
              ejson: "canonical" as const,
            },
            ...asText,
            signal,
          }),
        ),
      ),
  });
}

/** Runs a pipeline: its first documents, or where it wrote to. */
export function useRunMongoPipeline<T>(databaseId: string, read: Read<T>) {
  const client = useClient();
  return useMutation({
    mutationFn: async ({ signal, ...of }: MongoPipelineRun) =>
      read(
        await data(
          client.POST("/api/platform/mongodb/{database_id}/aggregate", {
            params: { path: { database_id: databaseId } },
            body: {
              database_name: of.databaseName,
              collection: of.collection,
              pipeline: new ExactJson(of.pipeline),
              limit: of.limit,
              allow_disk_use: of.allowDiskUse,
              max_time_ms: of.maxTimeMs,
              ejson: "canonical" as const,
            },
            ...asText,
            signal,
          }),
        ),
      ),
  });
}

/** How the server runs a query. */
export function useExplainMongo<T>(databaseId: string, read: Read<T>) {
  const client = useClient();
  return useMutation({
    mutationFn: async ({ signal, ...of }: MongoExplain) =>
      read(
        await data(
          client.POST("/api/platform/mongodb/{database_id}/explain", {
            params: { path: { database_id: databaseId } },
            body: {
              database_name: of.databaseName,
              collection: of.collection,
              operation: of.operation,
              filter: exact(of.filter),
              projection: exact(of.projection),
              sort: exact(of.sort),
              pipeline: exact(of.pipeline),
              verbosity: of.verbosity,
            },
            ...asText,
            signal,
          }),
        ),
      ),
  });
}
