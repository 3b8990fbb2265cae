/** Answers and texts of Extended JSON in which no value is lost. */

import {
  canonical,
  compact,
  get,
  isContainer,
  type Node,
  parse,
  textOf,
  write,
  writeLines,
  writeSpaced,
} from "@/lib/ejson";

/** An answer: its plain fields as they are typed, and the documents in it as `node` has them. */
export interface Exact<T> {
  data: T;
  node: Node;
}

/** Reads the text of an answer. */
export function readExact<T>(text: string): Exact<T> {
  return { data: JSON.parse(text) as T, node: parse(text) };
}

/** The items of an array; none of anything else. */
export function itemsOf(node: Node | undefined): readonly Node[] {
  return node?.kind === "array" ? node.items : [];
}

/** The items of an array in an answer. */
export function listOf(node: Node, name: string): readonly Node[] {
  return itemsOf(get(node, name));
}

/** What was typed, as it travels: Extended JSON or what MongoDB's shell takes; empty for none.
 *
 * @throws ParseError where it is neither.
 */
export function sent(text: string): string {
  return text.trim() ? write(canonical(parse(text, true))) : "";
}

/** As people read and edit it, on several lines. */
export function shown(node: Node): string {
  return writeLines(compact(node));
}

/** Whether there is a document with something in it. */
export function hasContent(node: Node | undefined): node is Node {
  if (node === undefined || (node.kind === "literal" && node.value === null)) return false;
  return node.kind !== "object" || node.members.length > 0;
}

/** A value in a line: a single one as plain text, a document or array as Extended JSON. */
export function line(node: Node): string {
  return isContainer(node) ? writeSpaced(compact(node)) : textOf(node);
}

/** Why a text is wrong, or nothing. */
export function problemOf(text: string): string {
  try {
    sent(text);
    return "";
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
