import type { MongoMember } from "@studio-databases/client/react";
import { duration } from "@/lib/format";
import { Badge } from "@/ui";

const HEADS = ["Member", "State", "Behind", "Ping", "Up for", "Copies from"];

/** The members of a replica set. */
export function Members({ members }: { members: readonly MongoMember[] }) {
  return (
    <section aria-label="Members" className="overflow-x-auto rounded-md border bg-surface-100">
      <table className="w-full text-sm">
        <caption className="border-b px-4 py-2 text-left font-medium">Members of the replica set</caption>
        <thead className="text-xs text-text-light">
          <tr>
            {HEADS.map((each) => (
              <th key={each} className="px-4 py-1.5 text-left font-medium">
                {each}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {members.map((each) => (
            <tr key={each.name} className="border-t">
              <td className="px-4 py-1.5">
                {each.name} {each.asked ? <Badge>asked</Badge> : null}
              </td>
              <td className="px-4">
                <Badge tone={each.healthy ? (each.state === "PRIMARY" ? "good" : "neutral") : "bad"}>
                  {each.state}
                </Badge>
                {each.message ? <span className="ml-2 text-xs text-danger">{each.message}</span> : null}
              </td>
              <td className="px-4 tabular-nums">{each.lag_s < 0 ? "–" : duration(each.lag_s * 1000)}</td>
              <td className="px-4 tabular-nums">{each.ping_ms < 0 ? "–" : duration(each.ping_ms)}</td>
              <td className="px-4 tabular-nums">
                {each.uptime_s < 0 ? "–" : duration(each.uptime_s * 1000)}
              </td>
              <td className="px-4">{each.sync_source || "–"}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
