import {
  blobId,
  blobOf,
  inputOf,
  type RedisHashField,
  type RedisName,
  readable,
  redisKeyId,
  usePatchPages,
  useRedisChange,
  useRedisHash,
  useResetRedisKey,
} from "@studio-databases/client/react";
import { Plus, Timer, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import { Button, type Column, Confirm, Empty, IconButton, toast } from "@/ui";
import { useRedis } from "../context";
import { Bytes } from "../name";
import { Ttl } from "../ttl";
import { ElementValue } from "./element-value";
import { ElementPane, Elements } from "./elements";
import { Filter } from "./filter";
import { AddField, ExpireField } from "./hash-forms";

/** A field, and when it expires: -1 for never. */
export type Field = RedisHashField & { expiresAt: number };

const idOf = (field: RedisHashField) => blobId(field.field ?? {});

/** A hash: its fields, page by page. */
export function Hash({ name, length }: { name: RedisName; length: number }) {
  const { id, may } = useRedis();
  const [pattern, setPattern] = useState("");
  const [adding, setAdding] = useState(false);
  const [chosen, setChosen] = useState<string>();
  const pages = useRedisHash(id, name, pattern);
  const reset = useResetRedisKey(id, name);
  const rows = useMemo(() => fields(pages.data?.pages ?? []), [pages.data]);
  const field = rows.find((row) => idOf(row) === chosen);
  return (
    <Elements<Field>
      pages={pages}
      rows={rows}
      total={length}
      label="Fields"
      columns={COLUMNS}
      rowKey={idOf}
      selected={chosen}
      onSelect={(row) => setChosen(idOf(row))}
      toolbar={
        <>
          <Filter label="Find fields" onFilter={setPattern} />
          {may("redis.hash.set") ? (
            <Button icon={<Plus size={14} aria-hidden />} onClick={() => setAdding(true)}>
              Add field
            </Button>
          ) : null}
        </>
      }
      empty={<Empty title={pattern ? "No field matches." : "The hash is empty."} />}
    >
      {field ? (
        <FieldPane key={chosen} name={name} field={field} onClose={() => setChosen(undefined)} />
      ) : null}
      {adding ? (
        <AddField
          name={name}
          onClose={() => setAdding(false)}
          onAdded={(added) => {
            void reset();
            setChosen(added);
          }}
        />
      ) : null}
    </Elements>
  );
}

const COLUMNS: readonly Column<Field>[] = [
  {
    id: "field",
    header: "Field",
    width: "minmax(8rem, 1fr)",
    cell: (row) => <Bytes blob={row.field ?? {}} />,
  },
  {
    id: "value",
    header: "Value",
    width: "minmax(10rem, 2fr)",
    cell: (row) => <Bytes blob={row.content ?? {}} className="text-text-light" />,
  },
  {
    id: "ttl",
    header: "TTL",
    width: "6.5rem",
    align: "right",
    cell: (row) => (
      <span className="text-xs">
        <Ttl expiresAt={row.expiresAt} />
      </span>
    ),
  },
];

/** HSCAN may return a field twice while the hash changes: the first one counts. */
function fields(pages: readonly { fields: readonly RedisHashField[]; at: number }[]): Field[] {
  const found = new Map<string, Field>();
  for (const page of pages) {
    for (const field of page.fields) {
      const fieldId = idOf(field);
      const expiresAt = field.ttl_ms < 0 ? -1 : page.at + field.ttl_ms;
      if (!found.has(fieldId)) found.set(fieldId, { ...field, expiresAt });
    }
  }
  return [...found.values()];
}

interface Page {
  fields: RedisHashField[];
}

function FieldPane({ name, field, onClose }: { name: RedisName; field: Field; onClose: () => void }) {
  const { id, may } = useRedis();
  const [open, setOpen] = useState<"delete" | "expire">();
  const set = useRedisChange(id, name, "hash/set");
  const remove = useRedisChange(id, name, "hash/delete");
  const patch = usePatchPages<Page>();
  const reset = useResetRedisKey(id, name);
  const blob = field.field ?? { full_length: 0 };
  const queryKey = redisKeyId(id, name, "hash");

  async function save(bytes: Uint8Array, expected: Uint8Array | undefined) {
    const left = field.expiresAt < 0 ? -1 : Math.max(1, field.expiresAt - Date.now());
    const content = blobOf(bytes);
    await set.mutateAsync({
      // HSET alone would take the field's expiry away.
      fields: [
        { field: inputOf(blob), content, ttl_ms: left, ...(expected ? { expected: blobOf(expected) } : {}) },
      ],
    });
    patch(queryKey, (page) => ({
      ...page,
      fields: page.fields.map((each) =>
        idOf(each) === idOf(field) ? { ...each, content: { ...content, full_length: 0 } } : each,
      ),
    }));
  }

  return (
    <ElementPane
      label="Field"
      onClose={onClose}
      title={
        <span className="flex items-center gap-3">
          <Bytes blob={blob} className="min-w-0 truncate" />
          <span className="text-xs text-text-light">
            <Ttl expiresAt={field.expiresAt} never="" />
          </span>
        </span>
      }
    >
      <ElementValue
        name={name}
        element={{ field: blob }}
        content={field.content ?? { full_length: 0 }}
        onReload={() => void reset()}
        onSave={may("redis.hash.set") ? save : undefined}
        actions={
          <>
            {may("redis.hash.expire") ? (
              <IconButton label="When the field expires" onClick={() => setOpen("expire")}>
                <Timer size={14} aria-hidden />
              </IconButton>
            ) : null}
            {may("redis.hash.delete") ? (
              <IconButton label="Delete the field" onClick={() => setOpen("delete")}>
                <Trash2 size={14} aria-hidden />
              </IconButton>
            ) : null}
          </>
        }
      />
      <Confirm
        open={open === "delete"}
        onOpenChange={() => setOpen(undefined)}
        title="Delete this field?"
        action="Delete"
        onConfirm={async () => {
          await remove.mutateAsync({ fields: [inputOf(blob)] });
          patch(queryKey, (page) => ({
            ...page,
            fields: page.fields.filter((each) => idOf(each) !== idOf(field)),
          }));
          toast.done("The field is deleted.");
          onClose();
        }}
      >
        <p className="font-mono text-xs break-all text-text">{readable(blob)}</p>
      </Confirm>
      {open === "expire" ? (
        <ExpireField
          name={name}
          field={field}
          onClose={() => setOpen(undefined)}
          onDone={() => void reset()}
        />
      ) : null}
    </ElementPane>
  );
}
