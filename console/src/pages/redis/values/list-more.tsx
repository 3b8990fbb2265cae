import { type RedisName, useRedisChange } from "@studio-databases/client/react";
import { EllipsisVertical } from "lucide-react";
import { useState } from "react";
import { Confirm, Field, IconButton, Input, Menu, type MenuItems, toast } from "@/ui";
import { useRedis } from "../context";
import { FormPanel } from "./panel";

/** What else can be done with a list: take items from its ends, cut it. */
export function ListMore({
  name,
  length,
  onChanged,
}: {
  name: RedisName;
  length: number;
  onChanged: () => void;
}) {
  const { id, may } = useRedis();
  const [open, setOpen] = useState<"first" | "last" | "trim">();
  const pop = useRedisChange(id, name, "list/pop");
  const items: MenuItems = [
    ...(may("redis.list.pop")
      ? [
          { label: "Take the first item…", onSelect: () => setOpen("first") },
          { label: "Take the last item…", onSelect: () => setOpen("last") },
        ]
      : []),
    ...(may("redis.list.trim") ? [{ label: "Trim…", onSelect: () => setOpen("trim") }] : []),
  ];
  if (items.length === 0) return null;
  return (
    <>
      <Menu
        trigger={
          <IconButton label="What else to do with the list">
            <EllipsisVertical size={15} aria-hidden />
          </IconButton>
        }
        items={items}
      />
      <Confirm
        open={open === "first" || open === "last"}
        onOpenChange={() => setOpen(undefined)}
        title={`Take the ${open === "last" ? "last" : "first"} item?`}
        action="Take it"
        onConfirm={async () => {
          const { items: taken } = await pop.mutateAsync({ left: open === "first", count: 1 });
          toast.done(taken.length > 0 ? "The item is taken." : "The list is empty.");
          onChanged();
        }}
      >
        <p>It is removed from the list; a worker that waits for it does not get it.</p>
      </Confirm>
      {open === "trim" ? (
        <TrimList name={name} length={length} onClose={() => setOpen(undefined)} onTrimmed={onChanged} />
      ) : null}
    </>
  );
}

const INDEX = /^-?\d{1,15}$/;

/** Keeps a range of items. */
function TrimList({
  name,
  length,
  onClose,
  onTrimmed,
}: {
  name: RedisName;
  length: number;
  onClose: () => void;
  onTrimmed: () => void;
}) {
  const { id } = useRedis();
  const trim = useRedisChange(id, name, "list/trim");
  const [start, setStart] = useState("0");
  const [stop, setStop] = useState(String(Math.max(0, length - 1)));
  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Trim the list"
      action="Remove the others"
      disabled={!INDEX.test(start) || !INDEX.test(stop)}
      onSubmit={async () => {
        await trim.mutateAsync({ start: Number(start), stop: Number(stop) });
        toast.done("The list is trimmed.");
        onTrimmed();
      }}
    >
      <p className="text-sm text-text-light">
        Items outside of the range are removed. An index below zero counts from the end. This can't be taken
        back.
      </p>
      <Field label="First index to keep">
        {(control) => (
          <Input {...control} value={start} onChange={(event) => setStart(event.target.value.trim())} />
        )}
      </Field>
      <Field label="Last index to keep">
        {(control) => (
          <Input {...control} value={stop} onChange={(event) => setStop(event.target.value.trim())} />
        )}
      </Field>
    </FormPanel>
  );
}
