import { useState } from "react";
import { globOf } from "../keys/pattern";
import type { Choice } from "./selection";
import { useRedisSearch } from "./use-search";

/** Which keys are chosen. The pattern and the type stand in the address, and begin with what the browser is narrowed to. */
export function useChoice(): readonly [Choice, (change: Partial<Choice>) => void] {
  const [search, setSearch] = useRedisSearch();
  const [list, setList] = useState("");
  const choice: Choice = {
    by: search.by === "list" ? "list" : "pattern",
    pattern: search.select ?? globOf(search.pattern ?? ""),
    type: search.select_type ?? search.type ?? "",
    list,
  };
  function change(next: Partial<Choice>) {
    if (next.list !== undefined) setList(next.list);
    const { by, pattern, type } = { ...choice, ...next };
    setSearch({ by: by === "list" ? by : undefined, select: pattern, select_type: type });
  }
  return [choice, change];
}
