/** How a call travels: who calls, what is retried, and when it is an error. */

import { type ApiError, errorOf, unreachable } from "./errors.js";

/** What a client needs to know. */
export interface TransportOptions {
  /** Origin of the gateway; empty for the page's own. */
  baseUrl?: string;
  /** A token or API key for `authorization`; without one the browser's session cookie counts. */
  token?: () => string | undefined;
  /** The session's CSRF token, sent with every call by cookie that is no GET. */
  csrfToken?: () => string | undefined;
  /** Told of every answer 401, to ask the user to sign in. */
  onSignedOut?: (error: ApiError) => void;
  /** Asked where a production database wants a confirmation; true sends the call again, confirmed. */
  onConfirmation?: (error: ApiError, request: Request) => Promise<boolean>;
  /** Replaces `fetch`, in tests. */
  fetch?: typeof fetch;
}

/** Calls of one retry at most come after the first. */
const RETRIES = 2;
const FIRST_WAIT_MS = 300;
const LONGEST_WAIT_MS = 5_000;
const SAFE = new Set(["GET", "HEAD"]);

/** A `fetch` that throws `ApiError` for whatever is no success. */
export type Transport = (request: Request) => Promise<Response>;

/** Makes the transport. Only what is safe to repeat is repeated, and only where the answer says that it may help. */
export function transport(options: TransportOptions): Transport {
  const send = options.fetch ?? globalThis.fetch.bind(globalThis);
  return async (request) => {
    const safe = SAFE.has(request.method);
    let next = identified(request, options, safe);
    for (let attempt = 0; ; attempt += 1) {
      // A request's body can be sent once; the copy is for a second time.
      const copy = next.body === null || request.method === "GET" ? next : next.clone();
      const outcome = await attemptOnce(send, next);
      if (outcome instanceof Response) return outcome;
      if (outcome.needsSignIn) options.onSignedOut?.(outcome);
      if (attempt === 0 && outcome.confirmation && (await options.onConfirmation?.(outcome, request))) {
        copy.headers.set("x-confirmation", outcome.confirmation);
        next = copy;
        continue;
      }
      if (!(safe && outcome.retryable && attempt < RETRIES)) throw outcome;
      await pause(outcome.retryAfterMs ?? FIRST_WAIT_MS * 2 ** attempt, request.signal);
      next = identified(request, options, safe);
    }
  };
}

/** A `fetch` whose answer is shown as it is, whatever its status: of requests that are passed on to an API of the user's. */
export function forwarder(options: TransportOptions): Transport {
  const send = options.fetch ?? globalThis.fetch.bind(globalThis);
  return async (request) => {
    try {
      return await send(identified(request, options, SAFE.has(request.method)));
    } catch (cause) {
      if (request.signal.aborted) throw cause;
      throw unreachable(cause);
    }
  };
}

async function attemptOnce(send: typeof fetch, request: Request): Promise<Response | ApiError> {
  try {
    const response = await send(request);
    return response.ok ? response : await errorOf(response);
  } catch (cause) {
    if (request.signal.aborted) throw cause;
    return unreachable(cause);
  }
}

function identified(request: Request, options: TransportOptions, safe: boolean): Request {
  const copy = safe ? request.clone() : request;
  const token = options.token?.();
  const csrf = options.csrfToken?.();
  if (token) copy.headers.set("authorization", `Bearer ${token}`);
  else if (csrf && !safe) copy.headers.set("x-csrf-token", csrf);
  return copy;
}

/** Waits; ends at once when the call is given up. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, Math.min(ms, LONGEST_WAIT_MS));
    signal.addEventListener(
      "abort",
      () => {
        clearTimeout(timer);
        reject(signal.reason);
      },
      { once: true },
    );
  });
}
