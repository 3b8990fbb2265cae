import {
  blobId,
  bytesOf,
  inputOf,
  type RedisBlob,
  type RedisName,
  readable,
  redisKeyId,
  usePatchPages,
  useRedisChange,
  useRedisSet,
  useResetRedisKey,
} from "@studio-databases/client/react";
import { Plus, Trash2 } from "lucide-react";
import { useMemo, useState } from "react";
import { Button, type Column, Confirm, Empty, IconButton, toast } from "@/ui";
import { typed } from "../bytes-field";
import { useRedis } from "../context";
import { ValueEditor } from "../format/value-editor";
import { Bytes } from "../name";
import { ElementPane, Elements } from "./elements";
import { Filter } from "./filter";
import { MembersField, membersOf } from "./members-field";
import { FormPanel } from "./panel";

const COLUMNS: readonly Column<RedisBlob>[] = [
  { id: "member", header: "Member", width: "minmax(12rem, 1fr)", cell: (row) => <Bytes blob={row} /> },
];

/** A set: its members, page by page. */
export function SetView({ name, length }: { name: RedisName; length: number }) {
  const { id, may } = useRedis();
  const [pattern, setPattern] = useState("");
  const [adding, setAdding] = useState(false);
  const [chosen, setChosen] = useState<string>();
  const pages = useRedisSet(id, name, pattern);
  const reset = useResetRedisKey(id, name);
  const rows = useMemo(() => {
    // SSCAN may return a member twice while the set changes.
    const found = new Map<string, RedisBlob>();
    for (const page of pages.data?.pages ?? []) {
      for (const member of page.members) found.set(blobId(member), member);
    }
    return [...found.values()];
  }, [pages.data]);
  const member = rows.find((row) => blobId(row) === chosen);
  return (
    <Elements<RedisBlob>
      pages={pages}
      rows={rows}
      total={length}
      label="Members"
      columns={COLUMNS}
      rowKey={blobId}
      selected={chosen}
      onSelect={(row) => setChosen(blobId(row))}
      toolbar={
        <>
          <Filter label="Find members" onFilter={setPattern} />
          {may("redis.set.add") ? (
            <Button icon={<Plus size={14} aria-hidden />} onClick={() => setAdding(true)}>
              Add members
            </Button>
          ) : null}
        </>
      }
      empty={<Empty title={pattern ? "No member matches." : "The set is empty."} />}
    >
      {member ? (
        <MemberPane key={chosen} name={name} member={member} onClose={() => setChosen(undefined)} />
      ) : null}
      {adding ? (
        <AddMembers name={name} onClose={() => setAdding(false)} onAdded={() => void reset()} />
      ) : null}
    </Elements>
  );
}

function MemberPane({ name, member, onClose }: { name: RedisName; member: RedisBlob; onClose: () => void }) {
  const { id, may } = useRedis();
  const [deleting, setDeleting] = useState(false);
  const remove = useRedisChange(id, name, "set-members/remove");
  const patch = usePatchPages<{ members: RedisBlob[] }>();
  const bytes = useMemo(() => bytesOf(member), [member]);
  return (
    <ElementPane label="Member" title={<Bytes blob={member} />} onClose={onClose}>
      <ValueEditor
        label="Member"
        bytes={bytes}
        actions={
          may("redis.set.remove") ? (
            <IconButton label="Remove the member" onClick={() => setDeleting(true)}>
              <Trash2 size={14} aria-hidden />
            </IconButton>
          ) : null
        }
      />
      <Confirm
        open={deleting}
        onOpenChange={setDeleting}
        title="Remove this member?"
        action="Remove"
        onConfirm={async () => {
          await remove.mutateAsync({ members: [inputOf(member)] });
          patch(redisKeyId(id, name, "set"), (page) => ({
            ...page,
            members: page.members.filter((each) => blobId(each) !== blobId(member)),
          }));
          toast.done("The member is removed.");
          onClose();
        }}
      >
        <p className="max-h-32 overflow-auto font-mono text-xs break-all text-text">{readable(member)}</p>
      </Confirm>
    </ElementPane>
  );
}

function AddMembers({
  name,
  onClose,
  onAdded,
}: {
  name: RedisName;
  onClose: () => void;
  onAdded: () => void;
}) {
  const { id } = useRedis();
  const add = useRedisChange(id, name, "set-members/add");
  const [value, setValue] = useState(() => ({ typed: typed(), byLine: false }));
  const members = membersOf(value);
  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Add members"
      action="Add"
      disabled={!members}
      onSubmit={async () => {
        const { added } = await add.mutateAsync({ members: members ?? [] });
        toast.done(added === members?.length ? "Added." : `${added} of them are new.`);
        onAdded();
      }}
    >
      <MembersField label="Member" value={value} onChange={setValue} />
    </FormPanel>
  );
}
