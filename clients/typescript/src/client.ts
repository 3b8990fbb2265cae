/** The typed client: every path, parameter and answer is the contract's. */

import createFetch, { type Client as FetchClient } from "openapi-fetch";
import type { paths } from "./generated/schema.js";
import { forwarder, type Transport, type TransportOptions, transport } from "./transport.js";
import { sending } from "./upload.js";

/** Calls by path: `client.GET("/api/platform/databases", {params: {query: {type: "redis"}}})`. */
export interface Client extends FetchClient<paths> {
  /** Sends a request below `/api/platform/bun/{id}/proxy/`, or to pg-meta, and gives back whatever is answered. */
  forward: Transport;
  /** What to give a call as its `fetch` to hear how many bytes of a file are sent; in browsers alone. */
  upload: (file: Blob, onSent: (bytes: number) => void) => Transport;
}

/** A client of a gateway. Calls throw `ApiError`; `data` of an answer is never undefined where the rpc answers one. */
export function createClient(options: TransportOptions = {}): Client {
  const calls = createFetch<paths>({
    baseUrl: options.baseUrl ?? globalThis.location?.origin ?? "",
    credentials: "same-origin",
    fetch: transport(options),
    // `a=1&a=2`, as the gateway reads lists.
    querySerializer: { array: { style: "form", explode: true } },
  });
  return Object.assign(calls, {
    forward: forwarder(options),
    upload: (file: Blob, onSent: (bytes: number) => void) =>
      transport({ ...options, fetch: sending(file, onSent) as typeof fetch }),
  });
}

/** The data of a call that succeeded.
 *
 * The transport has thrown where it failed, so there is data unless the rpc answers with nothing.
 */
export async function data<T>(call: Promise<{ data?: T | undefined }>): Promise<T> {
  return (await call).data as T;
}
