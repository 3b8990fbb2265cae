import { usePublishRedis } from "@studio-databases/client/react";
import { useState } from "react";
import { Button, Checkbox, Failure, Input } from "@/ui";

/** Sends a message, and says how many clients have it. */
export function Publish({ databaseId }: { databaseId: string }) {
  const [channel, setChannel] = useState("");
  const [text, setText] = useState("");
  const [shard, setShard] = useState(false);
  const publish = usePublishRedis(databaseId);
  const receivers = publish.data?.receivers;
  return (
    <form
      aria-label="Publish"
      className="flex flex-wrap items-center gap-2 border-t bg-surface-100 px-3 py-2"
      onSubmit={(event) => {
        event.preventDefault();
        publish.mutate({ channel: { value: channel }, payload: { value: text }, shard });
      }}
    >
      <Input
        aria-label="Channel"
        placeholder="Channel"
        className="!h-7 !w-56 font-mono !text-xs"
        spellCheck={false}
        value={channel}
        onChange={(event) => setChannel(event.target.value)}
      />
      <Input
        aria-label="Message"
        placeholder="Message"
        className="!h-7 min-w-40 flex-1 font-mono !text-xs"
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <Checkbox label="Shard channel" checked={shard} onChange={(event) => setShard(event.target.checked)} />
      <Button type="submit" disabled={!channel} loading={publish.isPending}>
        Publish
      </Button>
      <span role="status" className="min-w-24 text-xs text-text-light">
        {receivers === undefined ? "" : `${receivers} ${receivers === 1 ? "client" : "clients"} received it`}
      </span>
      {publish.error ? <Failure className="w-full" error={publish.error} /> : null}
    </form>
  );
}
