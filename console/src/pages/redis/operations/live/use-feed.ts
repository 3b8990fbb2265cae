import { useCallback, useEffect, useRef, useState } from "react";
import { type Run, useRun } from "../use-run";

/** What every event of a watch may say. */
interface News {
  at_unix_ms: number;
  dropped: number;
  heartbeat: boolean;
}

/** An event with its number, by which a list knows it. */
export type Row<Event> = Event & { number: number };

export interface Feed<Event> extends Run<Event> {
  /** The newest first. */
  rows: readonly Row<Event>[];
  /** How many have come. */
  come: number;
  /** Missed because this reader is slow. */
  dropped: number;
  clear: () => void;
}

/** Events that are kept; older ones go. */
export const MOST_ROWS = 5_000;
/** Milliseconds between two looks at what has come: a page drawn for each event would be the slow reader. */
const LOOK_EVERY_MS = 150;

/** A watch as a list of its last events. */
export function useFeed<Event extends News>(isRow: (event: Event) => boolean): Feed<Event> {
  const [shown, setShown] = useState<{ rows: readonly Row<Event>[]; come: number; dropped: number }>({
    rows: [],
    come: 0,
    dropped: 0,
  });
  const waiting = useRef<Row<Event>[]>([]);
  const counts = useRef({ come: 0, dropped: 0, before: 0 });
  const run = useRun<Event>((event) => {
    counts.current.dropped = counts.current.before + event.dropped;
    if (event.heartbeat || !isRow(event)) return;
    counts.current.come += 1;
    waiting.current.push({ ...event, number: counts.current.come });
    if (waiting.current.length > MOST_ROWS) waiting.current.splice(0, waiting.current.length - MOST_ROWS);
  });

  const look = useCallback(() => {
    const { come, dropped } = counts.current;
    const fresh = waiting.current.toReversed();
    waiting.current = [];
    setShown((before) =>
      fresh.length === 0 && before.dropped === dropped
        ? before
        : { rows: [...fresh, ...before.rows].slice(0, MOST_ROWS), come, dropped },
    );
  }, []);

  const isRunning = run.status === "running";
  useEffect(() => {
    if (!isRunning) return;
    const timer = setInterval(look, LOOK_EVERY_MS);
    return () => {
      clearInterval(timer);
      // The last ones, and what is missed counts on from here in the next run.
      look();
      counts.current.before = counts.current.dropped;
    };
  }, [isRunning, look]);

  const clear = useCallback(() => {
    waiting.current = [];
    counts.current = { come: 0, dropped: 0, before: 0 };
    setShown({ rows: [], come: 0, dropped: 0 });
  }, []);

  return { ...run, ...shown, clear };
}
