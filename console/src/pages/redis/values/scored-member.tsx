import {
  blobId,
  bytesOf,
  inputOf,
  type RedisName,
  type RedisScoredMember,
  readable,
  redisKeyId,
  usePatchPages,
  useRedisChange,
} from "@studio-databases/client/react";
import { Trash2 } from "lucide-react";
import { type FormEvent, useMemo, useState } from "react";
import { Button, Checkbox, Confirm, Failure, Field, IconButton, Input, toast } from "@/ui";
import { BytesField, typed } from "../bytes-field";
import { useRedis } from "../context";
import { ValueEditor } from "../format/value-editor";
import { InlineField } from "../inline-field";
import { Bytes } from "../name";
import { ElementPane } from "./elements";
import { FormPanel } from "./panel";

/** A score as the contract takes it. */
const SCORE = /^(?:[+-]?inf|[+-]?[0-9.]+(?:[eE][+-]?[0-9]+)?)$/;

interface Page {
  members: RedisScoredMember[];
}

/** The chosen member of a sorted set: its score to change, or itself to remove. */
export function ScoredPane({
  name,
  scored,
  onClose,
}: {
  name: RedisName;
  scored: RedisScoredMember;
  onClose: () => void;
}) {
  const { id, may } = useRedis();
  const [deleting, setDeleting] = useState(false);
  const remove = useRedisChange(id, name, "sorted-set/remove");
  const patch = usePatchPages<Page>();
  const member = scored.member ?? { full_length: 0 };
  const bytes = useMemo(() => bytesOf(scored.member ?? {}), [scored.member]);
  const isIt = (each: RedisScoredMember) => blobId(each.member ?? {}) === blobId(member);
  const queryKey = redisKeyId(id, name, "sorted-set");
  return (
    <ElementPane label="Member" title={<Bytes blob={member} />} onClose={onClose}>
      {may("redis.sortedset.add") ? (
        <Score
          name={name}
          scored={scored}
          onSaved={(score) =>
            patch(queryKey, (page) => ({
              ...page,
              members: page.members.map((each) => (isIt(each) ? { ...each, score } : each)),
            }))
          }
        />
      ) : null}
      <ValueEditor
        label="Member"
        bytes={bytes}
        actions={
          may("redis.sortedset.remove") ? (
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
          patch(queryKey, (page) => ({ ...page, members: page.members.filter((each) => !isIt(each)) }));
          toast.done("The member is removed.");
          onClose();
        }}
      >
        <p className="max-h-32 overflow-auto font-mono text-xs break-all text-text">{readable(member)}</p>
      </Confirm>
    </ElementPane>
  );
}

/** The score, changed only where it still is what was seen. */
function Score({
  name,
  scored,
  onSaved,
}: {
  name: RedisName;
  scored: RedisScoredMember;
  onSaved: (score: string) => void;
}) {
  const { id } = useRedis();
  const add = useRedisChange(id, name, "sorted-set/add");
  const [text, setText] = useState(scored.score);
  const score = text.trim();
  const isGood = SCORE.test(score);

  function submit(event: FormEvent) {
    event.preventDefault();
    if (!isGood) return;
    const member = inputOf(scored.member ?? {});
    add.mutate(
      { members: [{ member, score, expected_score: scored.score }], only_existing: true },
      {
        onSuccess: () => {
          toast.done("The score is saved.");
          onSaved(score);
        },
      },
    );
  }

  return (
    <form onSubmit={submit} className="flex flex-wrap items-center gap-2 px-4 pt-2 text-xs">
      <InlineField
        label="Score"
        className="!w-44 font-mono"
        aria-invalid={isGood ? undefined : true}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <Button type="submit" disabled={!isGood || score === scored.score} loading={add.isPending}>
        Save the score
      </Button>
      {add.error ? <Failure className="w-full" error={add.error} /> : null}
    </form>
  );
}

/** Adds a member with its score. */
export function AddScored({
  name,
  onClose,
  onAdded,
}: {
  name: RedisName;
  onClose: () => void;
  onAdded: () => void;
}) {
  const { id } = useRedis();
  const add = useRedisChange(id, name, "sorted-set/add");
  const [member, setMember] = useState(() => typed());
  const [score, setScore] = useState("0");
  const [replace, setReplace] = useState(false);
  const isGood = SCORE.test(score.trim());
  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Add a member"
      action="Add"
      disabled={!member.blob || !isGood}
      onSubmit={async () => {
        if (!member.blob) return;
        const { added } = await add.mutateAsync({
          members: [{ member: member.blob, score: score.trim() }],
          only_new: !replace,
        });
        if (added === 0 && !replace) throw new Error("There is this member already.");
        toast.done(added > 0 ? "The member is added." : "The member has the score now.");
        onAdded();
      }}
    >
      <Field label="Score" error={isGood ? undefined : "A number, inf or -inf."}>
        {(control) => (
          <Input
            {...control}
            className="font-mono !text-xs"
            value={score}
            onChange={(event) => setScore(event.target.value)}
          />
        )}
      </Field>
      <BytesField label="Member" rows={3} value={member} onChange={setMember} />
      <Checkbox
        label="Where it is a member already, give it this score"
        checked={replace}
        onChange={(event) => setReplace(event.target.checked)}
      />
    </FormPanel>
  );
}
