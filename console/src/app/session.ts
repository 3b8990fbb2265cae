/** Keeps the page's session: its CSRF token, its renewal, its end. */

import { data } from "@studio-databases/client";
import { sessionQuery, useSession } from "@studio-databases/client/react";
import { useQueryClient } from "@tanstack/react-query";
import { useEffect } from "react";
import { api, queries, setCsrfToken } from "./api";

/** Before the cookie ends, in milliseconds. */
const RENEW_BEFORE_MS = 3 * 60_000;
const SHORTEST_WAIT_MS = 30_000;

/** Signs out: the cookie is worth nothing any more, and nothing that was shown stays in memory. */
export async function signOut(): Promise<void> {
  await api.DELETE("/api/platform/session");
  queries.clear();
  location.reload();
}

/** The session, kept alive while the page is open. */
export function useKeptSession() {
  const session = useSession();
  const client = useQueryClient();
  // While rendering, so that the first call of a page below has it.
  setCsrfToken(session.data?.csrf_token);
  const expiresAt = session.data?.expires_at;
  useEffect(() => {
    if (!expiresAt) return;
    const left = new Date(expiresAt).getTime() - Date.now() - RENEW_BEFORE_MS;
    const timer = setTimeout(
      async () => {
        const renewed = await data(api.POST("/api/platform/session/renew", { body: {} })).catch(() => null);
        client.setQueryData(sessionQuery(api).queryKey, renewed);
      },
      Math.max(left, SHORTEST_WAIT_MS),
    );
    return () => clearTimeout(timer);
  }, [expiresAt, client]);
  return session;
}
