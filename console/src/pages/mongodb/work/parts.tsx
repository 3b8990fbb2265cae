/** Small pieces that the views of MongoDB's work share. */

import type { MongoUnavailable } from "@studio-databases/client/react";
import { Play, Square } from "lucide-react";
import type { ReactNode } from "react";
import type { Node } from "@/lib/ejson";
import { Button } from "@/ui";
import { shown } from "./exact";

/** The line above a view. */
export function Toolbar({ children }: { children: ReactNode }) {
  return (
    <div className="flex min-h-11 shrink-0 flex-wrap items-center gap-2 border-b px-4 py-1.5 lg:gap-3">
      {children}
    </div>
  );
}

/** Chooses between the parts of a view. */
export function Parts({
  label,
  parts,
  chosen,
  onChoose,
}: {
  label: string;
  parts: readonly (readonly [value: string, label: string])[];
  chosen: string;
  onChoose: (part: string) => void;
}) {
  return (
    <div role="group" aria-label={label} className="flex rounded-md border border-line-strong">
      {parts.map(([value, name]) => (
        <button
          key={value}
          type="button"
          aria-pressed={chosen === value}
          onClick={() => onChoose(value)}
          className={
            chosen === value
              ? "rounded bg-surface-300 px-2.5 py-1 text-xs text-text"
              : "px-2.5 py-1 text-xs text-text-light hover:text-text"
          }
        >
          {name}
        </button>
      ))}
    </div>
  );
}

/** Starts work, and stops it while it runs. */
export function RunButton({
  running,
  onRun,
  onStop,
  children,
  disabled = false,
}: {
  running: boolean;
  onRun: () => void;
  onStop: () => void;
  children: ReactNode;
  disabled?: boolean;
}) {
  if (running) {
    return (
      <Button icon={<Square size={13} aria-hidden />} onClick={onStop}>
        Stop
      </Button>
    );
  }
  return (
    <Button kind="primary" icon={<Play size={13} aria-hidden />} disabled={disabled} onClick={onRun}>
      {children}
    </Button>
  );
}

/** A document, or another value, as text; long lines are broken. */
export function Value({ node, className = "" }: { node: Node; className?: string }) {
  return (
    <pre className={`font-mono text-xs leading-5 break-words whitespace-pre-wrap ${className}`}>
      {shown(node)}
    </pre>
  );
}

/** What scrolls, and is reached by the keyboard whatever is in it. */
export function Scroll({
  label,
  className = "",
  children,
}: {
  label: string;
  className?: string;
  children: ReactNode;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: without it the keyboard could not scroll
    <section aria-label={label} tabIndex={0} className={`overflow-auto ${className}`}>
      {children}
    </section>
  );
}

/** Documents one below the other. */
export function Documents({ label, documents }: { label: string; documents: readonly Node[] }) {
  return (
    <ol aria-label={label} className="flex flex-col gap-2">
      {documents.map((each, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: what a pipeline gives may have no `_id`
        <li key={index} className="rounded-md border bg-surface-100 px-3 py-2">
          <Value node={each} />
        </li>
      ))}
    </ol>
  );
}

/** A number with its name. */
export function Figure({ name, children, title }: { name: string; children: ReactNode; title?: string }) {
  return (
    <div title={title}>
      <dt className="text-xs text-text-light">{name}</dt>
      <dd className="text-sm tabular-nums">{children}</dd>
    </div>
  );
}

/** What the server did not tell, and the role that would help. */
export function Missing({ of }: { of: readonly MongoUnavailable[] }) {
  if (of.length === 0) return null;
  return (
    <p className="px-4 py-2 text-xs text-text-light">
      Not shown:{" "}
      {of
        .map(({ what, permission, role }) =>
          permission
            ? `${what} (the connection's user lacks ${permission}${role ? `; the role ${role} has it` : ""})`
            : `${what} (the server does not have it)`,
        )
        .join("; ")}
      .
    </p>
  );
}
