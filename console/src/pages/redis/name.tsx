import { type Content, readable } from "@studio-databases/client/react";
import { clsx } from "clsx";

/** Characters in a cell; the rest is seen where one thing is looked at. */
const MOST_IN_CELL = 300;

/** Bytes in a line: text, or `\xff` for what is none. */
export function Bytes({ blob, className }: { blob: Content; className?: string }) {
  const text = readable(blob);
  const isCut = (blob.full_length ?? 0) > 0;
  return (
    <span className={clsx("font-mono text-xs", blob.value_base64 && "text-info", className)}>
      {text === "" && !isCut ? <span className="text-text-muted">empty</span> : text.slice(0, MOST_IN_CELL)}
      {isCut || text.length > MOST_IN_CELL ? "…" : null}
    </span>
  );
}
