/** JSON without loss: a number that a JavaScript number can't hold comes as the text it was.
 *
 * https://github.com/tc39/proposal-json-parse-with-source; where it is missing, as `JSON.parse` reads it.
 */

type Reviver = (this: unknown, key: string, value: unknown, context?: { source?: string }) => unknown;

const exact: Reviver = (_key, value, context) => {
  if (typeof value !== "number" || context?.source === undefined) return value;
  const { source } = context;
  if (/^-?\d+$/.test(source)) return Number.isSafeInteger(value) ? value : source;
  return Number.isFinite(value) ? value : source;
};

/** The value of a JSON text.
 *
 * @throws SyntaxError where it is none.
 */
export function parseExact(text: string): unknown {
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown);
}

/** JSON text that stands in a body as it is: what has been through a JavaScript value is not exact any more. */
export class ExactJson {
  constructor(readonly text: string) {}
}

/** The JSON of a value, with each `ExactJson` in it as it is. */
export function stringifyExact(value: unknown): string {
  if (value instanceof ExactJson) return value.text;
  if (Array.isArray(value)) return `[${value.map(stringifyExact).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value) ?? "null";
  const members = Object.entries(value).filter(([, each]) => each !== undefined);
  return `{${members.map(([name, each]) => `${JSON.stringify(name)}:${stringifyExact(each)}`).join(",")}}`;
}
