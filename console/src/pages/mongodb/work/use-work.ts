import { useCallback, useEffect, useRef, useState } from "react";

export interface Work {
  running: boolean;
  /** It was stopped by the user. */
  stopped: boolean;
  error: unknown;
  /** Begins; what ran before is stopped. */
  start: (work: (signal: AbortSignal) => Promise<void>) => Promise<void>;
  stop: () => void;
}

/** Work that takes a while, one at a time; it stops when the page is left. */
export function useWork(): Work {
  const [state, setState] = useState<Pick<Work, "running" | "stopped" | "error">>({
    running: false,
    stopped: false,
    error: undefined,
  });
  const control = useRef<AbortController>(null);
  useEffect(() => () => control.current?.abort(), []);

  const start = useCallback<Work["start"]>(async (work) => {
    control.current?.abort();
    const mine = new AbortController();
    control.current = mine;
    setState({ running: true, stopped: false, error: undefined });
    let error: unknown;
    try {
      await work(mine.signal);
    } catch (failure) {
      error = failure;
    }
    if (control.current !== mine) return;
    const stopped = mine.signal.aborted;
    setState({ running: false, stopped, error: stopped ? undefined : error });
  }, []);
  const stop = useCallback(() => control.current?.abort(), []);
  return { ...state, start, stop };
}
