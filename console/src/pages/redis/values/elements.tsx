/** What values of many elements have in common: a grid that loads on as it is scrolled, and the chosen element below. */

import { X } from "lucide-react";
import { type ReactNode, useCallback } from "react";
import { count } from "@/lib/format";
import { Asked, Button, type Column, Grid, IconButton } from "@/ui";

import { useGuard } from "../unsaved";

/** Elements that are kept; more are reached by a filter or a range. */
const MOST_ELEMENTS = 50_000;

/** As much of an infinite query as is needed here. */
interface Pages {
  isPending: boolean;
  isError: boolean;
  isFetching: boolean;
  hasNextPage: boolean;
  error: unknown;
  refetch: () => unknown;
  fetchNextPage: () => unknown;
}

export function Elements<Row>({
  pages,
  rows,
  total,
  label,
  columns,
  rowKey,
  selected,
  onSelect,
  toolbar,
  empty,
  children,
}: {
  pages: Pages;
  rows: readonly Row[];
  /** Elements of the value; -1 where unknown. */
  total: number;
  label: string;
  columns: readonly Column<Row>[];
  rowKey: (row: Row) => string;
  selected: string | undefined;
  onSelect: (row: Row) => void;
  toolbar: ReactNode;
  empty: ReactNode;
  /** The chosen element. */
  children?: ReactNode;
}) {
  const guard = useGuard();
  const { hasNextPage, isFetching, isError, fetchNextPage } = pages;
  const isFull = rows.length >= MOST_ELEMENTS;
  const onEnd = useCallback(() => {
    if (hasNextPage && !isFetching && !isError && !isFull) fetchNextPage();
  }, [hasNextPage, isFetching, isError, isFull, fetchNextPage]);
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-2 border-b px-4 py-2 text-xs">{toolbar}</div>
      <Asked of={pages}>Loading the value…</Asked>
      {pages.isPending || (pages.isError && rows.length === 0) ? null : (
        <Grid<Row>
          label={label}
          rows={rows}
          columns={columns}
          rowKey={rowKey}
          rowHeight={28}
          selected={selected}
          onSelect={(row) => {
            if (rowKey(row) !== selected) guard(() => onSelect(row));
          }}
          onEnd={onEnd}
          // A page may be empty and not be the last.
          empty={hasNextPage ? undefined : empty}
        />
      )}
      <footer className="flex h-8 shrink-0 items-center gap-2 border-t px-4 text-xs text-text-light">
        <span>
          {count(rows.length)}
          {total >= 0 ? ` of ${count(total)}` : ""} loaded
        </span>
        {isFull && hasNextPage ? <span>– more are reached by a filter</span> : null}
        {hasNextPage && !isFull ? (
          <Button kind="text" loading={isFetching} onClick={() => fetchNextPage()}>
            Load more
          </Button>
        ) : null}
      </footer>
      {children}
    </div>
  );
}

/** The chosen element, below the others: going through them by the keyboard shows each. */
export function ElementPane({
  label,
  title,
  onClose,
  children,
}: {
  label: string;
  title: ReactNode;
  onClose: () => void;
  children: ReactNode;
}) {
  const guard = useGuard();
  return (
    <section
      aria-label={label}
      onKeyDown={(event) => {
        if (event.key === "Escape" && !event.defaultPrevented) guard(onClose);
      }}
      className="flex h-[46%] min-h-56 shrink-0 flex-col border-t bg-surface-100"
    >
      <header className="flex items-center gap-2 border-b px-4 py-1">
        <h3 className="min-w-0 flex-1 truncate text-sm">{title}</h3>
        <IconButton label="Close" onClick={() => guard(onClose)}>
          <X size={14} aria-hidden />
        </IconButton>
      </header>
      {children}
    </section>
  );
}
