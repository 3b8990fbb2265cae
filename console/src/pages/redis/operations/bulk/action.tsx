import { type Database, type RedisSelection, useDatabases } from "@studio-databases/client/react";
import { useState } from "react";
import { isMarked } from "@/lib/engines";
import { count, duration, bytes as size } from "@/lib/format";
import { Button, Checkbox, Confirm, Field, Select } from "@/ui";
import { NO_SPAN, SpanField, spanMs } from "../../duration-field";
import { ACTIONS, type ActionKind, type Plan, planOf } from "./plan";

/** What is to be done to the keys that were looked at. */
export function Action({
  database,
  may,
  selection,
  words,
  matched,
  memoryBytes,
  isAll,
  isWorking,
  onBegin,
}: {
  database: Database;
  may: (action: string) => boolean;
  selection: RedisSelection;
  words: string;
  matched: number;
  memoryBytes: number;
  /** The preview has seen all keys. */
  isAll: boolean;
  isWorking: boolean;
  onBegin: (plan: Plan) => void;
}) {
  const [kind, setKind] = useState<ActionKind>("delete");
  const [span, setSpan] = useState(NO_SPAN);
  const [targetId, setTargetId] = useState("");
  const [overwrite, setOverwrite] = useState(false);
  const [isAsking, setAsking] = useState(false);
  const registered = useDatabases({ type: "redis", status: "active" });
  const actions = ACTIONS.filter((each) => may(each.needs));
  const targets = (registered.data?.pages ?? [])
    .flatMap((page) => page.databases)
    .filter((each) => each.id !== database.id && !isMarked(each, "readonly"));
  if (actions.length === 0) {
    return <p className="text-xs text-text-light">You may look at these keys, not change them.</p>;
  }
  const chosen = actions.some((each) => each.kind === kind) ? kind : (actions[0]?.kind ?? kind);
  const target = targets.find((each) => each.id === targetId);
  const plan = planOf(chosen, selection, { ttlMs: spanMs(span), target, overwrite });
  const many = `${isAll ? "" : "at least "}${count(matched)} ${matched === 1 ? "key" : "keys"}`;
  const isWide = selection.pattern?.value === "*";

  return (
    <section aria-label="Action" className="flex flex-col gap-3 border-t pt-4">
      <Field label="Then">
        {(control) => (
          <Select
            {...control}
            value={chosen}
            disabled={isWorking}
            onChange={(event) => setKind(event.target.value as ActionKind)}
          >
            {actions.map((each) => (
              <option key={each.kind} value={each.kind}>
                {each.label}
              </option>
            ))}
          </Select>
        )}
      </Field>
      {chosen === "expire" ? <SpanField label="In" value={span} onChange={setSpan} /> : null}
      {chosen === "copy" ? (
        <>
          <Field
            label="To"
            hint="Its server must be of the same version or a later one."
            error={registered.isSuccess && targets.length === 0 ? "No other Redis is registered." : undefined}
          >
            {(control) => (
              <Select {...control} value={targetId} onChange={(event) => setTargetId(event.target.value)}>
                <option value="">Choose…</option>
                {targets.map((each) => (
                  <option key={each.id} value={each.id}>
                    {each.name}
                    {isMarked(each, "production") ? " (production)" : ""}
                  </option>
                ))}
              </Select>
            )}
          </Field>
          {registered.hasNextPage ? (
            <Button kind="text" className="self-start" onClick={() => registered.fetchNextPage()}>
              More databases
            </Button>
          ) : null}
          <Checkbox
            label="Replace keys that are there"
            checked={overwrite}
            onChange={(event) => setOverwrite(event.target.checked)}
          />
        </>
      ) : null}
      <Button
        kind={chosen === "delete" ? "danger" : "primary"}
        className="self-start"
        disabled={!plan || matched === 0 || isWorking}
        onClick={() => setAsking(true)}
      >
        {plan?.verb ?? "Go on with"} {many}…
      </Button>
      {plan ? (
        <Confirm
          open={isAsking}
          onOpenChange={setAsking}
          title={`${plan.verb} ${many}?`}
          action={plan.verb.replace(/ of$/, "")}
          {...(chosen === "delete" && (isWide || matched > MANY) ? { typed: database.name } : {})}
          onConfirm={async () => onBegin(plan)}
        >
          <p>
            In <strong className="text-text">{database.name}</strong>: {words}
            {memoryBytes >= 0 ? `, ${size(memoryBytes)} of memory` : ""}. {consequence(chosen, spanMs(span))}
          </p>
          <p>Keys that come or go meanwhile may be among them. Stopping keeps what is done by then.</p>
        </Confirm>
      ) : null}
    </section>
  );
}

/** From so many keys on a deletion is confirmed by typing. */
const MANY = 1_000;

function consequence(kind: ActionKind, ttlMs: number | undefined): string {
  if (kind === "delete") return "They can't be brought back.";
  if (kind === "expire") return `They are gone ${duration(ttlMs ?? 0)} after they are worked on.`;
  if (kind === "persist") return "They stay until they are deleted.";
  return "Here nothing changes; the copies keep their expiry.";
}
