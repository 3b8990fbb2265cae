import { History as Icon } from "lucide-react";
import { IconButton, Menu, type MenuItems } from "@/ui";
import type { QueryText } from "../search";
import type { History } from "./use-history";

const WORDS = [
  ["projection", "projection"],
  ["sort", "sort"],
  ["collation", "collation"],
  ["hint", "hint"],
  ["skip", "skip"],
  ["maxTimeMs", "time limit"],
] as const;

/** The last queries, to be asked again. */
export function Recent({ history, onChoose }: { history: History; onChoose: (query: QueryText) => void }) {
  if (history.queries.length === 0) return null;
  const items: MenuItems = [
    ...history.queries.map((query) => ({
      label: <Line query={query} />,
      onSelect: () => onChoose(query),
    })),
    null,
    { label: "Forget these queries", onSelect: history.forget },
  ];
  return (
    <Menu
      trigger={
        <IconButton label="Recent queries" className="!h-[30px]">
          <Icon size={14} aria-hidden />
        </IconButton>
      }
      items={items}
    />
  );
}

function Line({ query }: { query: QueryText }) {
  const rest = WORDS.flatMap(([name, word]) => (query[name] === undefined ? [] : `${word} ${query[name]}`));
  return (
    <span className="block max-w-[34rem] truncate font-mono text-xs" title={query.filter}>
      {query.filter ?? "{}"}
      {rest.length > 0 ? <span className="text-text-light"> {rest.join(", ")}</span> : null}
    </span>
  );
}
