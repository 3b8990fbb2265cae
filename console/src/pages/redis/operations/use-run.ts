import { useCallback, useEffect, useRef, useState } from "react";

/** How something that runs for a while is. */
export type RunStatus = "idle" | "running" | "done" | "stopped" | "failed";

export interface Run<Event> {
  status: RunStatus;
  error: unknown;
  /** Milliseconds since 1970 when it began. */
  since: number;
  /** Begins; what ran before is stopped. */
  start: (open: (signal: AbortSignal) => AsyncIterable<Event>) => void;
  stop: () => void;
}

interface State {
  status: RunStatus;
  error: unknown;
  since: number;
}

const IDLE: State = { status: "idle", error: undefined, since: 0 };

/** Runs a stream of events and hands each on; stopped by `stop`, by the next one, and by leaving the page. */
export function useRun<Event>(onEvent: (event: Event) => void): Run<Event> {
  const [state, setState] = useState<State>(IDLE);
  const control = useRef<AbortController>(null);
  const handler = useRef(onEvent);
  handler.current = onEvent;
  useEffect(() => () => control.current?.abort(), []);

  const stop = useCallback(() => {
    control.current?.abort();
    setState((before) => (before.status === "running" ? { ...before, status: "stopped" } : before));
  }, []);

  const start = useCallback((open: (signal: AbortSignal) => AsyncIterable<Event>) => {
    control.current?.abort();
    const mine = new AbortController();
    control.current = mine;
    setState({ status: "running", error: undefined, since: Date.now() });
    // What was stopped has nothing more to say: another run may be under way.
    const end = (status: RunStatus, error?: unknown) => {
      if (!mine.signal.aborted) setState((before) => ({ ...before, status, error }));
    };
    void (async () => {
      try {
        for await (const event of open(mine.signal)) {
          if (mine.signal.aborted) return;
          handler.current(event);
        }
        end("done");
      } catch (error) {
        end("failed", error);
      }
    })();
  }, []);

  return { ...state, start, stop };
}
