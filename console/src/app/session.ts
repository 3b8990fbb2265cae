/** Keeps the page's session: its CSRF token, its renewal, its end. */

import { ApiError, data } from "@studio-databases/client";
import { keys, sessionQuery, useSession } from "@studio-databases/client/react";
import { focusManager, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import { api, queries, setCsrfToken } from "./api";

/** Before the cookie ends, in milliseconds. */
const RENEW_BEFORE_MS = 3 * 60_000;
const SHORTEST_WAIT_MS = 30_000;

/** Signs out: the cookie is worth nothing any more, and nothing that was shown stays in memory. */
export async function signOut(): Promise<void> {
  await api.DELETE("/api/platform/session");
  queries.clear();
  sessionStorage.clear();
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
    let timer = setTimeout(renew, Math.max(left, SHORTEST_WAIT_MS));
    async function renew() {
      const key = sessionQuery(api).queryKey;
      try {
        client.setQueryData(key, await data(api.POST("/api/platform/session/renew", { body: {} })));
      } catch (error) {
        if (error instanceof ApiError && error.needsSignIn) client.setQueryData(key, null);
        // Somebody is away for a moment; the cookie is still good.
        else timer = setTimeout(renew, SHORTEST_WAIT_MS);
      }
    }
    return () => clearTimeout(timer);
  }, [expiresAt, client]);
  return session;
}

type Session = ReturnType<typeof useSession>["data"];

/** The session, or the one that has just ended: its page stays, so that nothing that was typed there is lost. */
export function useLastSession(now: Session) {
  const [last, setLast] = useState<Session>();
  useEffect(() => {
    if (!now) return;
    if (last && last.subject !== now.subject) {
      // Somebody else: nothing of what was shown is theirs.
      queries.clear();
      location.reload();
      return;
    }
    setLast(now);
  }, [now, last]);
  const hasEnded = now === null && last !== undefined;
  useEffect(() => {
    if (!hasEnded) return;
    // Nothing is asked for meanwhile; afterwards all of it, anew.
    focusManager.setFocused(false);
    return () => {
      focusManager.setFocused(undefined);
      queries.invalidateQueries({ predicate: (query) => query.queryKey[0] !== keys.session[0] });
    };
  }, [hasEnded]);
  return { shown: now ?? last, hasEnded };
}
