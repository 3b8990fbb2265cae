/** Writes a tree as JSON text. */

import type { Node } from "./ast";
import { isContainer } from "./types";

/** The text in one line, without spaces. */
export function write(node: Node): string {
  switch (node.kind) {
    case "string":
      return JSON.stringify(node.value);
    case "number":
      return node.text;
    case "literal":
      return String(node.value);
    case "array":
      return `[${node.items.map(write).join(",")}]`;
    case "object":
      return `{${node.members.map((each) => `${JSON.stringify(each.name)}:${write(each.value)}`).join(",")}}`;
  }
}

/** The text with a line for each value; a type wrapper stays in its line. */
export function writeLines(node: Node, indent = ""): string {
  const inner = `${indent}  `;
  if (node.kind === "array" && node.items.length > 0) {
    const items = node.items.map((each) => `${inner}${writeLines(each, inner)}`);
    return `[\n${items.join(",\n")}\n${indent}]`;
  }
  if (node.kind === "object" && node.members.length > 0) {
    if (!isContainer(node)) return writeSpaced(node);
    const members = node.members.map(
      (each) => `${inner}${JSON.stringify(each.name)}: ${writeLines(each.value, inner)}`,
    );
    return `{\n${members.join(",\n")}\n${indent}}`;
  }
  return write(node);
}

/** The text in one line, with a space after each comma and colon. */
export function writeSpaced(node: Node): string {
  if (node.kind === "array") return `[${node.items.map(writeSpaced).join(", ")}]`;
  if (node.kind !== "object") return write(node);
  const members = node.members.map((each) => `${JSON.stringify(each.name)}: ${writeSpaced(each.value)}`);
  return members.length > 0 ? `{ ${members.join(", ")} }` : "{}";
}
