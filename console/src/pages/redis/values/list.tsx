import {
  type RedisBlob,
  type RedisName,
  useRedisList,
  useResetRedisKey,
} from "@studio-databases/client/react";
import { Plus } from "lucide-react";
import { type FormEvent, useMemo, useState } from "react";
import { Button, type Column, Empty } from "@/ui";
import { useRedis } from "../context";
import { InlineField } from "../inline-field";
import { Bytes } from "../name";
import { Elements } from "./elements";
import { ItemPane, PushItems } from "./list-item";
import { ListMore } from "./list-more";

export interface Item {
  index: number;
  content: RedisBlob;
}

const COLUMNS: readonly Column<Item>[] = [
  {
    id: "index",
    header: "Index",
    width: "6rem",
    align: "right",
    cell: (row) => <span className="text-xs text-text-light">{row.index}</span>,
  },
  {
    id: "item",
    header: "Item",
    width: "minmax(12rem, 1fr)",
    cell: (row) => <Bytes blob={row.content} />,
  },
];

const idOf = (item: Item) => String(item.index);

/** A list, from an index on. */
export function List({ name, length }: { name: RedisName; length: number }) {
  const { id, may } = useRedis();
  const [start, setStart] = useState(0);
  const [adding, setAdding] = useState(false);
  const [chosen, setChosen] = useState<string>();
  const pages = useRedisList(id, name, start);
  const reset = useResetRedisKey(id, name);
  const rows = useMemo(
    () =>
      (pages.data?.pages ?? []).flatMap((page) =>
        page.items.map((content, at): Item => ({ index: page.start + at, content })),
      ),
    [pages.data],
  );
  const item = rows.find((row) => idOf(row) === chosen);
  return (
    <Elements<Item>
      pages={pages}
      rows={rows}
      total={length}
      label="Items"
      columns={COLUMNS}
      rowKey={idOf}
      selected={chosen}
      onSelect={(row) => setChosen(idOf(row))}
      toolbar={
        <>
          <From onStart={setStart} />
          <div className="flex-1" />
          {may("redis.list.push") ? (
            <Button icon={<Plus size={14} aria-hidden />} onClick={() => setAdding(true)}>
              Push items
            </Button>
          ) : null}
          <ListMore name={name} length={length} onChanged={() => void reset()} />
        </>
      }
      empty={<Empty title={length > 0 ? "No items from there on." : "The list is empty."} />}
    >
      {item ? (
        <ItemPane
          key={chosen}
          name={name}
          item={item}
          onClose={() => setChosen(undefined)}
          onReload={() => void reset()}
        />
      ) : null}
      {adding ? (
        <PushItems name={name} onClose={() => setAdding(false)} onAdded={() => void reset()} />
      ) : null}
    </Elements>
  );
}

/** Where the list is shown from. */
function From({ onStart }: { onStart: (start: number) => void }) {
  const [text, setText] = useState("0");
  const start = Number(text);
  const isGood = /^-?\d+$/.test(text.trim()) && Number.isSafeInteger(start);
  function submit(event: FormEvent) {
    event.preventDefault();
    if (isGood) onStart(start);
  }
  return (
    <form onSubmit={submit} className="flex items-center gap-2">
      <InlineField
        label="From index"
        title="Below zero counts from the end: -100 shows the last hundred."
        className="!w-24 text-right tabular-nums"
        inputMode="numeric"
        aria-invalid={isGood ? undefined : true}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <Button type="submit" disabled={!isGood}>
        Show
      </Button>
      <Button
        kind="text"
        onClick={() => {
          setText("-100");
          onStart(-100);
        }}
      >
        Last 100
      </Button>
    </form>
  );
}
