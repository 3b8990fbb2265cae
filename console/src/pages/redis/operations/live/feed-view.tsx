import type { ReactNode } from "react";
import { useState } from "react";
import { count } from "@/lib/format";
import { Badge, Button, type Column, Empty, Failure, Grid, SidePanel } from "@/ui";
import { type Feed, MOST_ROWS, type Row } from "./use-feed";

/** The list below a watch's fields: its last events, and how it goes. */
export function FeedView<Event>({
  feed,
  label,
  noun,
  columns,
  idle,
  waiting,
  details,
}: {
  feed: Feed<Event>;
  label: string;
  /** What came, in the plural: `messages`. */
  noun: string;
  columns: readonly Column<Row<Event>>[];
  /** Shown before the watch begins. */
  idle: ReactNode;
  /** Shown while nothing has come. */
  waiting: string;
  /** Everything of one event. */
  details: (event: Row<Event>) => ReactNode;
}) {
  const [chosen, setChosen] = useState<Row<Event>>();
  /** The rows that are held, so that one can read them. */
  const [held, setHeld] = useState<readonly Row<Event>[]>();
  const { status, error, rows, come, dropped } = feed;
  const isRunning = status === "running";
  return (
    <>
      {error ? <Failure className="m-3" error={error} /> : null}
      <Grid<Row<Event>>
        label={label}
        rows={held ?? rows}
        columns={columns}
        rowHeight={28}
        rowKey={(row) => String(row.number)}
        selected={chosen ? String(chosen.number) : undefined}
        onSelect={setChosen}
        empty={isRunning ? <Empty title={waiting} /> : error ? null : idle}
      />
      <footer className="flex h-9 shrink-0 items-center gap-3 border-t px-3 text-xs text-text-light">
        <span aria-live="polite">
          {count(come)} {noun}
          {come > MOST_ROWS ? `; the last ${count(MOST_ROWS)} are kept` : ""}
        </span>
        {isRunning ? <Badge tone="good">watching</Badge> : null}
        {status === "done" ? <Badge>ended: its time was over</Badge> : null}
        {dropped > 0 ? (
          <Badge tone="warning">{count(dropped)} missed: they came faster than they could be read</Badge>
        ) : null}
        <div className="flex-1" />
        {rows.length > 0 ? (
          <>
            <Button
              kind="text"
              aria-pressed={held !== undefined}
              onClick={() => setHeld(held ? undefined : rows)}
            >
              {held ? "Show what came since" : "Hold the list"}
            </Button>
            <Button
              kind="text"
              onClick={() => {
                setHeld(undefined);
                feed.clear();
              }}
            >
              Clear
            </Button>
          </>
        ) : null}
      </footer>
      <SidePanel open={chosen !== undefined} onOpenChange={() => setChosen(undefined)} title={label}>
        {chosen ? details(chosen) : null}
      </SidePanel>
    </>
  );
}

/** The button that begins and ends a watch. */
export function WatchButton({
  feed,
  disabled,
  children,
}: {
  feed: Pick<Feed<unknown>, "status" | "stop">;
  disabled: boolean;
  children: ReactNode;
}) {
  if (feed.status === "running") return <Button onClick={feed.stop}>Stop</Button>;
  return (
    <Button type="submit" kind="primary" disabled={disabled}>
      {children}
    </Button>
  );
}

/** A time of the day to the millisecond. */
export function clock(ms: number): string {
  return `${new Date(ms).toLocaleTimeString(undefined, { hour12: false })}.${String(Math.floor(ms % 1000)).padStart(3, "0")}`;
}

/** One fact about an event. */
export function Fact({ name, children }: { name: string; children: ReactNode }) {
  return (
    <div className="mb-3">
      <dt className="text-xs text-text-light">{name}</dt>
      <dd className="font-mono text-xs break-all whitespace-pre-wrap">{children}</dd>
    </div>
  );
}
