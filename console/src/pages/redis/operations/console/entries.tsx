import { clsx } from "clsx";
import { LoaderCircle, RotateCcw } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { duration, moment } from "@/lib/format";
import { Button, Copy, Empty, Failure, IconButton } from "@/ui";
import type { Answer, Entry } from "./log";

/** Characters of an answer that are shown unasked. */
const SHOWN = 6_000;

/** What was run and what came back, the newest at the bottom. */
export function Entries({
  entries,
  onRepeat,
}: {
  entries: readonly Entry[];
  onRepeat: (text: string) => void;
}) {
  const end = useRef<HTMLDivElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: whatever comes, its end is what one looks for
  useEffect(() => {
    // Newer browsers give back a promise, which React would take for a clean-up.
    void end.current?.scrollIntoView({ block: "end" });
  }, [entries]);
  return (
    <section
      aria-label="Commands and replies"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be scrolled by the keyboard
      tabIndex={0}
      className="relative min-h-0 flex-1 overflow-y-auto"
    >
      {entries.length === 0 ? (
        <Empty title="Commands and their replies show here.">
          Type one below, quoted as redis-cli takes it. Several lines run as one pipeline. Nothing is kept
          when the page is closed.
        </Empty>
      ) : null}
      <ol aria-live="polite">
        {entries.map((entry) => (
          <li key={entry.id} className="group border-b px-4 py-2">
            <EntryView entry={entry} onRepeat={() => onRepeat(entry.lines.join("\n"))} />
          </li>
        ))}
      </ol>
      <div ref={end} />
    </section>
  );
}

function EntryView({ entry, onRepeat }: { entry: Entry; onRepeat: () => void }) {
  const { lines, answers, error } = entry;
  const all = answers?.map((each) => each.text).join("\n") ?? "";
  return (
    <>
      <div className="flex items-center gap-1">
        {answers ? null : (
          <LoaderCircle size={12} className="animate-spin text-text-light" aria-label="Runs" />
        )}
        {lines.length === 1 ? <Typed line={lines[0] ?? ""} at={entry.at} /> : null}
        {lines.length > 1 ? (
          <span className="text-xs text-text-light">Pipeline of {lines.length} commands</span>
        ) : null}
        {answers ? (
          <span className="ml-1 flex items-center opacity-0 group-focus-within:opacity-100 group-hover:opacity-100">
            <IconButton label="Run again" onClick={onRepeat}>
              <RotateCcw size={13} aria-hidden />
            </IconButton>
            {all ? <Copy text={all} label="Copy the reply" /> : null}
          </span>
        ) : null}
      </div>
      {typeof error === "string" ? <p className="text-xs text-text-light">{error}</p> : null}
      {error && typeof error !== "string" ? <Failure className="mt-1.5" error={error} /> : null}
      {answers?.map((answer, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: answers stay in their order
        <div key={index} className={clsx(lines.length > 1 && "mt-1")}>
          {lines.length > 1 ? <Typed line={lines[index] ?? ""} at={entry.at} /> : null}
          <AnswerView answer={answer} />
        </div>
      ))}
      {lines.length > 1 && !answers?.length ? (
        <pre className="font-mono text-xs whitespace-pre-wrap text-text-light">{lines.join("\n")}</pre>
      ) : null}
    </>
  );
}

function Typed({ line, at }: { line: string; at: number }) {
  return (
    <code title={moment(at)} className="font-mono text-xs font-semibold break-all whitespace-pre-wrap">
      <span className="text-text-muted">&gt; </span>
      {line.length > SHOWN ? `${line.slice(0, SHOWN)}…` : line}
    </code>
  );
}

function AnswerView({ answer }: { answer: Answer }) {
  const [isOpen, setOpen] = useState(false);
  const { text, isCut, isError, ms } = answer;
  const isLong = text.length > SHOWN;
  return (
    <div className="flex items-start gap-3">
      <div className="min-w-0 flex-1">
        <pre
          className={clsx(
            "font-mono text-xs leading-5 break-all whitespace-pre-wrap",
            isError ? "text-danger" : "text-text",
          )}
        >
          {isLong && !isOpen ? `${text.slice(0, SHOWN)}…` : text}
        </pre>
        {isLong ? (
          <Button kind="text" className="-ml-2" onClick={() => setOpen(!isOpen)}>
            {isOpen ? "Show less" : "Show all"}
          </Button>
        ) : null}
        {isCut ? (
          <p className="text-xs text-warning">The reply was longer; what is above is its beginning.</p>
        ) : null}
      </div>
      <span className="shrink-0 text-xs text-text-muted tabular-nums">{duration(ms)}</span>
    </div>
  );
}
