/** Bytes in the format that shows most of them, edited without touching what was not edited. */

import { ApiError } from "@studio-databases/client";
import { utf8 } from "@studio-databases/client/react";
import { Download } from "lucide-react";
import { type ReactNode, useEffect, useMemo, useState } from "react";
import { saveBlob } from "@/lib/download";
import { count, bytes as size } from "@/lib/format";
import { Badge, Button, Code, Copy, Failure, IconButton, Loading, Select, toast } from "@/ui";
import { useUnsaved } from "../unsaved";
import { BUILT_IN, CODECS, type Codec, withUnpacker } from "./compression";
import { FORMATS, type Format, guess, isText, RANGE_FORMATS, type Shown, show, showRange } from "./formats";

export function ValueEditor({
  bytes,
  label,
  onSave,
  onReload,
  actions,
  range,
}: {
  bytes: Uint8Array;
  /** Says what is shown, to assistive technology. */
  label: string;
  /** Saves; missing where the caller may not, or the value is not all here. With `force` whatever it was meanwhile. */
  onSave?: ((bytes: Uint8Array, force: boolean) => Promise<unknown>) | undefined;
  /** Loads what the server has, in the place of what was edited. */
  onReload?: (() => void) | undefined;
  /** Further buttons. */
  actions?: ReactNode;
  /** The bytes are a part of a longer value, from this byte on: they keep their number. */
  range?: { offset: number } | undefined;
}) {
  const [base, setBase] = useState(bytes);
  const [draft, setDraft] = useState(bytes);
  const [format, setFormat] = useState<Format>();
  /** How it is unpacked; undefined as it looks to be, "none" not at all. */
  const [unpacking, setUnpacking] = useState<Codec | "none">();
  const [text, setText] = useState<string>();
  const [error, setError] = useState<unknown>();
  const [saving, setSaving] = useState(false);

  // What was saved, or loaded anew, takes the place of what was edited; the format stays.
  if (bytes !== base) {
    setBase(bytes);
    setDraft(bytes);
    setText(undefined);
    setError(undefined);
  }

  const { guessed, codec, isPlain, isLoading, unpackers } = useCodec(draft, unpacking, range !== undefined);
  const chosen = format ?? (guessed.codec && !codec ? "hex" : guessed.format);
  const shown = useMemo(
    () =>
      attempt(() => (range ? showRange(draft, chosen, range.offset) : show(draft, chosen, codec, unpackers))),
    [draft, chosen, codec, unpackers, range],
  );
  const edited = text !== undefined && shown.ok && text !== shown.value.text ? text : undefined;
  const isOther = useMemo(() => !isSame(draft, bytes), [draft, bytes]);
  const isDirty = edited !== undefined || isOther;
  const { parse } = shown.ok ? shown.value : {};
  useUnsaved(isDirty && onSave !== undefined);
  const isConflict = error instanceof ApiError && error.status === 409;

  /** The edited bytes; undefined where the text is not of its format. */
  function current(): Uint8Array | undefined {
    if (edited === undefined || !parse) return draft;
    const parsed = attempt(() => sameLength(parse(edited)));
    if (parsed.ok) return parsed.value;
    setError(parsed.error);
    return undefined;
  }

  function sameLength(next: Uint8Array): Uint8Array {
    const more = next.length - bytes.length;
    if (!range || more === 0) return next;
    throw new Error(
      `A range is written over its own bytes: this is ${count(Math.abs(more))} ${Math.abs(more) === 1 ? "byte" : "bytes"} ${more > 0 ? "longer" : "shorter"}.`,
    );
  }

  function switchTo(change: () => void) {
    const next = current();
    if (next === undefined) return;
    setDraft(next);
    setText(undefined);
    setError(undefined);
    change();
  }

  function undo() {
    setDraft(bytes);
    setText(undefined);
    setError(undefined);
  }

  async function save(force: boolean) {
    const next = current();
    if (!onSave || next === undefined || (!isDirty && !force)) return;
    setSaving(true);
    setError(undefined);
    try {
      await onSave(next, force);
      setDraft(next);
      setText(undefined);
      toast.done("Saved.");
    } catch (failure) {
      setError(failure);
    } finally {
      setSaving(false);
    }
  }

  if (isLoading && !isDirty) return <Loading>Loading what unpacks it…</Loading>;
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-2 px-4 py-2 text-xs">
        <Select
          aria-label="Shown as"
          className="!h-[26px] !w-32 !px-2 !text-xs"
          value={chosen}
          onChange={(event) => switchTo(() => setFormat(event.target.value as Format))}
        >
          {(range ? RANGE_FORMATS : FORMATS).map((each) => (
            <option key={each.value} value={each.value}>
              {each.label}
            </option>
          ))}
        </Select>
        {range || isPlain ? null : (
          <Select
            aria-label="Unpacked by"
            className="!h-[26px] !w-36 !px-2 !text-xs"
            value={codec ?? "none"}
            onChange={(event) => switchTo(() => setUnpacking(event.target.value as Codec | "none"))}
          >
            <option value="none">not unpacked</option>
            {CODECS.map((each) => (
              <option key={each} value={each}>
                unpacked: {each}
              </option>
            ))}
          </Select>
        )}
        <span className="text-text-muted">{size(draft.length)}</span>
        {isDirty ? <Badge tone="warning">not saved</Badge> : null}
        <div className="flex-1" />
        {shown.ok ? <Copy text={text ?? shown.value.text} label="Copy the value as shown" /> : null}
        <IconButton
          label="Save the value to a file"
          onClick={() => saveBlob(new Blob([draft as Uint8Array<ArrayBuffer>]), "value")}
        >
          <Download size={14} aria-hidden />
        </IconButton>
        {actions}
        {onSave && isDirty ? <Button onClick={undo}>Undo</Button> : null}
        {onSave ? (
          <Button
            kind="primary"
            disabled={!isDirty}
            loading={saving}
            title="Ctrl+Enter"
            onClick={() => save(false)}
          >
            Save
          </Button>
        ) : null}
      </div>
      {isConflict ? (
        <Conflict
          onReload={() => {
            undo();
            onReload?.();
          }}
          onForce={() => save(true)}
        />
      ) : error !== undefined ? (
        <Failure className="mx-4 mb-2" error={error} />
      ) : null}
      {onSave && shown.ok && shown.value.why ? (
        <p className="px-4 pb-2 text-xs text-text-light">{shown.value.why}</p>
      ) : null}
      {shown.ok ? (
        <Content
          key={`${chosen} ${codec} ${parse === undefined}`}
          shown={shown.value}
          text={text}
          label={label}
          onChange={onSave && parse ? setText : undefined}
          onSubmit={() => save(false)}
        />
      ) : (
        <Failure className="mx-4" error={shown.error} />
      )}
    </div>
  );
}

function Content({
  shown,
  text,
  label,
  onChange,
  onSubmit,
}: {
  shown: Shown;
  text: string | undefined;
  label: string;
  onChange: ((text: string) => void) | undefined;
  onSubmit: () => void;
}) {
  return (
    <Code
      label={label}
      className="mx-4 mb-4 min-h-16 flex-1"
      language={shown.language}
      value={text ?? shown.text}
      readOnly={onChange === undefined}
      lint={onChange !== undefined}
      {...(onChange ? { onChange } : {})}
      onSubmit={onSubmit}
    />
  );
}

/** How bytes are packed, or are to be taken for; what unpacks them is loaded when they need it. */
function useCodec(bytes: Uint8Array, wanted: Codec | "none" | undefined, isPart: boolean) {
  const [unpackers, setUnpackers] = useState(BUILT_IN);
  const guessed = useMemo(
    () =>
      isPart
        ? { codec: undefined, format: isText(bytes) ? ("text" as const) : ("hex" as const) }
        : guess(bytes, unpackers),
    [bytes, unpackers, isPart],
  );
  const codec = wanted === undefined ? guessed.codec : wanted === "none" ? undefined : wanted;
  const missing = codec && !unpackers[codec] ? codec : "needs" in guessed ? guessed.needs : undefined;
  useEffect(() => {
    if (!missing) return;
    let isWanted = true;
    void withUnpacker(missing, unpackers).then((next) => {
      if (isWanted) setUnpackers(next);
    });
    return () => {
      isWanted = false;
    };
  }, [missing, unpackers]);
  const isPlain = useMemo(() => utf8(bytes) !== undefined, [bytes]);
  return { guessed, codec, isPlain, isLoading: missing !== undefined, unpackers };
}

/** Somebody else was faster. */
export function Conflict({ onReload, onForce }: { onReload: () => void; onForce: () => void }) {
  return (
    <div
      role="alert"
      className="mx-4 mb-2 flex flex-wrap items-center gap-2 rounded-md border border-warning bg-warning-surface p-2.5 text-sm"
    >
      <p className="min-w-48 flex-1">It was changed meanwhile, so nothing was saved.</p>
      <Button onClick={onReload}>Drop mine, load theirs</Button>
      <Button kind="danger" onClick={onForce}>
        Save mine all the same
      </Button>
    </div>
  );
}

function isSame(one: Uint8Array, other: Uint8Array): boolean {
  return one === other || (one.length === other.length && one.every((byte, at) => byte === other[at]));
}

type Attempt<T> = { ok: true; value: T } | { ok: false; error: unknown };

function attempt<T>(work: () => T): Attempt<T> {
  try {
    return { ok: true, value: work() };
  } catch (error) {
    return { ok: false, error };
  }
}
