import { inputOf, type RedisBlob, type RedisName, useRedisChange } from "@studio-databases/client/react";
import { useState } from "react";
import { count } from "@/lib/format";
import { toast } from "@/ui";
import { BytesField, typed } from "../bytes-field";
import { useRedis } from "../context";
import { NO_SPAN, SpanField, spanMs } from "../duration-field";
import { FormPanel } from "../values/panel";

/** Entries that one call hands over where none are marked. */
const MOST = 1000;

/** Hands pending entries to another consumer: the marked ones, or all that are idle for long enough. */
export function Claim({
  name,
  group,
  ids,
  onClose,
  onClaimed,
}: {
  name: RedisName;
  group: RedisBlob;
  ids: readonly string[];
  onClose: () => void;
  onClaimed: () => Promise<void>;
}) {
  const { id } = useRedis();
  const claim = useRedisChange(id, name, "stream/claim");
  const [consumer, setConsumer] = useState(() => typed());
  const [idle, setIdle] = useState(NO_SPAN);
  const idleMs = spanMs(idle);
  return (
    <FormPanel
      open
      onOpenChange={onClose}
      title="Claim pending entries"
      action="Claim"
      disabled={!consumer.blob || consumer.text === "" || Number.isNaN(idleMs)}
      onSubmit={async () => {
        if (!consumer.blob) return;
        const answer = await claim.mutateAsync({
          group: inputOf(group),
          consumer: consumer.blob,
          min_idle_ms: idleMs ?? 0,
          ids: [...ids],
          ...(ids.length > 0 ? {} : { count: MOST }),
        });
        const gone = answer.deleted_ids.length;
        const more = answer.next_start ? " More are left: claim again." : "";
        toast.done(
          `${count(answer.entries.length)} claimed${gone > 0 ? `, ${count(gone)} were deleted meanwhile` : ""}.${more}`,
        );
        await onClaimed();
      }}
    >
      <p className="text-sm text-text-light">
        {ids.length > 0
          ? `The ${count(ids.length)} marked entries are handed to the consumer.`
          : `Entries that are idle for long enough are handed to the consumer, ${count(MOST)} at most.`}
      </p>
      <BytesField
        label="Consumer"
        required
        hint="It is made where there is none of this name."
        value={consumer}
        onChange={setConsumer}
      />
      <SpanField label="Idle for at least" value={idle} onChange={setIdle} placeholder="0" />
    </FormPanel>
  );
}
