import {
  blobOf,
  inputOf,
  type RedisListPage,
  type RedisName,
  redisKeyId,
  usePatchPages,
  useRedisChange,
} from "@studio-databases/client/react";
import { ListPlus, Trash2 } from "lucide-react";
import { useState } from "react";
import { Checkbox, Field, IconButton, Select, toast } from "@/ui";
import { typed } from "../bytes-field";
import { useRedis } from "../context";
import { ElementValue } from "./element-value";
import { ElementPane } from "./elements";
import { InsertItem } from "./insert-item";
import type { Item } from "./list";
import { MembersField, membersOf } from "./members-field";
import { FormPanel } from "./panel";

/** The chosen item of a list. */
export function ItemPane({
  name,
  item,
  onClose,
  onReload,
}: {
  name: RedisName;
  item: Item;
  onClose: () => void;
  onReload: () => void;
}) {
  const { id, may } = useRedis();
  const [open, setOpen] = useState<"remove" | "insert">();
  const set = useRedisChange(id, name, "list/set");
  const patch = usePatchPages<RedisListPage>();

  async function save(bytes: Uint8Array, expected: Uint8Array | undefined) {
    const content = blobOf(bytes);
    await set.mutateAsync({
      index: item.index,
      content,
      ...(expected ? { expected: blobOf(expected) } : {}),
    });
    patch(redisKeyId(id, name, "list"), (page) => ({
      ...page,
      items: page.items.map((each, at) =>
        page.start + at === item.index ? { ...content, full_length: 0 } : each,
      ),
    }));
  }

  const isCut = item.content.full_length > 0;
  return (
    <ElementPane label="Item" title={`Item ${item.index}`} onClose={onClose}>
      <ElementValue
        name={name}
        element={{ index: item.index }}
        content={item.content}
        onReload={onReload}
        onSave={may("redis.list.set") ? save : undefined}
        actions={
          // Both find the item by its value, so all of it has to be here.
          isCut ? null : (
            <>
              {may("redis.list.insert") ? (
                <IconButton label="Insert an item beside this one" onClick={() => setOpen("insert")}>
                  <ListPlus size={14} aria-hidden />
                </IconButton>
              ) : null}
              {may("redis.list.remove") ? (
                <IconButton label="Remove items that equal this one" onClick={() => setOpen("remove")}>
                  <Trash2 size={14} aria-hidden />
                </IconButton>
              ) : null}
            </>
          )
        }
      />
      {open === "insert" ? (
        <InsertItem
          name={name}
          pivot={item.content}
          onClose={() => setOpen(undefined)}
          onInserted={onReload}
        />
      ) : null}
      {open === "remove" ? (
        <RemoveItems
          name={name}
          item={item}
          onClose={() => setOpen(undefined)}
          onRemoved={() => {
            onClose();
            onReload();
          }}
        />
      ) : null}
    </ElementPane>
  );
}

/** Redis removes items by what they are, not by their index. */
function RemoveItems({
  name,
  item,
  onClose,
  onRemoved,
}: {
  name: RedisName;
  item: Item;
  onClose: () => void;
  onRemoved: () => void;
}) {
  const { id } = useRedis();
  const remove = useRedisChange(id, name, "list/remove");
  const [count, setCount] = useState("1");
  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Remove items that equal this one"
      action="Remove"
      onSubmit={async () => {
        const { deleted } = await remove.mutateAsync({
          content: inputOf(item.content),
          count: Number(count),
        });
        toast.done(deleted === 1 ? "One item is removed." : `${deleted} items are removed.`);
        onRemoved();
      }}
    >
      <p className="text-sm text-text-light">
        Redis removes items by their value: where several are equal, say which.
      </p>
      <Field label="Which">
        {(control) => (
          <Select {...control} value={count} onChange={(event) => setCount(event.target.value)}>
            <option value="1">The first one</option>
            <option value="-1">The last one</option>
            <option value="0">All</option>
          </Select>
        )}
      </Field>
    </FormPanel>
  );
}

/** Adds items at an end. */
export function PushItems({
  name,
  onClose,
  onAdded,
}: {
  name: RedisName;
  onClose: () => void;
  onAdded: () => void;
}) {
  const { id } = useRedis();
  const push = useRedisChange(id, name, "list/push");
  const [value, setValue] = useState(() => ({ typed: typed(), byLine: false }));
  const [left, setLeft] = useState(false);
  const items = membersOf(value);
  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Push items"
      action="Push"
      disabled={!items}
      onSubmit={async () => {
        await push.mutateAsync({ items: items ?? [], left, if_exists: true });
        toast.done(items?.length === 1 ? "The item is added." : "The items are added.");
        onAdded();
      }}
    >
      <MembersField label="Item" value={value} onChange={setValue} />
      <Checkbox
        label="To the beginning: the last one comes first"
        checked={left}
        onChange={(event) => setLeft(event.target.checked)}
      />
    </FormPanel>
  );
}
