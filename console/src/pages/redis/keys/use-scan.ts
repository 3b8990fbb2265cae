import { useClient } from "@studio-databases/client/react";
import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { askAgainAfter } from "@/lib/away";
import { type Filter, Scan, type ScanState } from "./scan";

export interface UsedScan {
  scan: Scan;
  state: ScanState;
  /** Begins anew. */
  restart: () => void;
}

/** The walk through the keys that a filter is about, while `isOn`; leaving the page, or another filter, ends it. */
export function useScan(databaseId: string, { pattern, type }: Filter, isOn: boolean): UsedScan {
  const client = useClient();
  const [run, setRun] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: `run` asks for a new one
  const scan = useMemo(
    () => new Scan(client, databaseId, { pattern, type }),
    [client, databaseId, pattern, type, run],
  );
  useEffect(() => {
    if (!isOn) return;
    scan.more();
    return () => scan.stop();
  }, [scan, isOn]);
  const state = useSyncExternalStore(scan.subscribe, scan.getState);
  const failures = useRef(0);
  useEffect(() => {
    if (state.status === "done" || state.status === "paused") failures.current = 0;
    const wait = isOn && state.status === "failed" && askAgainAfter(state.error, failures.current);
    if (!wait) return;
    const timer = setTimeout(() => {
      failures.current += 1;
      scan.more();
    }, wait);
    return () => clearTimeout(timer);
  }, [scan, state, isOn]);
  return { scan, state, restart: () => setRun(run + 1) };
}
