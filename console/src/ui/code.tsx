import { clsx } from "clsx";
import { lazy, Suspense } from "react";
import type { EditorProps } from "./editor";

const Editor = lazy(() => import("./editor"));

/** A code editor; its library comes when the first one is shown. */
export function Code(props: EditorProps) {
  const waiting = (
    <pre
      className={clsx(
        "overflow-auto rounded-md border border-line-strong bg-surface-100 p-2 font-mono text-xs text-text-light",
        props.className,
      )}
    >
      {props.value.slice(0, 10_000)}
    </pre>
  );
  return (
    <Suspense fallback={waiting}>
      <Editor {...props} />
    </Suspense>
  );
}
