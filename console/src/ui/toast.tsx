/** Short messages at the edge of the page: what was done, or why it was not. */

import { clsx } from "clsx";
import { CircleAlert, CircleCheck, X } from "lucide-react";
import { createStore } from "@/lib/store";
import { IconButton } from "./button";

interface Message {
  id: number;
  text: string;
  bad: boolean;
}

const SHOWN_MS = 6_000;
const MOST = 4;

const messages = createStore<readonly Message[]>([]);
let last = 0;

function show(text: string, bad: boolean): void {
  last += 1;
  const id = last;
  messages.set([...messages.get(), { id, text, bad }].slice(-MOST));
  // A failure stays until it is read.
  if (!bad) setTimeout(() => dismiss(id), SHOWN_MS);
}

function dismiss(id: number): void {
  messages.set(messages.get().filter((each) => each.id !== id));
}

export const toast = {
  done: (text: string) => show(text, false),
  /** Says why something failed. */
  failed: (error: unknown) => show(error instanceof Error ? error.message : String(error), true),
};

export function Toasts() {
  const shown = messages.use();
  return (
    <div
      role="status"
      aria-live="polite"
      className="pointer-events-none fixed right-4 bottom-4 z-50 flex w-80 flex-col gap-2"
    >
      {shown.map(({ id, text, bad }) => (
        <div
          key={id}
          className={clsx(
            "pointer-events-auto flex items-start gap-2 rounded-md border bg-overlay p-3 text-sm shadow-xl",
            bad ? "border-danger" : "border-line-strong",
          )}
        >
          {bad ? (
            <CircleAlert size={16} className="mt-0.5 shrink-0 text-danger" aria-hidden />
          ) : (
            <CircleCheck size={16} className="mt-0.5 shrink-0 text-brand-text" aria-hidden />
          )}
          <p className="min-w-0 flex-1 break-words">{text}</p>
          <IconButton label="Dismiss" onClick={() => dismiss(id)}>
            <X size={14} aria-hidden />
          </IconButton>
        </div>
      ))}
    </div>
  );
}
