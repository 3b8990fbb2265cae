/** Which of very many rows of one height are in sight. Nothing is kept per row, and no element is higher than browsers can. */

import { type RefObject, useCallback, useEffect, useRef, useState } from "react";

/** Pixels that every browser lays out: Firefox no more than 17.8 million, Chromium and Safari 33.5. */
const HIGHEST = 15_000_000;
/** Pixels for 1,000,000 rows, and less than most browsers lay out. */
const HIGHER = 30_000_000;
const OVERSCAN = 8;

export interface Rows {
  scroller: RefObject<HTMLDivElement | null>;
  /** Pixels of the element that scrolls. */
  height: number;
  /** First row in sight, and the one behind the last. */
  first: number;
  end: number;
  /** Where a row stands, in pixels from the element's top. */
  top: (row: number) => number;
  /** Rows that fit. */
  page: number;
  show: (row: number) => void;
  /** Takes the scroller's new place; true where the last rows are in sight. */
  onScroll: () => boolean;
}

let found: number | undefined;

/** Pixels that this browser lays out. */
function highest(): number {
  if (found === undefined) {
    const probe = document.createElement("div");
    probe.style.cssText = `position: absolute; visibility: hidden; height: ${HIGHER}px`;
    document.body.append(probe);
    found = probe.offsetHeight === HIGHER ? HIGHER : HIGHEST;
    probe.remove();
  }
  return found;
}

/** `headerHeight` is what sticks above the rows, in pixels. Where they are higher than a browser lays out, the rows move
 * faster than what scrolls. */
export function useRows(count: number, rowHeight: number, headerHeight: number): Rows {
  const scroller = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 600 });
  const read = useCallback(() => {
    const element = scroller.current;
    if (!element) return;
    const next = { top: element.scrollTop, height: element.clientHeight - headerHeight };
    setView((before) => (before.top === next.top && before.height === next.height ? before : next));
  }, [headerHeight]);

  useEffect(() => {
    const element = scroller.current;
    if (!element) return;
    read();
    const observer = new ResizeObserver(read);
    observer.observe(element);
    return () => observer.disconnect();
  }, [read]);

  const all = count * rowHeight;
  const height = Math.min(all, highest());
  const way = Math.max(1, height - view.height);
  const scale = Math.max(1, (all - view.height) / way);
  // Pixels of all rows that are above the ones in sight.
  const above = Math.min(view.top, way) * scale;
  const first = Math.max(0, Math.floor(above / rowHeight) - OVERSCAN);
  const end = Math.min(count, Math.ceil((above + view.height) / rowHeight) + OVERSCAN);
  const page = Math.max(1, Math.floor(view.height / rowHeight) - 1);

  function show(row: number) {
    const element = scroller.current;
    if (!element) return;
    const from = row * rowHeight;
    if (from < above) element.scrollTop = from / scale;
    else if (from + rowHeight > above + view.height) {
      element.scrollTop = (from + rowHeight - view.height) / scale;
    }
  }
  return {
    scroller,
    height,
    first,
    end,
    // To the pixel where nothing is scaled, so that a row that stays in sight is the same.
    top: (row) => row * rowHeight + (scale > 1 ? view.top - above : 0),
    page,
    show,
    onScroll: () => {
      read();
      const element = scroller.current;
      return element !== null && element.scrollTop >= way - view.height;
    },
  };
}
