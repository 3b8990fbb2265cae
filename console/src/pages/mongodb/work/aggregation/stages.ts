/** A pipeline as a list of stages that can be written, switched off and moved one by one. */

import {
  array,
  canonical,
  compact,
  get,
  type Node,
  object,
  parse,
  stringOf,
  write,
  writeLines,
} from "@/lib/ejson";

export interface Stage {
  /** Stays with the stage when it moves. */
  id: number;
  name: string;
  /** Its value, as it was typed. */
  text: string;
  enabled: boolean;
}

/** Stages with what they begin with; fields are only examples. */
export const TEMPLATES: Readonly<Record<string, string>> = {
  $addFields: "{ field: 1 }",
  $bucket: '{ groupBy: "$field", boundaries: [0, 10, 100], default: "other" }',
  $bucketAuto: '{ groupBy: "$field", buckets: 5 }',
  $count: '"count"',
  $densify: '{ field: "at", range: { step: 1, unit: "day", bounds: "full" } }',
  $facet: "{ name: [] }",
  $fill: '{ output: { field: { method: "locf" } } }',
  $geoNear: '{ near: { type: "Point", coordinates: [0, 0] }, distanceField: "distance" }',
  $graphLookup:
    '{\n  from: "collection",\n  startWith: "$field",\n  connectFromField: "field",\n  connectToField: "_id",\n  as: "found"\n}',
  $group: '{\n  _id: "$field",\n  count: { $sum: 1 }\n}',
  $limit: "20",
  $lookup: '{\n  from: "collection",\n  localField: "field",\n  foreignField: "_id",\n  as: "found"\n}',
  $match: "{}",
  $merge: '{ into: "collection" }',
  $out: '"collection"',
  $project: "{ field: 1 }",
  $redact: '{ $cond: [{ $eq: ["$field", 1] }, "$$KEEP", "$$PRUNE"] }',
  $replaceRoot: '{ newRoot: "$field" }',
  $replaceWith: '"$field"',
  $sample: "{ size: 100 }",
  $set: "{ field: 1 }",
  $setWindowFields:
    '{\n  sortBy: { at: 1 },\n  output: { sum: { $sum: "$field", window: { documents: ["unbounded", "current"] } } }\n}',
  $skip: "20",
  $sort: "{ field: 1 }",
  $sortByCount: '"$field"',
  $unionWith: '{ coll: "collection" }',
  $unset: '"field"',
  $unwind: '"$field"',
};

let last = 0;

/** A new stage. */
export function stage(name: string, text = TEMPLATES[name] ?? "{}", enabled = true): Stage {
  last += 1;
  return { id: last, name, text, enabled };
}

/** The stages of a pipeline's text.
 *
 * @throws Error with a sentence where it is none.
 */
export function stagesOf(text: string): Stage[] {
  if (!text.trim()) return [];
  const node = parse(text, true);
  if (node.kind !== "array") throw new Error("A pipeline is an array: [ { $match: { … } }, … ]");
  return node.items.map((item, index) => {
    const [first, more] = item.kind === "object" ? item.members : [];
    if (!first || more)
      throw new Error(`Stage ${index + 1} must be a document with one field, such as $match.`);
    return stage(first.name, writeLines(compact(first.value)));
  });
}

/** A pipeline as it is sent. */
export interface Pipeline {
  /** Extended JSON. */
  text: string;
  /** The stages in it, by their ids. */
  ids: readonly number[];
  /** What is wrong with a stage that is switched on, by its id. */
  problems: ReadonlyMap<number, string>;
}

/** The stages that are switched on, up to the first that is wrong. */
export function pipelineOf(stages: readonly Stage[]): Pipeline {
  const problems = new Map<number, string>();
  const nodes: Node[] = [];
  const ids: number[] = [];
  for (const { id, name, text, enabled } of stages) {
    if (!enabled) continue;
    try {
      if (!name.startsWith("$")) throw new Error("Name a stage, such as $match.");
      const value = canonical(parse(text, true));
      if (problems.size > 0) continue;
      nodes.push(object([{ name, value }]));
      ids.push(id);
    } catch (error) {
      problems.set(id, error instanceof Error ? error.message : String(error));
    }
  }
  return { text: write(array(nodes)), ids, problems };
}

/** The pipeline for people: what is switched off is left out. */
export function textOf(stages: readonly Stage[]): string {
  const on = stages.filter((each) => each.enabled);
  const nodes = on.map(({ name, text }) => object([{ name, value: compact(parse(text, true)) }]));
  return writeLines(array(nodes));
}

/** By what a pipeline writes, and into what: its last stage says so. Undefined where it writes nothing. */
export function writesTo(
  stages: readonly Stage[],
  databaseName: string,
): { stage: "$out" | "$merge"; target: string } | undefined {
  const last = stages.filter((each) => each.enabled).at(-1);
  if (last?.name !== "$out" && last?.name !== "$merge") return undefined;
  const value = parse(last.text, true);
  const into = last.name === "$merge" && value.kind === "object" ? get(value, "into") : value;
  const collection = stringOf(into) ?? stringOf(get(into, "coll"));
  const target = collection ? `${stringOf(get(into, "db")) ?? databaseName}.${collection}` : "a collection";
  return { stage: last.name, target };
}

/** The list with one moved by one place. */
export function moved(stages: readonly Stage[], id: number, by: -1 | 1): Stage[] {
  const at = stages.findIndex((each) => each.id === id);
  const to = at + by;
  const next = [...stages];
  const [taken] = at < 0 || to < 0 || to >= stages.length ? [] : next.splice(at, 1);
  if (taken) next.splice(to, 0, taken);
  return next;
}
