/** Files of documents: what they are called, what format they have, whether they are whole. */

import type { MongoFileFormat } from "@studio-databases/client/react";

export const FORMATS: Readonly<Record<MongoFileFormat, string>> = {
  ndjson: "JSON, a document a line",
  json: "JSON, one array",
  csv: "CSV",
  bson: "BSON",
};

const ENDINGS: readonly (readonly [RegExp, MongoFileFormat])[] = [
  [/\.(?:ndjson|jsonl)$/i, "ndjson"],
  [/\.json$/i, "json"],
  [/\.(?:csv|tsv)$/i, "csv"],
  [/\.bson$/i, "bson"],
];

/** The format that a file's name says, packed or not. */
export function formatOf(name: string): MongoFileFormat | undefined {
  const plain = name.replace(/\.gz$/i, "");
  return ENDINGS.find(([ending]) => ending.test(plain))?.[1];
}

/** Bytes at the end of a file in which a failure stands. */
const TAIL = 4096;

/** Why an export is not whole: the server says so in its last bytes, since the status was sent before (docs: transfer). */
export function failureIn(tail: string): string | undefined {
  // In CSV the quotes of the JSON are doubled; in BSON lengths stand between names and texts.
  const text = tail.replaceAll('""', '"');
  const at = text.lastIndexOf("$error");
  if (at < 0) return undefined;
  const rest = text.slice(at);
  const json = /"message"\s*:\s*("(?:[^"\\]|\\.)*")/.exec(rest)?.[1];
  if (json) return JSON.parse(json) as string;
  // BSON: four bytes of length, the text, a zero byte.
  return /message\0[\s\S]{4}([^\0]*)\0/.exec(rest)?.[1];
}

/** Passes a file on and looks at its end.
 *
 * The promise settles when it is read: with nothing where the file is whole, else with what is wrong.
 */
export function watched(
  response: Response,
  gzip: boolean,
): { response: Response; failure: Promise<string | undefined> } {
  let tail = new Uint8Array(0);
  const keep = (chunk: Uint8Array) => {
    const joined = new Uint8Array(tail.length + Math.min(chunk.length, TAIL));
    joined.set(tail);
    joined.set(chunk.subarray(-TAIL), tail.length);
    tail = joined.slice(-TAIL);
  };
  const gunzip = gzip ? new DecompressionStream("gzip") : undefined;
  const writer = gunzip?.writable.getWriter();
  const unpacked = gunzip
    ? (async () => {
        const reader = gunzip.readable.getReader();
        for (;;) {
          const { value, done } = await reader.read();
          if (done) return;
          keep(value);
        }
      })()
    : Promise.resolve();
  let settle: (failure: string | undefined) => void = () => undefined;
  const failure = new Promise<string | undefined>((resolve) => {
    settle = resolve;
  });
  // Heard of below; until then a file that ends early is no unhandled rejection.
  unpacked.catch(() => undefined);
  const body = response.body?.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      async transform(chunk, controller) {
        if (writer) await writer.write(chunk).catch(() => undefined);
        else keep(chunk);
        controller.enqueue(chunk);
      },
      async flush() {
        let cut = false;
        try {
          await writer?.close();
          await unpacked;
        } catch {
          cut = true;
        }
        const said = failureIn(new TextDecoder().decode(tail));
        settle(said ?? (cut ? "The file ends too early." : undefined));
      },
    }),
  );
  return { response: new Response(body ?? null, { headers: response.headers }), failure };
}
