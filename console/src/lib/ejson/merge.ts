/** Puts two people's changes of one document together. */

import { get, type Member, type Node, object } from "./ast";
import { isContainer } from "./types";
import { write } from "./write";

const CLASH = Symbol("both changed the same");
/** Undefined stands for a field that is not there. */
type Field = Node | undefined;

/** What comes of `base` by both changes, with the order of `theirs`; undefined where both changed the same value. All are
 * canonical. An array is one value: what its places mean is not known. */
export function merge(base: Node, mine: Node, theirs: Node): Node | undefined {
  const merged = field(base, mine, theirs);
  return merged === CLASH ? undefined : merged;
}

function field(base: Field, mine: Field, theirs: Field): Field | typeof CLASH {
  if (same(mine, base)) return theirs;
  if (same(theirs, base) || same(mine, theirs)) return mine;
  if (!isPlain(base) || !isPlain(mine) || !isPlain(theirs)) return CLASH;
  const names = namesOf(mine);
  if (inOrder(names, base) !== inOrder(namesOf(base), mine)) return CLASH;
  const added = names.filter((name) => !get(theirs, name));
  const members: Member[] = [];
  for (const name of [...namesOf(theirs), ...added]) {
    const value = field(get(base, name), get(mine, name), get(theirs, name));
    if (value === CLASH) return CLASH;
    if (value) members.push({ name, value });
  }
  return object(members);
}

/** A document whose names come once. */
function isPlain(node: Field): node is Node {
  if (node?.kind !== "object" || !isContainer(node)) return false;
  return new Set(node.members.map((each) => each.name)).size === node.members.length;
}

function namesOf(node: Node): string[] {
  return node.kind === "object" ? node.members.map((each) => each.name) : [];
}

/** The names that `other` has as well, in their order. */
function inOrder(names: readonly string[], other: Node): string {
  return JSON.stringify(names.filter((name) => get(other, name)));
}

function same(one: Field, other: Field): boolean {
  if (one === undefined || other === undefined) return one === other;
  return write(one) === write(other);
}
