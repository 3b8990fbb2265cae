import { clsx } from "clsx";
import { Play, Square } from "lucide-react";
import { type KeyboardEvent, useEffect, useId, useRef, useState } from "react";
import { Button } from "@/ui";
import { argumentsOf, commandOf, type Known, refusal, suggestions } from "./commands";
import { Suggestions } from "./suggestions";

/** Rows that the field grows to. */
const MOST_ROWS = 10;

/** Where commands are typed, with what the server says of them. */
export function Line({
  commands,
  role,
  isReadOnly,
  history,
  isRunning,
  onRun,
  onStop,
  onClear,
}: {
  commands: readonly Known[];
  role: string | undefined;
  isReadOnly: boolean;
  history: readonly string[];
  isRunning: boolean;
  onRun: (text: string) => void;
  onStop: () => void;
  /** Empties the log; without it there is nothing in it. */
  onClear?: () => void;
}) {
  const id = useId();
  const field = useRef<HTMLTextAreaElement>(null);
  const [text, setText] = useState("");
  /** Where in the history one is; its length for what is being typed. */
  const [back, setBack] = useState(0);
  const [draft, setDraft] = useState("");
  const [chosen, setChosen] = useState(0);
  const [isClosed, setClosed] = useState(false);
  useEffect(() => {
    field.current?.focus();
  }, []);

  const lines = text.split("\n");
  const line = lines.at(-1) ?? "";
  const offered = isClosed ? [] : suggestions(line, commands);
  const at = Math.min(chosen, offered.length - 1);
  const current = commandOf(line, commands);

  function write(next: string, isClosing = false) {
    setText(next);
    setChosen(0);
    setClosed(isClosing);
  }

  function run() {
    if (!text.trim() || isRunning) return;
    onRun(text);
    write("");
    setBack(0);
    setDraft("");
  }

  function accept(name: string) {
    write(`${[...lines.slice(0, -1), name].join("\n")} `);
    field.current?.focus();
  }

  /** Walks through what was typed: `1` is the newest. */
  function recall(step: number) {
    const next = Math.min(history.length, Math.max(0, back + step));
    if (next === back) return;
    if (back === 0) setDraft(text);
    setBack(next);
    write(next === 0 ? draft : (history.at(-next) ?? ""), true);
  }

  function press(event: KeyboardEvent<HTMLTextAreaElement>) {
    const { selectionStart: caret, value } = event.currentTarget;
    const isOffering = offered.length > 0;
    const isPlain = !event.shiftKey && !event.altKey && !event.ctrlKey && !event.metaKey;
    if (event.key === "Enter" && !event.shiftKey && !event.nativeEvent.isComposing) run();
    else if (event.key === "Tab" && isPlain && isOffering) accept(offered[at]?.name ?? line);
    else if (event.key === "Escape" && isOffering) setClosed(true);
    else if (event.key === "ArrowDown" && isPlain && isOffering && back === 0) {
      setChosen(Math.min(offered.length - 1, at + 1));
    } else if (event.key === "ArrowUp" && isPlain && isOffering && at > 0) setChosen(at - 1);
    else if (event.key === "ArrowUp" && isPlain && !value.slice(0, caret).includes("\n")) recall(1);
    else if (event.key === "ArrowDown" && isPlain && !value.slice(caret).includes("\n")) recall(-1);
    else return;
    event.preventDefault();
  }

  return (
    <div className="relative shrink-0 border-t bg-surface-100 px-3 py-2">
      <Suggestions id={id} offered={offered} at={at} role={role} onChoose={accept} />
      <div className="flex items-start gap-2">
        <span aria-hidden className="pt-[7px] font-mono text-xs text-text-muted">
          &gt;
        </span>
        <textarea
          ref={field}
          role="combobox"
          aria-label="Command"
          aria-autocomplete="list"
          aria-expanded={offered.length > 0}
          aria-controls={`${id}-list`}
          aria-activedescendant={offered.length > 0 ? `${id}-${at}` : undefined}
          aria-describedby={`${id}-help`}
          rows={Math.min(MOST_ROWS, lines.length)}
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          placeholder={'SET greeting "good morning"'}
          value={text}
          onChange={(event) => {
            setBack(0);
            write(event.target.value);
          }}
          onKeyDown={press}
          onBlur={() => setClosed(true)}
          className="min-w-0 flex-1 resize-none bg-transparent py-1.5 font-mono text-xs leading-5 text-text placeholder:text-text-muted focus-visible:outline-none"
        />
        {isRunning ? (
          <Button icon={<Square size={13} aria-hidden />} onClick={onStop}>
            Stop waiting
          </Button>
        ) : (
          <Button kind="primary" icon={<Play size={13} aria-hidden />} disabled={!text.trim()} onClick={run}>
            Run
          </Button>
        )}
      </div>
      <div className="flex min-h-[26px] items-center pl-4">
        <p id={`${id}-help`} className="flex min-w-0 flex-1 gap-3 text-xs text-text-light">
          {current ? <Hint command={current} role={role} isReadOnly={isReadOnly} /> : <Keys />}
        </p>
        {onClear ? (
          <Button kind="text" onClick={onClear}>
            Clear the log
          </Button>
        ) : null}
      </div>
    </div>
  );
}

function Keys() {
  return <span>Enter runs, Shift+Enter adds a line, Tab completes, arrows go through what was typed.</span>;
}

function Hint({
  command: { name, description },
  role,
  isReadOnly,
}: {
  command: Known;
  role: string | undefined;
  isReadOnly: boolean;
}) {
  const why =
    refusal(description, role) ||
    (isReadOnly && description.role !== "read_only" ? "This connection is read-only." : "");
  return (
    <>
      <code className="font-mono text-text">{name}</code>
      <span className="min-w-0 truncate">{description.summary}</span>
      <span className="shrink-0">{argumentsOf(description)}</span>
      <span className={clsx("shrink-0", why ? "text-danger" : description.confirmation && "text-warning")}>
        {why || (description.confirmation ? "asks for a confirmation" : "")}
      </span>
    </>
  );
}
