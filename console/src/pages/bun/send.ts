/** Sends one request to an API through the gateway, and keeps what comes back: a bounded part of it. */

import type { Client } from "@studio-databases/client";

export interface Header {
  name: string;
  value: string;
}

export interface Draft {
  method: string;
  /** Below the base path, with its query: `/books/1?full=true`. */
  path: string;
  headers: readonly Header[];
  body: string;
}

export interface Answer {
  status: number;
  statusText: string;
  headers: readonly Header[];
  contentType: string;
  /** The first `MOST_SHOWN` bytes. */
  body: Uint8Array;
  /** All bytes that came, as far as it was read. */
  bytes: number;
  /** More came than is kept. */
  isCut: boolean;
  /** Milliseconds until the headers, and until the end. */
  answerMs: number;
  totalMs: number;
  /** Still coming. */
  isOpen: boolean;
}

const MOST_SHOWN = 1 << 20;
const WITHOUT_BODY = new Set(["GET", "HEAD"]);
/** How often what has come is shown. */
const EVERY_MS = 100;

/** Sends; tells what has come whenever there is more, the last time with `isOpen` false. Aborting ends it. */
export async function send(
  client: Client,
  databaseId: string,
  draft: Draft,
  signal: AbortSignal,
  onAnswer: (answer: Answer) => void,
): Promise<void> {
  const path = draft.path.startsWith("/") ? draft.path : `/${draft.path}`;
  const request = new Request(`${location.origin}/api/platform/bun/${databaseId}/proxy${path}`, {
    method: draft.method,
    headers: draft.headers
      .filter((each) => each.name)
      .map((each) => [each.name, each.value] as [string, string]),
    body: WITHOUT_BODY.has(draft.method) || !draft.body ? null : draft.body,
    signal,
  });
  const started = performance.now();
  const response = await client.forward(request);
  const answerMs = performance.now() - started;
  const kept = new Uint8Array(MOST_SHOWN);
  let bytes = 0;
  const answer = (isOpen: boolean): Answer => ({
    status: response.status,
    statusText: response.statusText,
    headers: [...response.headers].map(([name, value]) => ({ name, value })),
    contentType: response.headers.get("content-type") ?? "",
    body: kept.slice(0, Math.min(bytes, MOST_SHOWN)),
    bytes,
    isCut: bytes > MOST_SHOWN,
    answerMs,
    totalMs: performance.now() - started,
    isOpen,
  });
  onAnswer(answer(true));
  const reader = response.body?.getReader();
  let shown = performance.now();
  try {
    while (reader) {
      const { value, done } = await reader.read();
      if (done) break;
      if (bytes < MOST_SHOWN) kept.set(value.subarray(0, MOST_SHOWN - bytes), bytes);
      bytes += value.byteLength;
      if (performance.now() - shown > EVERY_MS) {
        shown = performance.now();
        onAnswer(answer(true));
      }
    }
  } finally {
    onAnswer(answer(false));
  }
}

/** The path with its parameters put in, and the query; empty parameters of the query are left out. */
export function fill(
  template: string,
  path: Readonly<Record<string, string>>,
  query: readonly Header[],
): string {
  const filled = template.replaceAll(/\{([^}]+)\}/g, (all, name: string) =>
    path[name] ? encodeURIComponent(path[name]) : all,
  );
  const search = new URLSearchParams(
    query.filter((each) => each.value !== "").map((each) => [each.name, each.value]),
  );
  const text = search.toString();
  return text ? `${filled}?${text}` : filled;
}
