import { describe, expect, it } from "vitest";
import { moved, pipelineOf, stage, stagesOf, textOf, writesTo } from "./stages";

describe("stages of a pipeline", () => {
  it("come from a text, in the shell's way, and go back with every type kept", () => {
    const stages = stagesOf(
      '[{ $match: { n: NumberLong("9007199254740993"), at: ISODate("2024-05-17T08:30:00Z") } }, { $limit: 5 }]',
    );
    expect(stages.map((each) => each.name)).toEqual(["$match", "$limit"]);
    expect(pipelineOf(stages).text).toBe(
      '[{"$match":{"n":{"$numberLong":"9007199254740993"},"at":{"$date":{"$numberLong":"1715934600000"}}}},{"$limit":{"$numberInt":"5"}}]',
    );
    expect(stagesOf(textOf(stages)).map((each) => each.text)).toEqual(stages.map((each) => each.text));
  });

  it("are sent up to the first that is wrong, without those switched off", () => {
    const off = { ...stage("$skip", "1"), enabled: false };
    const wrong = stage("$match", "{ a: ");
    const stages = [stage("$limit", "1"), off, wrong, stage("$limit", "2")];
    const { text, ids, problems } = pipelineOf(stages);
    expect(text).toBe('[{"$limit":{"$numberInt":"1"}}]');
    expect(ids).toEqual([stages[0]?.id]);
    expect([...problems.keys()]).toEqual([wrong.id]);
  });

  it("are refused where a text is no pipeline", () => {
    expect(() => stagesOf("{}")).toThrow("array");
    expect(() => stagesOf("[{ $match: {}, $limit: 1 }]")).toThrow("Stage 1");
  });

  it("write where the last one that is switched on says so, into what it names", () => {
    const into = (name: string, text: string) =>
      writesTo([stage("$match"), stage(name, text)], "shop")?.target;
    expect(into("$out", '"sums"')).toBe("shop.sums");
    expect(into("$out", "{db: 'other', coll: 'sums'}")).toBe("other.sums");
    expect(into("$merge", "{into: 'sums', on: '_id'}")).toBe("shop.sums");
    expect(into("$merge", "{into: {db: 'other', coll: 'sums'}}")).toBe("other.sums");
    expect(writesTo([stage("$match"), { ...stage("$out"), enabled: false }], "shop")).toBeUndefined();
  });

  it("move by one place, and stay at the ends", () => {
    const [a, b, c] = [stage("$a"), stage("$b"), stage("$c")];
    const names = (stages: readonly { name: string }[]) => stages.map((each) => each.name).join("");
    expect(names(moved([a, b, c], b.id, 1))).toBe("$a$c$b");
    expect(names(moved([a, b, c], a.id, -1))).toBe("$a$b$c");
  });
});
