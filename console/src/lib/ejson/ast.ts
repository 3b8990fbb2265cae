/** Extended JSON as a tree: numbers stay text, names stay in their order and may come twice.
 *
 * https://www.mongodb.com/docs/manual/reference/mongodb-extended-json/
 */

export interface Member {
  readonly name: string;
  readonly value: Node;
}

export type Node =
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "number"; readonly text: string }
  | { readonly kind: "literal"; readonly value: boolean | null }
  | { readonly kind: "array"; readonly items: readonly Node[] }
  | { readonly kind: "object"; readonly members: readonly Member[] };

export const string = (value: string): Node => ({ kind: "string", value });
export const number = (text: string): Node => ({ kind: "number", text });
export const literal = (value: boolean | null): Node => ({ kind: "literal", value });
export const array = (items: readonly Node[]): Node => ({ kind: "array", items });
export const object = (members: readonly Member[]): Node => ({ kind: "object", members });

/** An object of one name: `{"$oid": …}`. */
export const wrapped = (name: string, value: Node): Node => object([{ name, value }]);

/** The value of a name; of the first where it comes twice. */
export function get(node: Node | undefined, name: string): Node | undefined {
  return node?.kind === "object" ? node.members.find((each) => each.name === name)?.value : undefined;
}

/** The text of a string; undefined for anything else. */
export function stringOf(node: Node | undefined): string | undefined {
  return node?.kind === "string" ? node.value : undefined;
}

/** What is inside a value, in its order. */
export function children(node: Node): readonly Node[] {
  if (node.kind === "array") return node.items;
  return node.kind === "object" ? node.members.map((each) => each.value) : [];
}

/** The same value with its children replaced. */
export function mapChildren(node: Node, change: (child: Node) => Node): Node {
  if (node.kind === "array") return array(node.items.map(change));
  if (node.kind !== "object") return node;
  return object(node.members.map(({ name, value }) => ({ name, value: change(value) })));
}

/** Places from the outermost value on; places rather than names, which may come twice. */
export type Path = readonly number[];

/** The value with what is at `path` replaced, or taken away where `value` is undefined. */
export function setAt(node: Node, path: Path, value: Node | undefined): Node {
  const [place, ...rest] = path;
  if (place === undefined) return value ?? node;
  const inner = (child: Node): Node[] => {
    if (rest.length > 0) return [setAt(child, rest, value)];
    return value ? [value] : [];
  };
  if (node.kind === "array") {
    return array(node.items.flatMap((item, index) => (index === place ? inner(item) : [item])));
  }
  if (node.kind !== "object") return node;
  return object(
    node.members.flatMap((member, index) =>
      index === place ? inner(member.value).map((changed) => ({ ...member, value: changed })) : [member],
    ),
  );
}
