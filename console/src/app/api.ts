/** The one client of the page: by the session's cookie, with its CSRF token. */

import { createClient } from "@studio-databases/client";
import { QueryClient } from "@tanstack/react-query";
import { askAgainAfter } from "@/lib/away";
import { confirmDanger } from "./confirmations";

let csrf: string | undefined;
let signedOut: () => void = () => undefined;

/** Remembers the CSRF token of the session; in memory alone. */
export function setCsrfToken(token: string | undefined): void {
  csrf = token;
}

/** Says what to do when a call finds that nobody is signed in. */
export function onSignedOut(listener: () => void): void {
  signedOut = listener;
}

export const api = createClient({
  csrfToken: () => csrf,
  onSignedOut: () => signedOut(),
  onConfirmation: confirmDanger,
});

export const queries = new QueryClient({
  defaultOptions: {
    queries: {
      // The transport repeats what may be repeated.
      retry: false,
      staleTime: 5_000,
      refetchOnWindowFocus: false,
      refetchInterval: ({ state }) => askAgainAfter(state.error, state.errorUpdateCount),
    },
  },
});
