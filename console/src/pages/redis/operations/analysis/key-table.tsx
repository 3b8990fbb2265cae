import { blobId, type Content, nameOf, type RedisKeyMemory } from "@studio-databases/client/react";
import { count, bytes as size } from "@/lib/format";
import { Bytes } from "../../name";
import { keySearch } from "../../search";
import { TypeBadge } from "../../type-badge";
import { Scroll } from "../scroll";
import { useRedisSearch } from "../use-search";

/** Keys by what they take; a click opens one in the browser. */
export function KeyTable({ title, rows }: { title: string; rows: readonly RedisKeyMemory[] }) {
  const [, setSearch] = useRedisSearch();
  return (
    <section aria-label={title} className="min-w-0 rounded-md border bg-surface-100">
      <h2 className="border-b px-4 py-2 text-sm font-medium">{title}</h2>
      {rows.length === 0 ? <p className="px-4 py-3 text-sm text-text-light">None.</p> : null}
      <Scroll label={`List of ${title.toLowerCase()}`} className="max-h-96">
        <table className="w-full table-fixed text-sm">
          <caption className="sr-only">{title}</caption>
          <thead
            className={rows.length === 0 ? "hidden" : "sticky top-0 bg-surface-200 text-xs text-text-light"}
          >
            <tr>
              <th className="w-20 py-1.5 pl-4 text-left font-medium">Type</th>
              <th className="py-1.5 text-left font-medium">Key</th>
              <th className="w-24 py-1.5 text-right font-medium">Length</th>
              <th className="w-24 py-1.5 pr-4 text-right font-medium">Memory</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => {
              const key: Content = row.key ?? { value: "" };
              return (
                <tr key={blobId(key)} className="border-t">
                  <td className="py-1 pl-4">
                    <div className="flex">
                      <TypeBadge type={row.type} />
                    </div>
                  </td>
                  <td className="py-1 pr-2">
                    {key.full_length ? (
                      <Bytes blob={key} className="block truncate" />
                    ) : (
                      <button
                        type="button"
                        title="Open in the browser"
                        className="block w-full truncate text-left hover:underline"
                        onClick={() => setSearch({ view: "browser", ...keySearch(nameOf(key)) }, false)}
                      >
                        <Bytes blob={key} />
                      </button>
                    )}
                  </td>
                  <td className="py-1 text-right text-xs text-text-light tabular-nums">
                    {row.length < 0 ? "–" : count(row.length)}
                  </td>
                  <td className="py-1 pr-4 text-right text-xs tabular-nums">
                    {row.memory_bytes < 0 ? "–" : size(row.memory_bytes)}
                  </td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </Scroll>
    </section>
  );
}
