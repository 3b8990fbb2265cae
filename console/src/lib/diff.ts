/** What changed between two texts, line by line. */

export interface DiffLine {
  kind: "same" | "removed" | "added";
  text: string;
}

/** Steps of the search at most; beyond it everything between the equal ends counts as changed. */
const MAX_CHANGES = 2000;

/** The lines of both texts: those that stay, go and come (Myers, https://doi.org/10.1007/BF01840446). */
export function diffLines(before: string, after: string): DiffLine[] {
  const old = before.split("\n");
  const now = after.split("\n");
  let start = 0;
  while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
  let end = 0;
  while (
    end < old.length - start &&
    end < now.length - start &&
    old[old.length - 1 - end] === now[now.length - 1 - end]
  )
    end += 1;
  const tail = end > 0 ? old.slice(-end) : [];
  return [
    ...lines("same", old.slice(0, start)),
    ...middle(old.slice(start, old.length - end), now.slice(start, now.length - end)),
    ...lines("same", tail),
  ];
}

function lines(kind: DiffLine["kind"], texts: readonly string[]): DiffLine[] {
  return texts.map((text) => ({ kind, text }));
}

function middle(old: readonly string[], now: readonly string[]): DiffLine[] {
  const most = Math.min(old.length + now.length, MAX_CHANGES);
  const trace: Map<number, number>[] = [];
  let furthest = new Map([[1, 0]]);
  for (let changes = 0; changes <= most; changes += 1) {
    trace.push(furthest);
    const next = new Map(furthest);
    for (let k = -changes; k <= changes; k += 2) {
      const down = k === -changes || (k !== changes && at(next, k - 1) < at(next, k + 1));
      let x = down ? at(next, k + 1) : at(next, k - 1) + 1;
      while (x < old.length && x - k < now.length && old[x] === now[x - k]) x += 1;
      next.set(k, x);
      if (x >= old.length && x - k >= now.length) return walked(trace, old, now);
    }
    furthest = next;
    // A copy a step would grow with the square of the changes.
    if (changes > 0 && changes * changes > MAX_CHANGES * 100) break;
  }
  return [...lines("removed", old), ...lines("added", now)];
}

const at = (furthest: ReadonlyMap<number, number>, k: number): number => furthest.get(k) ?? -1;

/** The way back through the steps. */
function walked(
  trace: readonly Map<number, number>[],
  old: readonly string[],
  now: readonly string[],
): DiffLine[] {
  const found: DiffLine[] = [];
  let x = old.length;
  let y = now.length;
  for (let changes = trace.length - 1; changes >= 0; changes -= 1) {
    const furthest = trace[changes] ?? new Map<number, number>();
    const k = x - y;
    const down = k === -changes || (k !== changes && at(furthest, k - 1) < at(furthest, k + 1));
    const beforeK = down ? k + 1 : k - 1;
    const beforeX = changes === 0 ? 0 : at(furthest, beforeK);
    const beforeY = changes === 0 ? 0 : beforeX - beforeK;
    while (x > beforeX && y > beforeY) {
      x -= 1;
      y -= 1;
      found.push({ kind: "same", text: old[x] ?? "" });
    }
    if (changes === 0) break;
    if (down) {
      y -= 1;
      found.push({ kind: "added", text: now[y] ?? "" });
    } else {
      x -= 1;
      found.push({ kind: "removed", text: old[x] ?? "" });
    }
  }
  return found.reverse();
}
