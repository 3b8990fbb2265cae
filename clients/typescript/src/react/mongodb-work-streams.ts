/** Documents as files, and changes as they happen. */

import type { Client } from "../client.js";
import { events, eventTexts } from "../events.js";
import type { components, operations } from "../generated/schema.js";
import { ExactJson, stringifyExact } from "../json.js";
import type { MongoNamespace } from "./mongodb.js";

type Schemas = components["schemas"];
export type MongoChange = Schemas["MongodbChangeEvent"];
export type MongoImportProgress = Schemas["MongodbImportProgress"];
export type MongoRowFailure = Schemas["MongodbRowFailure"];
export type MongoFileFormat = "json" | "ndjson" | "csv" | "bson";
/** What to do with a file, beside where its documents go. */
export type MongoImport = Omit<
  NonNullable<operations["mongodbImportDocuments"]["parameters"]["query"]>,
  "database_name" | "collection"
>;

/** Which documents to export; Extended JSON texts, empty for none. */
export interface MongoExport extends MongoNamespace {
  format: MongoFileFormat;
  filter: string;
  projection: string;
  sort: string;
  limit: number;
  ejson: "relaxed" | "canonical";
  gzip: boolean;
  fields: readonly string[];
  guardFormulas: boolean;
}

/** Which changes; of a whole database where the collection is empty. */
export interface MongoWatch extends MongoNamespace {
  /** Stages, an array as Extended JSON text; empty for none. */
  pipeline: string;
  fullDocument: "default" | "updateLookup" | "whenAvailable" | "required";
  fullDocumentBeforeChange: "off" | "whenAvailable" | "required";
  /** Goes on behind the event that had it; empty to begin now. */
  resume: string;
}

const exact = (text: string): ExactJson | undefined => (text ? new ExactJson(text) : undefined);

/** A file of documents, to be read as it comes. */
export async function exportMongoDocuments(
  client: Client,
  databaseId: string,
  of: MongoExport,
  signal: AbortSignal,
): Promise<Response> {
  const { response } = await client.POST("/api/platform/mongodb/{database_id}/export", {
    params: { path: { database_id: databaseId } },
    body: {
      database_name: of.databaseName,
      collection: of.collection,
      format: of.format,
      filter: exact(of.filter),
      projection: exact(of.projection),
      sort: exact(of.sort),
      limit: of.limit,
      ejson: of.ejson,
      gzip: of.gzip,
      fields: [...of.fields],
      guard_formulas: of.guardFormulas,
    },
    bodySerializer: stringifyExact,
    parseAs: "stream",
    signal,
  });
  return response;
}

/** Writes the documents of a file into a collection.
 *
 * Browsers hand the events over once the file is sent; until then `onSent` is told how much of it is.
 */
export async function* importMongoDocuments(
  client: Client,
  databaseId: string,
  of: MongoNamespace,
  how: MongoImport,
  file: Blob,
  onSent: (bytes: number) => void,
  signal: AbortSignal,
): AsyncGenerator<MongoImportProgress, void, undefined> {
  const { response } = await client.POST("/api/platform/mongodb/{database_id}/import", {
    params: {
      path: { database_id: databaseId },
      query: { database_name: of.databaseName, collection: of.collection, ...how },
    },
    body: file as never,
    bodySerializer: (body) => body as never,
    headers: { "content-type": "application/octet-stream" },
    fetch: client.upload(file, onSent),
    parseAs: "stream",
    signal,
  });
  yield* events<MongoImportProgress>(response);
}

/** Changes as they happen, each as text: their documents are exact. Without an end, but for that of what is watched. */
export async function* watchMongoChanges(
  client: Client,
  databaseId: string,
  of: MongoWatch,
  signal: AbortSignal,
): AsyncGenerator<string, void, undefined> {
  const { response } = await client.POST("/api/platform/mongodb/{database_id}/changes", {
    params: { path: { database_id: databaseId } },
    body: {
      database_name: of.databaseName,
      collection: of.collection,
      pipeline: exact(of.pipeline) as never,
      full_document: of.fullDocument,
      full_document_before_change: of.fullDocumentBeforeChange,
      resume: of.resume,
      ejson: "canonical",
    },
    bodySerializer: stringifyExact,
    parseAs: "stream",
    signal,
  });
  yield* eventTexts(response);
}
