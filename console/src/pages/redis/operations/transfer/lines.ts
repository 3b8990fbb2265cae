/** Lines of an export: what a stream of them says of itself, and a file cut into pieces of whole lines. */

const NEWLINE = 10;
/** Bytes of a line that are looked at for news; lines of keys are longer, and none of its business. */
const MOST_NEWS = 65_536;

/** What an export says between its lines of keys. */
export interface ExportNews {
  progress?: ExportCounts;
  summary?: ExportCounts;
  error?: { message?: string };
}

export interface ExportCounts {
  scanned?: number;
  matched?: number;
  succeeded?: number;
  failed?: number;
  total_estimate?: number;
  resume?: string;
}

const NEWS = /^\{\s*"(?:progress|summary|error)"/;

/** Passes bytes on as they are, and tells of the lines that are news. */
export function watchingNews(onNews: (news: ExportNews) => void): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder();
  let begun: Uint8Array = new Uint8Array(0);
  let isTooLong = false;

  function end(): void {
    if (!isTooLong && begun.length > 0) {
      const text = decoder.decode(begun);
      if (NEWS.test(text)) onNews(JSON.parse(text) as ExportNews);
    }
    begun = new Uint8Array(0);
    isTooLong = false;
  }

  function take(part: Uint8Array): void {
    if (isTooLong) return;
    if (begun.length + part.length > MOST_NEWS) isTooLong = true;
    else begun = joined([begun, part]);
  }

  return new TransformStream({
    transform(chunk, controller) {
      controller.enqueue(chunk);
      let from = 0;
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        take(chunk.subarray(from, at));
        end();
        from = at + 1;
      }
      take(chunk.subarray(from));
    },
    flush: end,
  });
}

/** Whole lines of a file. */
export interface Piece {
  bytes: Uint8Array;
  /** Number of its first line, from 1. */
  firstLine: number;
  lines: number;
}

/** Cuts a stream into pieces of about `size` bytes, at the ends of lines; a longer line is a piece of its own. */
export async function* pieces(
  stream: ReadableStream<Uint8Array>,
  size: number,
): AsyncGenerator<Piece, void, undefined> {
  const reader = stream.getReader();
  let parts: Uint8Array[] = [];
  let held = 0;
  let firstLine = 1;

  function* cut(isEnd: boolean): Generator<Piece, void, undefined> {
    const all = joined(parts);
    let from = 0;
    while (all.length - from > 0) {
      const end = isEnd && all.length - from <= size ? all.length : endOfPiece(all, from, size, isEnd);
      if (end < 0) break;
      const bytes = all.subarray(from, end);
      const lines = linesIn(bytes);
      yield { bytes, firstLine, lines };
      firstLine += lines;
      from = end;
    }
    parts = from < all.length ? [all.slice(from)] : [];
    held = all.length - from;
  }

  try {
    let next = size;
    for (;;) {
      const { value, done } = await reader.read();
      if (value) {
        parts.push(value);
        held += value.length;
      }
      if (done) break;
      if (held < next) continue;
      yield* cut(false);
      // A line that is longer than a piece is not searched again for each chunk.
      next = Math.max(size, held * 2);
    }
    yield* cut(true);
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** Where the piece from `from` on ends: behind the last newline within `size`, else behind the next one; -1 for none yet. */
function endOfPiece(all: Uint8Array, from: number, size: number, isEnd: boolean): number {
  if (all.length - from < size && !isEnd) return -1;
  const within = all.lastIndexOf(NEWLINE, from + size - 1);
  if (within >= from) return within + 1;
  const beyond = all.indexOf(NEWLINE, from + size);
  if (beyond >= 0) return beyond + 1;
  return isEnd ? all.length : -1;
}

function linesIn(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines += 1;
  return bytes.at(-1) === NEWLINE ? lines : lines + 1;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1 && parts[0]) return parts[0];
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
