/** The record of what was done. */

import { useInfiniteQuery } from "@tanstack/react-query";
import { data } from "../client.js";
import type { components, paths } from "../generated/schema.js";
import { useClient } from "./client.js";
import { keys } from "./keys.js";

export type AuditEvent = components["schemas"]["RegistryAuditEvent"];

type Query = NonNullable<paths["/api/platform/audit-log"]["get"]["parameters"]["query"]>;
/** By what events are narrowed; `database_id` alone asks for those of one database. */
export type AuditFilters = Omit<Query, "page_size" | "page_token">;

const PAGE_SIZE = 100;

/** Events, newest first, page by page. Of one database with its own route: its administrators may see them. */
export function useAuditEvents(filters: AuditFilters, databaseId?: string) {
  const client = useClient();
  return useInfiniteQuery({
    queryKey: keys.audit({ ...filters, databaseId }),
    initialPageParam: "",
    queryFn: ({ pageParam, signal }) => {
      const query = { ...filters, page_size: PAGE_SIZE, page_token: pageParam };
      if (databaseId) {
        const params = { path: { id: databaseId }, query };
        return data(client.GET("/api/platform/databases/{id}/audit-log", { params, signal }));
      }
      return data(client.GET("/api/platform/audit-log", { params: { query }, signal }));
    },
    getNextPageParam: (page) => page.next_page_token || undefined,
  });
}
