import { describe, expect, it } from "vitest";
import { withQuery } from "./history";

describe("the last queries", () => {
  it("have the newest first, each once, and an end", () => {
    let queries = withQuery([], { filter: "{a: 1}" });
    queries = withQuery(queries, { filter: "{b: 1}", limit: 100 });
    queries = withQuery(queries, { filter: "{a: 1}", limit: 50 });
    expect(queries).toEqual([{ filter: "{a: 1}" }, { filter: "{b: 1}" }]);
    for (let number = 0; number < 40; number += 1) queries = withQuery(queries, { skip: number + 1 });
    expect(queries).toHaveLength(15);
  });

  it("have none that is empty or very long", () => {
    expect(withQuery([], { limit: 50 })).toEqual([]);
    expect(withQuery([], { filter: "x".repeat(5000) })).toEqual([]);
  });
});
