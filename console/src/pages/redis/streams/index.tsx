import type { RedisName } from "@studio-databases/client/react";
import { useState } from "react";
import { Tabs } from "@/ui";
import { Entries } from "./entries";
import { Groups } from "./groups";

/** A stream: its entries, and who reads it. */
export function Stream({ name, length }: { name: RedisName; length: number }) {
  const [tab, setTab] = useState("entries");
  return (
    <Tabs
      label="Parts of the stream"
      className="flex-1"
      value={tab}
      onChange={setTab}
      tabs={[
        {
          value: "entries",
          label: "Entries",
          content: (
            <div className="flex h-full flex-col">
              <Entries name={name} length={length} />
            </div>
          ),
        },
        {
          value: "groups",
          label: "Consumer groups",
          content: (
            <div className="flex h-full flex-col">
              <Groups name={name} />
            </div>
          ),
        },
      ]}
    />
  );
}
