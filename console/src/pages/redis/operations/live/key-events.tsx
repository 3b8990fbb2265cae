import {
  type Database,
  nameOf,
  type RedisKeyEvent,
  readable,
  useClient,
  watchRedis,
} from "@studio-databases/client/react";
import { useState } from "react";
import { moment } from "@/lib/format";
import { Badge, Button, type Column, Empty, Input } from "@/ui";
import { Bytes } from "../../name";
import { keySearch } from "../../search";
import { useRedisSearch } from "../use-search";
import { clock, Fact, FeedView, WatchButton } from "./feed-view";
import { type Row, useFeed } from "./use-feed";

const COLUMNS: readonly Column<Row<RedisKeyEvent>>[] = [
  { id: "at", header: "When", width: "8rem", cell: (row) => clock(row.at_unix_ms) },
  { id: "event", header: "Event", width: "9rem", cell: (row) => <Badge>{row.event}</Badge> },
  {
    id: "key",
    header: "Key",
    width: "minmax(20rem, 1fr)",
    cell: (row) => (row.key ? <Bytes blob={row.key} /> : null),
  },
];

/** What happens to keys, as the server tells it. */
export function KeyEvents({ database }: { database: Database }) {
  const client = useClient();
  const [pattern, setPattern] = useState("");
  const [, setSearch] = useRedisSearch();
  const feed = useFeed<RedisKeyEvent>((event) => event.event !== "");
  return (
    <>
      <form
        className="flex flex-wrap items-center gap-2 border-b px-3 py-2"
        onSubmit={(event) => {
          event.preventDefault();
          const query = pattern ? { "pattern.value": pattern } : {};
          feed.start((signal) => watchRedis(client, database.id, "keyspace-events", query, signal));
        }}
      >
        <Input
          aria-label="Pattern of keys"
          placeholder="Every key, or a pattern: user:*"
          className="!h-7 !w-72 font-mono !text-xs"
          spellCheck={false}
          value={pattern}
          disabled={feed.status === "running"}
          onChange={(event) => setPattern(event.target.value)}
        />
        <WatchButton feed={feed} disabled={false}>
          Watch
        </WatchButton>
      </form>
      <FeedView
        feed={feed}
        label="Key events"
        noun="events"
        columns={COLUMNS}
        waiting="No event yet."
        idle={
          <Empty title="Changes of keys show here while you watch.">
            The server tells them where its notify-keyspace-events has K and the classes of events.
          </Empty>
        }
        details={(row) => (
          <>
            <dl>
              <Fact name="When">{moment(row.at_unix_ms)}</Fact>
              <Fact name="Event">{row.event}</Fact>
              <Fact name="Key">{row.key ? readable(row.key) : ""}</Fact>
            </dl>
            {row.key ? (
              <Button
                onClick={() => setSearch({ view: "browser", ...keySearch(nameOf(row.key ?? {})) }, false)}
              >
                Open the key
              </Button>
            ) : null}
          </>
        )}
      />
    </>
  );
}
