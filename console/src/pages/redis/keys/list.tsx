/** The listed keys: only the rows in sight are in the page. */

import { type RedisName, readable } from "@studio-databases/client/react";
import { clsx } from "clsx";
import { type KeyboardEvent, memo, type ReactNode, useId } from "react";
import { bytes, short } from "@/lib/format";
import { ContextMenu, type MenuItems } from "@/ui";
import { Ttl } from "../ttl";
import { TypeBadge } from "../type-badge";
import { useRows } from "./rows";
import type { KeyTable } from "./table";

const ROW_HEIGHT = 28;
const HEADER_HEIGHT = 28;
/** A narrow list has the names, a wide one the length as well. */
const COLUMNS =
  "grid grid-cols-[3.5rem_minmax(0,1fr)_4.75rem] items-center gap-x-2.5 px-3 " +
  "@sm:grid-cols-[3.5rem_minmax(0,1fr)_5.25rem_4.25rem] @xl:grid-cols-[3.5rem_minmax(0,1fr)_5.25rem_4.25rem_4rem]";
const SHOWN_FROM = ["", "", "", "hidden @sm:block", "hidden @xl:block"];

export function KeyList({
  table,
  version,
  chosen,
  onChoose,
  onDelete,
  onEnd,
  menu,
  children,
}: {
  table: KeyTable;
  /** Another one whenever something in the table is: what is shown of it is drawn anew. */
  version: unknown;
  chosen: RedisName | undefined;
  onChoose: (name: RedisName) => void;
  /** The Delete key; missing where the caller may not. */
  onDelete?: (() => void) | undefined;
  /** Called when the last rows are scrolled into sight. */
  onEnd: () => void;
  /** What a right click on a key, which chooses it, offers. */
  menu: MenuItems;
  /** Shown instead of rows where there are none. */
  children?: ReactNode;
}) {
  const { size } = table;
  const rows = useRows(size, ROW_HEIGHT, HEADER_HEIGHT);
  const id = useId();
  const at = table.indexOf(chosen);

  function move(event: KeyboardEvent) {
    if (event.key === "Delete" && at >= 0) return onDelete?.();
    const steps: Record<string, number> = {
      ArrowDown: at + 1,
      ArrowUp: at - 1,
      PageDown: at + rows.page,
      PageUp: at - rows.page,
      Home: 0,
      End: size - 1,
    };
    const wanted = steps[event.key];
    if (wanted === undefined || size === 0) return;
    event.preventDefault();
    const row = Math.min(size - 1, Math.max(0, wanted));
    const key = table.at(row);
    rows.show(row);
    if (key) onChoose(key.name);
  }

  const shown: ReactNode[] = [];
  for (let row = rows.first; row < rows.end; row += 1) {
    shown.push(
      <Row
        key={row}
        id={`${id}-${row}`}
        table={table}
        version={version}
        row={row}
        top={rows.top(row)}
        isChosen={row === at}
        onChoose={onChoose}
      />,
    );
  }
  return (
    <ContextMenu items={menu}>
      <div
        ref={rows.scroller}
        role="grid"
        aria-label="Keys"
        aria-rowcount={size + 1}
        aria-activedescendant={at >= rows.first && at < rows.end ? `${id}-${at}` : undefined}
        tabIndex={0}
        onKeyDown={move}
        onScroll={() => {
          if (rows.onScroll()) onEnd();
        }}
        className="@container relative min-h-0 flex-1 overflow-y-auto text-xs -outline-offset-2"
      >
        <div
          role="row"
          tabIndex={-1}
          aria-rowindex={1}
          className={clsx(COLUMNS, "sticky top-0 z-10 h-7 border-b bg-surface-200 text-text-light")}
        >
          {["Type", "Key", "TTL", "Memory", "Length"].map((label, column) => (
            <div
              key={label}
              role="columnheader"
              tabIndex={-1}
              className={clsx("truncate", column > 1 && "text-right", SHOWN_FROM[column])}
            >
              {label}
            </div>
          ))}
        </div>
        {size === 0 ? children : null}
        <div role="rowgroup" className="relative" style={{ height: rows.height }}>
          {shown}
        </div>
      </div>
    </ContextMenu>
  );
}

/** Drawn anew only where something of it is: scrolling draws the rows that come into sight. */
const Row = memo(function Row({
  id,
  table,
  row,
  top,
  isChosen,
  onChoose,
}: {
  id: string;
  table: KeyTable;
  version: unknown;
  row: number;
  top: number;
  isChosen: boolean;
  onChoose: (name: RedisName) => void;
}) {
  const listed = table.at(row);
  if (!listed) return null;
  const text = listed.isBinary ? readable({ value_base64: listed.text }) : listed.text;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the grid itself has the keys
    <div
      id={id}
      role="row"
      tabIndex={-1}
      aria-rowindex={row + 2}
      aria-selected={isChosen}
      onClick={() => onChoose(listed.name)}
      onContextMenu={() => onChoose(listed.name)}
      className={clsx(
        COLUMNS,
        "absolute inset-x-0 cursor-pointer border-b",
        isChosen ? "bg-surface-300" : "hover:bg-surface-200",
      )}
      style={{ height: ROW_HEIGHT, transform: `translateY(${top}px)` }}
    >
      <div role="gridcell" tabIndex={-1} className="flex">
        <TypeBadge type={listed.type} />
      </div>
      <div
        role="gridcell"
        tabIndex={-1}
        className={clsx(
          "truncate font-mono",
          listed.isBinary && "text-info",
          listed.isGone && "text-text-muted line-through",
        )}
        title={text}
      >
        {text || <span className="text-text-muted">empty name</span>}
      </div>
      <div role="gridcell" tabIndex={-1} className="truncate text-right text-text-light tabular-nums">
        {listed.isGone ? "deleted" : <Ttl expiresAt={listed.expiresAt} />}
      </div>
      <div
        role="gridcell"
        tabIndex={-1}
        className={clsx("truncate text-right text-text-light tabular-nums", SHOWN_FROM[3])}
      >
        {listed.memory < 0 ? "–" : bytes(listed.memory)}
      </div>
      <div
        role="gridcell"
        tabIndex={-1}
        className={clsx("truncate text-right text-text-light tabular-nums", SHOWN_FROM[4])}
      >
        {listed.length < 0 ? "–" : short(listed.length)}
      </div>
    </div>
  );
});
