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
