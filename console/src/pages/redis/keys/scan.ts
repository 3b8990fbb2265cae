/** One walk through the keyspace: page after page into a table, until enough is listed, and on from there when asked. */

import type { Client } from "@studio-databases/client";
import { redisGet } from "@studio-databases/client/react";
import { KeyTable } from "./table";

/** Which keys. */
export interface Filter {
  pattern: string;
  type: string;
}

/** How far a walk is. */
export interface ScanState {
  status: "running" | "paused" | "done" | "full" | "failed";
  scanned: number;
  /** DBSIZE. */
  total: number;
  error: unknown;
}

/** Keys to list before pausing: some screens. */
const ENOUGH = 500;
/** Keys of the server to look at without finding enough, before the user is asked. */
const BUDGET = 100_000;
const FIRST_PAGE = 200;
const PAGE = 2_000;
/** Milliseconds between two looks of the page at what has come. */
const TOLD_EVERY_MS = 120;

export class Scan {
  table = new KeyTable();
  state: ScanState = { status: "paused", scanned: 0, total: 0, error: undefined };
  /** Keys listed before those of the table: a full one makes room. */
  before = 0;
  private cursor = "";
  private wanted = 0;
  private abort: AbortController | undefined;
  private told = 0;
  private readonly listeners = new Set<() => void>();

  constructor(
    private readonly client: Client,
    private readonly databaseId: string,
    private readonly filter: Filter,
  ) {}

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getState = (): ScanState => this.state;

  /** Goes on until some more are listed, or with `all` to the end. */
  more(all = false): void {
    if (this.state.status === "done") return;
    this.wanted = all ? Number.POSITIVE_INFINITY : Math.max(this.wanted, this.table.size + ENOUGH);
    if (this.state.status !== "running") void this.run();
  }

  /** Gives up the page that is under way; `more` goes on with it. */
  stop(): void {
    this.abort?.abort();
    this.wanted = 0;
    if (this.state.status === "running") this.tell({ status: "paused" });
  }

  /** Lists the next keys in the place of a full table's. */
  makeRoom(): void {
    this.before += this.table.size;
    this.table = new KeyTable();
    this.more();
  }

  /** Has the list drawn anew: its table was changed. */
  touch(): void {
    this.tell({});
  }

  private async run(): Promise<void> {
    const abort = new AbortController();
    this.abort = abort;
    this.tell({ status: "running", error: undefined });
    const until = this.state.scanned + BUDGET;
    const isBounded = () => Number.isFinite(this.wanted);
    try {
      while (this.table.size < this.wanted && (!isBounded() || this.state.scanned < until)) {
        if (this.table.isFull) return this.tell({ status: "full" });
        const page = await this.page(abort.signal);
        if (abort.signal.aborted) return;
        this.table.add(page.keys);
        this.cursor = page.cursor;
        this.state = {
          ...this.state,
          scanned: this.state.scanned + page.scanned,
          total: page.total_estimate,
        };
        if (!page.cursor) return this.tell({ status: "done" });
        this.tellSometimes();
      }
      this.tell({ status: "paused" });
    } catch (error) {
      if (!abort.signal.aborted) this.tell({ status: "failed", error });
    }
  }

  private page(signal: AbortSignal) {
    const { pattern, type } = this.filter;
    const query = {
      ...(pattern ? { pattern } : {}),
      ...(type ? { type } : {}),
      cursor: this.cursor,
      count: this.cursor ? PAGE : FIRST_PAGE,
    };
    return redisGet(this.client, this.databaseId, "keys", query, signal);
  }

  private tell(change: Partial<ScanState>): void {
    this.state = { ...this.state, ...change };
    this.told = performance.now();
    for (const listener of this.listeners) listener();
  }

  /** Drawing each page of a million keys would take longer than fetching them. */
  private tellSometimes(): void {
    if (performance.now() - this.told >= TOLD_EVERY_MS) this.tell({});
  }
}
