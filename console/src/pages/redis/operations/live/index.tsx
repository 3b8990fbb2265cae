/** What happens on the server now: commands, messages, events of keys. */

import { type Database, useMay } from "@studio-databases/client/react";
import { clsx } from "clsx";
import { Empty } from "@/ui";
import { useRedisSearch } from "../use-search";
import { KeyEvents } from "./key-events";
import { Messages } from "./messages";
import { Monitor } from "./monitor";

const FEEDS = [
  { value: "messages", label: "Pub/sub", needs: "redis.live.subscribe", component: Messages },
  { value: "events", label: "Keyspace events", needs: "redis.live.keyspace", component: KeyEvents },
  { value: "monitor", label: "Monitor", needs: "redis.live.monitor", component: Monitor },
] as const;

export default function Live({ database }: { database: Database }) {
  const may = useMay(database.id);
  const [search, setSearch] = useRedisSearch();
  const feeds = FEEDS.filter((each) => may(each.needs));
  const feed = feeds.find((each) => each.value === search.feed) ?? feeds[0];
  if (!feed) return <Empty title="You may not watch this server." />;
  const Feed = feed.component;
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <nav aria-label="What to watch" className="flex h-10 shrink-0 items-center gap-1 border-b px-3">
        {feeds.map((each) => (
          <button
            key={each.value}
            type="button"
            aria-current={each === feed ? "page" : undefined}
            onClick={() => setSearch({ feed: each.value })}
            className={clsx(
              "rounded-md px-2.5 py-1 text-xs",
              each === feed ? "bg-surface-300 text-text" : "text-text-light hover:bg-surface-200",
            )}
          >
            {each.label}
          </button>
        ))}
      </nav>
      <Feed key={feed.value} database={database} />
    </div>
  );
}
