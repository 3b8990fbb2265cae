import { Plus, Trash2 } from "lucide-react";
import { Button, IconButton, Input, Select } from "@/ui";
import type { About, Draft } from "./privileges-text";

const ABOUT: Readonly<Record<About, string>> = {
  collections: "Collections",
  cluster: "The server",
  everything: "Everything",
};

/** Privileges to be edited, one a row. */
export function Privileges({
  databaseName,
  drafts,
  onChange,
}: {
  databaseName: string;
  drafts: readonly Draft[];
  onChange: (drafts: readonly Draft[]) => void;
}) {
  const set = (at: number, change: Partial<Draft>) =>
    onChange(drafts.map((each, index) => (index === at ? { ...each, ...change } : each)));
  return (
    <fieldset className="flex flex-col gap-2">
      <legend className="mb-1.5 text-sm text-text-light">
        Privileges{" "}
        <a
          className="text-xs text-brand-text hover:underline"
          href="https://www.mongodb.com/docs/manual/reference/privilege-actions/"
          target="_blank"
          rel="noreferrer"
        >
          which actions there are
        </a>
      </legend>
      {drafts.map((draft, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: rows are only added at the end and taken out
        <div key={at} className="flex flex-wrap items-center gap-2 sm:flex-nowrap">
          <Select
            aria-label={`About what privilege ${at + 1} is`}
            className="!w-36 shrink-0"
            value={draft.about}
            onChange={(event) => set(at, { about: event.target.value as About })}
          >
            {Object.entries(ABOUT).map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </Select>
          {draft.about === "collections" ? (
            <>
              <Input
                aria-label={`Database of privilege ${at + 1}`}
                placeholder="any database"
                spellCheck={false}
                autoComplete="off"
                value={draft.databaseName}
                onChange={(event) => set(at, { databaseName: event.target.value.trim() })}
              />
              <Input
                aria-label={`Collection of privilege ${at + 1}`}
                placeholder="any collection"
                spellCheck={false}
                autoComplete="off"
                value={draft.collection}
                onChange={(event) => set(at, { collection: event.target.value })}
              />
            </>
          ) : null}
          <Input
            aria-label={`Actions of privilege ${at + 1}`}
            placeholder="find, insert, update, remove"
            className="font-mono !text-xs"
            spellCheck={false}
            autoComplete="off"
            value={draft.actions}
            onChange={(event) => set(at, { actions: event.target.value })}
          />
          <IconButton
            label={`Take privilege ${at + 1} away`}
            onClick={() => onChange(drafts.filter((_, index) => index !== at))}
          >
            <Trash2 size={14} aria-hidden />
          </IconButton>
        </div>
      ))}
      {drafts.length === 0 ? <p className="text-xs text-text-muted">None of its own.</p> : null}
      <div>
        <Button
          icon={<Plus size={13} aria-hidden />}
          onClick={() =>
            onChange([
              ...drafts,
              {
                about: "collections",
                databaseName: databaseName === "admin" ? "" : databaseName,
                collection: "",
                actions: "find",
              },
            ])
          }
        >
          Add a privilege
        </Button>
      </div>
    </fieldset>
  );
}
