import {
  type RedisName,
  type RedisStreamEntry,
  useRedisStream,
  useResetRedisKey,
} from "@studio-databases/client/react";
import { ArrowDownNarrowWide, ArrowDownWideNarrow, Plus } from "lucide-react";
import { type FormEvent, useMemo, useState } from "react";
import { moment } from "@/lib/format";
import { Button, type Column, Empty, IconButton, Input } from "@/ui";
import { useRedis } from "../context";
import { Bytes } from "../name";
import { Elements } from "../values/elements";
import { AddEntry } from "./add-entry";
import { EntryPane } from "./entry-pane";
import { Trim } from "./trim";

/** Fields of an entry that its row shows. */
const MOST_FIELDS = 8;

const idOf = (entry: RedisStreamEntry) => entry.id;

/** When an entry was added, as its id says. */
export function timeOf(id: string): string {
  const ms = Number(id.split("-")[0]);
  return Number.isSafeInteger(ms) && ms > 0 && ms < 8.64e15 ? moment(ms) : "";
}

const COLUMNS: readonly Column<RedisStreamEntry>[] = [
  {
    id: "id",
    header: "Id",
    width: "11.5rem",
    cell: (row) => (
      <span className="font-mono text-xs" title={timeOf(row.id)}>
        {row.id}
      </span>
    ),
  },
  {
    id: "fields",
    header: "Fields",
    width: "minmax(14rem, 1fr)",
    cell: (row) =>
      row.fields.slice(0, MOST_FIELDS).map((field, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: a name may occur twice; fields don't move
        <span key={at} className="mr-3">
          <Bytes blob={field.field ?? {}} className="text-text-light" /> <Bytes blob={field.content ?? {}} />
        </span>
      )),
  },
];

/** The entries of a stream, newest first unless asked otherwise. */
export function Entries({ name, length }: { name: RedisName; length: number }) {
  const { id, may } = useRedis();
  const [range, setRange] = useState({ start: "", end: "", reverse: true });
  const [open, setOpen] = useState<"add" | "trim">();
  const [chosen, setChosen] = useState<string>();
  const pages = useRedisStream(id, name, range);
  const reset = useResetRedisKey(id, name);
  const rows = useMemo(() => (pages.data?.pages ?? []).flatMap((page) => page.entries), [pages.data]);
  const entry = rows.find((row) => row.id === chosen);
  return (
    <Elements<RedisStreamEntry>
      pages={pages}
      rows={rows}
      total={length}
      label="Entries"
      columns={COLUMNS}
      rowKey={idOf}
      selected={chosen}
      onSelect={(row) => setChosen(row.id)}
      toolbar={
        <>
          <Range onRange={(next) => setRange({ ...range, ...next })} />
          <IconButton
            label={
              range.reverse ? "Newest first; show the oldest first" : "Oldest first; show the newest first"
            }
            onClick={() => setRange({ ...range, reverse: !range.reverse })}
          >
            {range.reverse ? (
              <ArrowDownWideNarrow size={15} aria-hidden />
            ) : (
              <ArrowDownNarrowWide size={15} aria-hidden />
            )}
          </IconButton>
          <div className="flex-1" />
          {may("redis.stream.trim") ? <Button onClick={() => setOpen("trim")}>Trim…</Button> : null}
          {may("redis.stream.add") ? (
            <Button icon={<Plus size={14} aria-hidden />} onClick={() => setOpen("add")}>
              Add entry
            </Button>
          ) : null}
        </>
      }
      empty={<Empty title={length > 0 ? "No entries in this range." : "The stream has no entries."} />}
    >
      {entry ? (
        <EntryPane key={chosen} name={name} entry={entry} onClose={() => setChosen(undefined)} />
      ) : null}
      {open === "add" ? (
        <AddEntry
          name={name}
          like={rows[0]}
          onClose={() => setOpen(undefined)}
          onAdded={() => void reset()}
        />
      ) : null}
      {open === "trim" ? (
        <Trim name={name} length={length} onClose={() => setOpen(undefined)} onTrimmed={() => void reset()} />
      ) : null}
    </Elements>
  );
}

/** First and last id. */
function Range({ onRange }: { onRange: (range: { start: string; end: string }) => void }) {
  const [start, setStart] = useState("");
  const [end, setEnd] = useState("");
  function submit(event: FormEvent) {
    event.preventDefault();
    onRange({ start: start.trim(), end: end.trim() });
  }
  const shared = {
    className: "!h-[26px] !w-32 !px-2 font-mono !text-xs",
    title: "An id, or milliseconds since 1970; ( before it leaves it out",
  };
  return (
    <form onSubmit={submit} className="flex items-center gap-1" aria-label="Range of ids">
      <Input
        {...shared}
        aria-label="First id"
        placeholder="from id"
        value={start}
        onChange={(event) => setStart(event.target.value)}
      />
      <Input
        {...shared}
        aria-label="Last id"
        placeholder="to id"
        value={end}
        onChange={(event) => setEnd(event.target.value)}
      />
      <Button type="submit">Apply</Button>
    </form>
  );
}
