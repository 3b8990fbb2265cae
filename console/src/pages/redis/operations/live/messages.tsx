import {
  type Database,
  type RedisMessage,
  readable,
  useClient,
  useMay,
  watchRedis,
} from "@studio-databases/client/react";
import { useState } from "react";
import { isMarked } from "@/lib/engines";
import { moment } from "@/lib/format";
import { Badge, type Column, Copy, Empty, Input, Select } from "@/ui";
import { Bytes } from "../../name";
import { clock, Fact, FeedView, WatchButton } from "./feed-view";
import { Publish } from "./publish";
import { type Row, useFeed } from "./use-feed";

const KINDS = [
  { value: "patterns", label: "Patterns", placeholder: "news.*, every channel: *" },
  { value: "channels", label: "Channels", placeholder: "news.sport news.weather" },
  { value: "shard_channels", label: "Shard channels", placeholder: "orders{1}" },
] as const;
type Kind = (typeof KINDS)[number]["value"];

const COLUMNS: readonly Column<Row<RedisMessage>>[] = [
  { id: "at", header: "When", width: "8rem", cell: (row) => clock(row.at_unix_ms) },
  {
    id: "channel",
    header: "Channel",
    width: "minmax(10rem, 1fr)",
    cell: (row) => (row.channel ? <Bytes blob={row.channel} /> : null),
  },
  {
    id: "payload",
    header: "Message",
    width: "minmax(16rem, 3fr)",
    cell: (row) => (row.payload ? <Bytes blob={row.payload} /> : null),
  },
];

/** Messages of channels; and a form that sends one. */
export function Messages({ database }: { database: Database }) {
  const client = useClient();
  const allowed = useMay(database.id);
  const [kind, setKind] = useState<Kind>("patterns");
  const [names, setNames] = useState("");
  const [isSubscribed, setSubscribed] = useState(false);
  const feed = useFeed<RedisMessage>((event) => {
    if (event.subscribed) setSubscribed(true);
    return event.channel !== undefined;
  });
  const isRunning = feed.status === "running";
  const list = names.split(/[\s,]+/).filter((name) => name !== "");
  const mayPublish = allowed("redis.live.publish") && !isMarked(database, "readonly");
  return (
    <>
      <form
        className="flex flex-wrap items-center gap-2 border-b px-3 py-2"
        onSubmit={(event) => {
          event.preventDefault();
          setSubscribed(false);
          feed.start((signal) => watchRedis(client, database.id, "subscribe", { [kind]: list }, signal));
        }}
      >
        <Select
          aria-label="Subscribe to"
          className="!h-7 !w-36 !text-xs"
          value={kind}
          disabled={isRunning}
          onChange={(event) => setKind(event.target.value as Kind)}
        >
          {KINDS.map((each) => (
            <option key={each.value} value={each.value}>
              {each.label}
            </option>
          ))}
        </Select>
        <Input
          aria-label="Names, separated by spaces"
          placeholder={KINDS.find((each) => each.value === kind)?.placeholder}
          className="!h-7 !w-80 font-mono !text-xs"
          spellCheck={false}
          value={names}
          disabled={isRunning}
          onChange={(event) => setNames(event.target.value)}
        />
        <WatchButton feed={feed} disabled={list.length === 0}>
          Subscribe
        </WatchButton>
        {isRunning ? (
          <Badge tone={isSubscribed ? "good" : "neutral"}>
            {isSubscribed ? "subscribed" : "subscribing…"}
          </Badge>
        ) : null}
      </form>
      <FeedView
        feed={feed}
        label="Messages"
        noun="messages"
        columns={COLUMNS}
        waiting="No message yet."
        idle={<Empty title="Messages show here while you are subscribed." />}
        details={(row) => (
          <dl>
            <Fact name="When">{moment(row.at_unix_ms)}</Fact>
            <Fact name="Channel">{row.channel ? readable(row.channel) : ""}</Fact>
            {row.pattern ? <Fact name="By the pattern">{row.pattern}</Fact> : null}
            <Fact name="Message">
              {row.payload ? readable(row.payload) : ""}
              <Copy text={row.payload ? readable(row.payload) : ""} label="Copy the message" />
            </Fact>
          </dl>
        )}
      />
      {mayPublish ? <Publish databaseId={database.id} /> : null}
    </>
  );
}
