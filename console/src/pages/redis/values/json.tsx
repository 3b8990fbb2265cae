import {
  type RedisName,
  useRedisChange,
  useRedisJson,
  useResetRedisKey,
} from "@studio-databases/client/react";
import { type FormEvent, useMemo, useState } from "react";
import { Asked, Button, Confirm, toast } from "@/ui";
import { useRedis } from "../context";
import { ValueEditor } from "../format/value-editor";
import { InlineField } from "../inline-field";
import { onlyElement } from "./json-path";

/** A JSON document, or the part of it that a path selects. */
export function Json({ name }: { name: RedisName }) {
  const { id, may } = useRedis();
  const [text, setText] = useState("$");
  const [path, setPath] = useState("$");
  const [deleting, setDeleting] = useState(false);
  const found = useRedisJson(id, name, path);
  const set = useRedisChange(id, name, "json/set");
  const remove = useRedisChange(id, name, "json/delete");
  const reset = useResetRedisKey(id, name);
  const { data } = found;
  // A path that begins with $ answers with an array of what it selects.
  const one = data ? onlyElement(data.json) : undefined;
  const bytes = useMemo(() => new TextEncoder().encode(one ?? data?.json ?? ""), [one, data]);

  function submit(event: FormEvent) {
    event.preventDefault();
    setPath(text.trim() || "$");
  }

  async function save(next: Uint8Array, force: boolean) {
    const json = new TextDecoder().decode(next);
    JSON.parse(json);
    await set.mutateAsync({ path, json, ...(force || !data ? {} : { expected: data.json }) });
    await found.refetch();
  }

  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <form onSubmit={submit} className="flex items-center gap-2 border-b px-4 py-2 text-xs">
        <InlineField
          label="Path"
          className="w-72 font-mono"
          placeholder="$.orders[0]"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
        <Button type="submit">Show</Button>
        {may("redis.json.delete") && path !== "$" ? (
          <Button kind="danger" onClick={() => setDeleting(true)}>
            Delete this part
          </Button>
        ) : null}
      </form>
      <Asked of={found}>Loading the document…</Asked>
      {data ? (
        <>
          {one === undefined ? (
            <p className="px-4 pt-2 text-xs text-text-light">
              The path selects none or several values; one of them can be edited by its own path.
            </p>
          ) : null}
          <ValueEditor
            key={path}
            label="JSON"
            bytes={bytes}
            onReload={() => void reset()}
            onSave={may("redis.json.set") && one !== undefined ? save : undefined}
          />
        </>
      ) : null}
      <Confirm
        open={deleting}
        onOpenChange={setDeleting}
        title="Delete this part of the document?"
        action="Delete"
        onConfirm={async () => {
          const { deleted } = await remove.mutateAsync({ path });
          toast.done(deleted === 1 ? "One value is deleted." : `${deleted} values are deleted.`);
          setText("$");
          setPath("$");
          await reset();
        }}
      >
        <p className="font-mono text-xs break-all text-text">{path}</p>
      </Confirm>
    </div>
  );
}
