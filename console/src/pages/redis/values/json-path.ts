/** The text of the only element of a JSON array, digit for digit; undefined where it has none or several. */
export function onlyElement(json: string): string | undefined {
  let array: unknown;
  try {
    array = JSON.parse(json);
  } catch {
    return undefined;
  }
  if (!Array.isArray(array) || array.length !== 1) return undefined;
  const text = json.trim();
  return text.slice(1, -1).trim();
}
