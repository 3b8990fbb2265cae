/** What was run in a database's console, and what came back. In the page's memory alone: it outlives a change of the view. */

import type { RedisCommandReply } from "@studio-databases/client/react";
import { replyText } from "./reply";

export interface Answer {
  text: string;
  /** Something was left out, by the server's service or here. */
  isCut: boolean;
  isError: boolean;
  ms: number;
}

export interface Entry {
  id: number;
  lines: readonly string[];
  /** Milliseconds since 1970. */
  at: number;
  /** Undefined while it runs. */
  answers?: readonly Answer[];
  /** Why nothing came back: a failure, or a sentence. */
  error?: unknown;
}

/** Entries and characters at most that are kept. */
const MOST_ENTRIES = 300;
const MOST_CHARACTERS = 8_000_000;
const MOST_HISTORY = 200;

/** The log of one console. */
export class Log {
  entries: readonly Entry[] = [];
  /** What was typed, the newest last. */
  history: readonly string[] = [];
  private last = 0;
  private readonly listeners = new Set<() => void>();

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  readonly getEntries = (): readonly Entry[] => this.entries;

  /** Notes what begins. */
  begin(lines: readonly string[]): number {
    this.last += 1;
    const typed = lines.join("\n");
    this.history = [...this.history.filter((each) => each !== typed), typed].slice(-MOST_HISTORY);
    this.set([...this.entries, { id: this.last, lines, at: Date.now() }]);
    return this.last;
  }

  /** Notes how it ended. */
  end(id: number, replies: readonly RedisCommandReply[]): void {
    const answers = replies.map(({ reply, duration_ms: ms, truncated }): Answer => {
      const { text, isCut } = replyText(reply ?? {});
      return { text, isCut: isCut || truncated, isError: reply?.error !== undefined, ms };
    });
    this.change(id, { answers });
  }

  /** Notes why it did not run, or that nobody knows what became of it. */
  fail(id: number, error: unknown): void {
    this.change(id, { answers: [], error });
  }

  clear(): void {
    this.set(this.entries.filter((each) => !each.answers));
  }

  private change(id: number, change: Partial<Entry>): void {
    this.set(this.entries.map((each) => (each.id === id ? { ...each, ...change } : each)));
  }

  private set(entries: readonly Entry[]): void {
    let characters = 0;
    const kept = entries.slice(-MOST_ENTRIES).toReversed();
    const end = kept.findIndex((each, index) => {
      for (const line of each.lines) characters += line.length;
      for (const answer of each.answers ?? []) characters += answer.text.length;
      return index > 0 && characters > MOST_CHARACTERS;
    });
    this.entries = kept.slice(0, end < 0 ? undefined : end).toReversed();
    for (const listener of this.listeners) listener();
  }
}

const logs = new Map<string, Log>();

/** The log of a database's console. */
export function logOf(databaseId: string): Log {
  const found = logs.get(databaseId) ?? new Log();
  logs.set(databaseId, found);
  return found;
}
