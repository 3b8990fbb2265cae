/** Server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html) of calls that go on for a while.
 *
 * Read by `fetch`, since `EventSource` can't POST, send headers, or say why it was refused. */

import { errorFrom } from "./errors.js";

/** Characters of one event at most. */
const LONGEST_EVENT = 32 << 20;
const END = /\r?\n\r?\n/g;
const LONGEST_END = 4;

interface LastWord {
  error?: { message?: string; error_code?: string; retryable?: boolean } | null;
}

/** The events of an answer, one parsed JSON object each; leaving the loop, or aborting the call, ends the work.
 *
 * @throws ApiError where the stream ends with an error of its own.
 */
export async function* events<T>(response: Response): AsyncGenerator<T, void, undefined> {
  for await (const text of blocksOf(response)) yield checked<T>(JSON.parse(text), response);
}

/** The same as texts, for those whose numbers and names must not pass through JavaScript's values. */
export async function* eventTexts(response: Response): AsyncGenerator<string, void, undefined> {
  for await (const text of blocksOf(response)) {
    checked(JSON.parse(text), response);
    yield text;
  }
}

async function* blocksOf(response: Response): AsyncGenerator<string, void, undefined> {
  if (!response.body) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let left = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      // What was searched before is not searched again, but for an end that two chunks share.
      const end = new RegExp(END);
      end.lastIndex = Math.max(0, left.length - LONGEST_END);
      left += value ?? "";
      if (left.length > LONGEST_EVENT) throw new Error("An event of the stream is too long.");
      let from = 0;
      for (let match = end.exec(left); match; match = end.exec(left)) {
        const data = dataOf(left.slice(from, match.index));
        if (data) yield data;
        from = end.lastIndex;
      }
      left = left.slice(from);
      if (!done) continue;
      const data = dataOf(left);
      if (data) yield data;
      return;
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** The `data` of one event; its lines are joined. */
function dataOf(block: string): string {
  return block
    .split(/\r?\n/)
    .filter((line) => line.startsWith("data:"))
    .map((line) => line.slice(5).replace(/^ /, ""))
    .join("\n");
}

function checked<T>(event: T & LastWord, response: Response): T {
  if (event.error?.error_code) throw errorFrom(event.error, response.status, response.headers);
  return event;
}
