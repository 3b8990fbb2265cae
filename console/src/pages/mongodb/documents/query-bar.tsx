import { ChevronDown, Play, RotateCcw } from "lucide-react";
import { useId, useState } from "react";
import { Button, Code, Input } from "@/ui";
import type { QueryText } from "../search";
import { completeQuery, type Fields } from "./complete";
import { MAX_TIME_MS, type QueryErrors, type QueryField } from "./query";
import { Recent } from "./recent";
import type { History } from "./use-history";

const MORE: readonly (readonly [QueryField, string, string])[] = [
  ["projection", "Projection", '{"name": 1}'],
  ["sort", "Sort", '{"placed_at": -1}'],
  ["collation", "Collation", '{"locale": "pt"}'],
  ["hint", "Hint", "name or keys of an index"],
];

/** The query: its filter, and on request all the rest. */
export function QueryBar({
  value,
  errors,
  fields,
  history,
  onFocus,
  onSubmit,
}: {
  value: QueryText;
  /** What is wrong with `value`. */
  errors: QueryErrors;
  fields: () => Fields;
  history: History;
  /** Something is about to be typed. */
  onFocus: () => void;
  onSubmit: (query: QueryText) => void;
}) {
  const [draft, setDraft] = useState<QueryText>(value);
  const [shown, setShown] = useState(value);
  const hasMore = Object.entries(value).some(
    ([name, given]) => name !== "filter" && name !== "limit" && given !== undefined,
  );
  const [opened, setOpen] = useState(hasMore);
  const open = opened || MORE.some(([field]) => errors[field] !== undefined);
  const id = useId();
  if (!sameQuery(shown, value)) {
    // The address changed: by a link, or a step back.
    setShown(value);
    setDraft(value);
  }

  const set = (change: QueryText) => setDraft((before) => ({ ...before, ...change }));
  const submit = (query: QueryText = draft) => {
    setDraft(query);
    history.add(query);
    onSubmit({ ...query, limit: value.limit });
  };
  const source = completeQuery(fields);
  const code = (field: QueryField, label: string, placeholder: string) => (
    <div className="min-w-0 flex-1">
      <Code
        label={label}
        language="json"
        lint={false}
        singleLine
        className="h-[30px]"
        placeholder={placeholder}
        value={draft[field] ?? ""}
        onChange={(text) => set({ [field]: text || undefined })}
        complete={source}
        onSubmit={() => submit()}
      />
      {errors[field] ? (
        <p role="alert" className="mt-1 text-xs text-danger">
          {errors[field]}
        </p>
      ) : null}
    </div>
  );
  const amount = (name: "skip" | "maxTimeMs", label: string, placeholder: string, most?: number) => (
    <label htmlFor={`${id}-${name}`} className="flex items-center gap-2 text-xs text-text-light">
      {label}
      <Input
        id={`${id}-${name}`}
        type="number"
        min={0}
        max={most}
        className="!h-[30px] !w-28 !text-xs"
        placeholder={placeholder}
        value={draft[name] ?? ""}
        onChange={(event) => set({ [name]: Number(event.target.value) || undefined })}
        onKeyDown={(event) => {
          if (event.key === "Enter") submit();
        }}
      />
    </label>
  );

  return (
    <search className="flex flex-col gap-2 border-b p-2" onFocus={onFocus}>
      <div className="flex items-start gap-2">
        {code("filter", "Filter", '{"status": "open"}')}
        <Recent history={history} onChoose={submit} />
        <Button
          kind="text"
          className="!h-[30px]"
          aria-expanded={open}
          aria-controls={id}
          icon={<ChevronDown size={13} className={open ? "rotate-180" : ""} aria-hidden />}
          onClick={() => setOpen(!open)}
        >
          Options
        </Button>
        <Button
          className="!h-[30px]"
          icon={<RotateCcw size={13} aria-hidden />}
          onClick={() => {
            setDraft({});
            onSubmit({ limit: value.limit });
          }}
        >
          Reset
        </Button>
        <Button
          kind="primary"
          className="!h-[30px]"
          icon={<Play size={13} aria-hidden />}
          title="Enter"
          onClick={() => submit()}
        >
          Find
        </Button>
      </div>
      {open ? (
        <div id={id} className="grid grid-cols-1 gap-2 lg:grid-cols-2">
          {MORE.map(([field, label, placeholder]) => (
            <div key={field} className="flex min-w-0 items-center gap-2">
              <span className="w-16 shrink-0 text-xs text-text-light" aria-hidden>
                {label}
              </span>
              {code(field, label, placeholder)}
            </div>
          ))}
          <div className="flex flex-wrap items-center gap-4">
            {amount("skip", "Skip", "0")}
            {amount("maxTimeMs", "Time limit in ms", "5000", MAX_TIME_MS)}
          </div>
        </div>
      ) : null}
    </search>
  );
}

function sameQuery(one: QueryText, other: QueryText): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
