/** A table of any length: only the rows in sight are in the page. */

import { useVirtualizer } from "@tanstack/react-virtual";
import { clsx } from "clsx";
import { type KeyboardEvent, type ReactNode, useEffect, useId, useRef } from "react";

export interface Column<Row> {
  id: string;
  header: ReactNode;
  /** A CSS track: `12rem`, `minmax(8rem, 1fr)`. */
  width: string;
  align?: "right";
  cell: (row: Row, index: number) => ReactNode;
}

export interface GridProps<Row> {
  /** Says what is listed, to assistive technology. */
  label: string;
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  rowKey: (row: Row, index: number) => string;
  /** Pixels; every row is as high. */
  rowHeight?: number;
  selected?: string | undefined;
  onSelect?: (row: Row, index: number) => void;
  /** Enter or a double click on a row. */
  onOpen?: (row: Row, index: number) => void;
  /** A single click opens, too: where a panel shows the whole row. */
  opensOnClick?: boolean;
  /** Called when the last rows come into sight. */
  onEnd?: () => void;
  /** Shown under the rows: what is loading, or that this is all. */
  footer?: ReactNode;
  /** Shown instead of rows where there are none. */
  empty?: ReactNode;
  className?: string;
}

/** Rows before the end at which more is asked for. */
const NEAR_END = 20;

export function Grid<Row>({
  label,
  rows,
  columns,
  rowKey,
  rowHeight = 34,
  selected,
  onSelect,
  onOpen,
  opensOnClick = false,
  onEnd,
  footer,
  empty,
  className,
}: GridProps<Row>) {
  const scroller = useRef<HTMLDivElement>(null);
  const id = useId();
  const virtual = useVirtualizer({
    count: rows.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  });
  const shown = virtual.getVirtualItems();
  const active = shown.find((item) => {
    const row = rows[item.index];
    return row !== undefined && selected !== undefined && rowKey(row, item.index) === selected;
  });
  const last = shown.at(-1)?.index ?? -1;
  const template = { gridTemplateColumns: columns.map((column) => column.width).join(" ") };

  useEffect(() => {
    if (onEnd && rows.length > 0 && last >= rows.length - NEAR_END) onEnd();
  }, [last, rows.length, onEnd]);

  function move(event: KeyboardEvent) {
    if (!onSelect || rows.length === 0) return;
    const at = rows.findIndex((row, index) => rowKey(row, index) === selected);
    const chosen = rows[at];
    if (event.key === "Enter" && onOpen && chosen !== undefined) {
      event.preventDefault();
      onOpen(chosen, at);
      return;
    }
    const page = Math.max(1, Math.floor((scroller.current?.clientHeight ?? rowHeight) / rowHeight) - 2);
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + page,
      PageUp: at - page,
      Home: 0,
      End: rows.length - 1,
    };
    const wanted = steps[event.key];
    if (wanted === undefined) return;
    event.preventDefault();
    const index = Math.min(rows.length - 1, Math.max(0, wanted));
    const row = rows[index];
    if (row === undefined) return;
    virtual.scrollToIndex(index);
    onSelect(row, index);
  }

  return (
    <div
      ref={scroller}
      role="grid"
      aria-label={label}
      aria-rowcount={rows.length + 1}
      aria-activedescendant={active ? `${id}-${active.index}` : undefined}
      tabIndex={0}
      onKeyDown={move}
      className={clsx("relative min-h-0 flex-1 overflow-auto text-sm", className)}
    >
      {/* As wide as the columns' least widths, so that the columns of all rows have the same. */}
      <div role="none" className="min-w-min">
        <div
          role="row"
          tabIndex={-1}
          aria-rowindex={1}
          className="sticky top-0 z-10 grid border-b bg-surface-200 text-xs text-text-light"
          style={template}
        >
          {columns.map((column) => (
            <div
              key={column.id}
              role="columnheader"
              tabIndex={-1}
              className={clsx("truncate px-3 py-1.5 font-medium", column.align === "right" && "text-right")}
            >
              {column.header}
            </div>
          ))}
        </div>
        <div role="rowgroup" className="relative" style={{ height: virtual.getTotalSize() }}>
          {shown.map((item) => {
            const row = rows[item.index];
            if (row === undefined) return null;
            const key = rowKey(row, item.index);
            return (
              // biome-ignore lint/a11y/useKeyWithClickEvents: the grid itself has the keys
              <div
                key={key}
                id={`${id}-${item.index}`}
                role="row"
                tabIndex={-1}
                aria-rowindex={item.index + 2}
                aria-selected={key === selected}
                onClick={() => {
                  onSelect?.(row, item.index);
                  if (opensOnClick) onOpen?.(row, item.index);
                }}
                onDoubleClick={() => onOpen?.(row, item.index)}
                className={clsx(
                  "absolute inset-x-0 grid items-center border-b border-line",
                  onSelect && "cursor-pointer hover:bg-surface-200",
                  key === selected && "bg-surface-300",
                )}
                style={{ ...template, height: rowHeight, transform: `translateY(${item.start}px)` }}
              >
                {columns.map((column) => (
                  <div
                    key={column.id}
                    role="gridcell"
                    tabIndex={-1}
                    className={clsx("truncate px-3", column.align === "right" && "text-right tabular-nums")}
                  >
                    {column.cell(row, item.index)}
                  </div>
                ))}
              </div>
            );
          })}
        </div>
      </div>
      {rows.length === 0 && empty ? <Whole>{empty}</Whole> : null}
      {footer ? <Whole>{footer}</Whole> : null}
    </div>
  );
}

/** A row of one cell: a grid has nothing but rows. */
function Whole({ children }: { children: ReactNode }) {
  return (
    <div role="row" tabIndex={-1} className="sticky left-0">
      <div role="gridcell" tabIndex={-1}>
        {children}
      </div>
    </div>
  );
}
