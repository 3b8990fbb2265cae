/** Users and roles of a MongoDB server. Passwords go in and never come out; they leave memory with their call. */

import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { data } from "../client.js";
import type { components } from "../generated/schema.js";
import { ExactJson, stringifyExact } from "../json.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";
import type { Read } from "./mongodb-documents.js";

type Schemas = components["schemas"];
export type MongoUser = Schemas["MongodbUser"];
export type MongoRole = Schemas["MongodbRole"];
export type MongoRoleName = Schemas["MongodbRoleName"];
export type MongoPrivilege = Schemas["MongodbPrivilege"];
export type NewMongoRole = Schemas["MongodbCreateRoleRequest"];
export type MongoRoleChange = Schemas["MongodbUpdateRoleRequest"];
/** A user to be; `custom_data` is an Extended JSON text, empty for none. */
export type NewMongoUser = Omit<Schemas["MongodbCreateUserBody"], "custom_data"> & { custom_data: string };
/** What to change of a user; what is left out stays. */
export type MongoUserChange = Omit<Schemas["MongodbUpdateUserBody"], "custom_data"> & {
  custom_data?: string;
};

/** A user or a role. */
export interface MongoPrincipal {
  databaseName: string;
  name: string;
}

const A_PAGE = 100;
const BUILT_IN_STALE_MS = 300_000;

const usersKey = (databaseId: string) => keys.engine("mongodb", databaseId, "users");
const rolesKey = (databaseId: string) => keys.engine("mongodb", databaseId, "roles");
const exact = (text: string | undefined): ExactJson | undefined => (text ? new ExactJson(text) : undefined);

/** The users whose name has `search` in it, page by page: those of one database, or of all where none is named. */
export function useMongoUsers(databaseId: string, databaseName: string, search: string) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: [...usersKey(databaseId), "list", databaseName, search],
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const query = {
        database_name: databaseName,
        all_databases: databaseName === "",
        search,
        page_size: A_PAGE,
        page_token: pageParam,
      };
      const params = { path: { database_id: databaseId }, query };
      return data(client.GET("/api/platform/mongodb/{database_id}/users", { params, signal }));
    },
    getNextPageParam: (page) => page.next_page_token || undefined,
  });
}

/** All about one user. */
export function useMongoUser<T>(databaseId: string, of: MongoPrincipal | undefined, read: Read<T>) {
  const client = useClient();
  return useQuery({
    queryKey: [...usersKey(databaseId), "one", of?.databaseName, of?.name],
    enabled: of !== undefined,
    // What is about to be changed is asked for anew.
    staleTime: 0,
    queryFn: async ({ signal }): Promise<T> => {
      const query = {
        database_name: of?.databaseName ?? "",
        user: of?.name ?? "",
        ejson: "canonical" as const,
      };
      const params = { path: { database_id: databaseId }, query };
      const call = client.GET("/api/platform/mongodb/{database_id}/users", {
        params,
        parseAs: "text",
        signal,
      });
      return read(await data(call));
    },
  });
}

/** Creates a user. */
export function useCreateMongoUser(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    // Nothing of a password is kept behind its call.
    gcTime: 0,
    mutationFn: (user: NewMongoUser) =>
      data(
        client.POST("/api/platform/mongodb/{database_id}/users", {
          params: { path: { database_id: databaseId } },
          body: { ...user, custom_data: exact(user.custom_data) },
          bodySerializer: stringifyExact,
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: usersKey(databaseId) }),
  });
}

/** Changes what is given of a user. */
export function useUpdateMongoUser(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    gcTime: 0,
    mutationFn: (change: MongoUserChange) =>
      data(
        client.PATCH("/api/platform/mongodb/{database_id}/users", {
          params: { path: { database_id: databaseId } },
          body: { ...change, custom_data: exact(change.custom_data) },
          bodySerializer: stringifyExact,
        }),
      ),
    onSuccess: () => queries.invalidateQueries({ queryKey: usersKey(databaseId) }),
  });
}

/** Drops a user. */
export function useDropMongoUser(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ databaseName, name, force }: MongoPrincipal & { force: boolean }) => {
      const query = { database_name: databaseName, user: name, force };
      const params = { path: { database_id: databaseId }, query };
      await client.DELETE("/api/platform/mongodb/{database_id}/users", { params });
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: usersKey(databaseId) }),
  });
}

/** The roles of a database, page by page; on request also those built into the server. */
export function useMongoRoles(databaseId: string, databaseName: string, builtIn: boolean) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: [...rolesKey(databaseId), "list", databaseName, builtIn],
    staleTime: builtIn ? BUILT_IN_STALE_MS : 0,
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const query = {
        database_name: databaseName,
        built_in: builtIn,
        page_size: A_PAGE,
        page_token: pageParam,
      };
      const params = { path: { database_id: databaseId }, query };
      return data(client.GET("/api/platform/mongodb/{database_id}/roles", { params, signal }));
    },
    getNextPageParam: (page) => page.next_page_token || undefined,
  });
}

/** All about one role, with its privileges. */
export function useMongoRole(databaseId: string, of: MongoPrincipal | undefined) {
  const client = useClient();
  return useQuery({
    queryKey: [...rolesKey(databaseId), "one", of?.databaseName, of?.name],
    enabled: of !== undefined,
    // What is about to be changed is asked for anew.
    staleTime: 0,
    queryFn: async ({ signal }) => {
      const query = {
        database_name: of?.databaseName ?? "",
        role: of?.name ?? "",
        built_in: true,
        privileges: true,
      };
      const params = { path: { database_id: databaseId }, query };
      const found = await data(client.GET("/api/platform/mongodb/{database_id}/roles", { params, signal }));
      return found.roles[0] ?? null;
    },
  });
}

/** Creates a role. */
export function useCreateMongoRole(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: NewMongoRole) => {
      const params = { path: { database_id: databaseId } };
      return data(client.POST("/api/platform/mongodb/{database_id}/roles", { params, body }));
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: rolesKey(databaseId) }),
  });
}

/** Replaces what is given of a role. */
export function useUpdateMongoRole(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: (body: MongoRoleChange) => {
      const params = { path: { database_id: databaseId } };
      return data(client.PATCH("/api/platform/mongodb/{database_id}/roles", { params, body }));
    },
    onSuccess: () => queries.invalidateQueries({ queryKey: rolesKey(databaseId) }),
  });
}

/** Drops a role; whoever has it loses it. */
export function useDropMongoRole(databaseId: string) {
  const client = useClient();
  const queries = useQueryClient();
  return useMutation({
    mutationFn: async ({ databaseName, name, force }: MongoPrincipal & { force: boolean }) => {
      const query = { database_name: databaseName, role: name, force };
      const params = { path: { database_id: databaseId }, query };
      await client.DELETE("/api/platform/mongodb/{database_id}/roles", { params });
    },
    onSuccess: () =>
      Promise.all(
        [rolesKey(databaseId), usersKey(databaseId)].map((queryKey) =>
          queries.invalidateQueries({ queryKey }),
        ),
      ),
  });
}
