/** Files that a MongoDB database keeps in chunks: GridFS. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type Client, data } from "../client.js";
import type { components } from "../generated/schema.js";
import { ExactJson, stringifyExact } from "../json.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";
import type { Read } from "./mongodb-documents.js";

type Schemas = components["schemas"];
export type MongoFile = Schemas["MongodbGridFsFile"];
export type MongoFiles = Schemas["MongodbListFilesResponse"];

/** Where files are. */
export interface MongoBucket {
  databaseName: string;
  bucket: string;
}

const FILES_A_PAGE = 200;

function keyOf(databaseId: string, databaseName: string, ...more: readonly string[]) {
  return keys.engine("mongodb", databaseId, "gridfs", databaseName, ...more);
}

/** The buckets of a database. */
export function useMongoBuckets(databaseId: string, databaseName: string) {
  const client = useClient();
  return useQuery({
    queryKey: keyOf(databaseId, databaseName),
    queryFn: ({ signal }) => {
      const params = { path: { database_id: databaseId }, query: { database_name: databaseName } };
      return data(client.GET("/api/platform/mongodb/{database_id}/gridfs/buckets", { params, signal }));
    },
  });
}

/** The files of a bucket in the order of `_id`, page by page; `filter` is an Extended JSON text, empty for all. */
export function useMongoFiles<T>(
  databaseId: string,
  { databaseName, bucket }: MongoBucket,
  filter: string,
  read: Read<T>,
  next: (page: T) => string,
) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: keyOf(databaseId, databaseName, bucket, "files", filter),
    initialPageParam: "",
    queryFn: async ({ pageParam, signal }): Promise<T> => {
      const query = {
        database_name: databaseName,
        bucket,
        filter,
        page_size: FILES_A_PAGE,
        page_token: pageParam,
        ejson: "canonical" as const,
      };
      const params = { path: { database_id: databaseId }, query };
      const call = client.GET("/api/platform/mongodb/{database_id}/gridfs/files", {
        params,
        parseAs: "text",
        signal,
      });
      return read(await data(call));
    },
    getNextPageParam: (page) => next(page) || undefined,
  });
}

/** Stores a file; of one that is stopped nothing stays. */
export async function uploadMongoFile(
  client: Client,
  databaseId: string,
  { databaseName, bucket }: MongoBucket,
  file: File,
  onSent: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  await client.POST("/api/platform/mongodb/{database_id}/gridfs/upload", {
    params: {
      path: { database_id: databaseId },
      query: { database_name: databaseName, bucket, filename: file.name },
    },
    body: file as never,
    bodySerializer: (body) => body as never,
    headers: { "content-type": file.type || "application/octet-stream" },
    fetch: client.upload(file, onSent),
    parseAs: "text",
    signal,
  });
}

/** A file, to be read as it comes; `id` is an Extended JSON text. */
export async function downloadMongoFile(
  client: Client,
  databaseId: string,
  { databaseName, bucket }: MongoBucket,
  id: string,
  signal: AbortSignal,
): Promise<Response> {
  const query = { database_name: databaseName, bucket, id };
  const params = { path: { database_id: databaseId }, query };
  const { response } = await client.GET("/api/platform/mongodb/{database_id}/gridfs/download", {
    params,
    parseAs: "stream",
    signal,
  });
  return response;
}

/** Forgets buckets and files of a database. */
function useForget(databaseId: string, databaseName: string) {
  const queries = useQueryClient();
  return () => queries.invalidateQueries({ queryKey: keyOf(databaseId, databaseName) });
}

/** For what uploads: asks anew which files there are, and how large the database is. */
export function useForgetMongoFiles(databaseId: string, databaseName: string) {
  const queries = useQueryClient();
  const forget = useForget(databaseId, databaseName);
  return async () => {
    const queryKey = keys.engine("mongodb", databaseId, "collections", databaseName);
    await Promise.all([forget(), queries.invalidateQueries({ queryKey })]);
  };
}

/** Gives a file another name. */
export function useRenameMongoFile(databaseId: string, { databaseName, bucket }: MongoBucket) {
  const client = useClient();
  return useMutation({
    mutationFn: ({ id, filename }: { id: string; filename: string }) =>
      data(
        client.PATCH("/api/platform/mongodb/{database_id}/gridfs/files", {
          params: { path: { database_id: databaseId } },
          body: { database_name: databaseName, bucket, id: new ExactJson(id), filename },
          bodySerializer: stringifyExact,
          parseAs: "text",
        }),
      ),
    onSuccess: useForget(databaseId, databaseName),
  });
}

/** Deletes a file and its chunks. */
export function useDeleteMongoFile(databaseId: string, { databaseName, bucket }: MongoBucket) {
  const client = useClient();
  return useMutation({
    mutationFn: async (id: string) => {
      const query = { database_name: databaseName, bucket, id };
      const params = { path: { database_id: databaseId }, query };
      await client.DELETE("/api/platform/mongodb/{database_id}/gridfs/files", { params });
    },
    onSuccess: useForget(databaseId, databaseName),
  });
}
