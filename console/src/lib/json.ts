/** JSON laid out anew as text: no number passes through a JavaScript number, no name is lost or moved. */

const SPACE = /\s/;

/** The text with its lines broken and indented; as it is where it is no JSON.
 *
 * Linear in the text; what is quoted stays as it is.
 */
export function layOut(text: string, indent = 2): string {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  const out: string[] = [];
  let depth = 0;
  let at = 0;
  const line = () => out.push("\n", " ".repeat(depth * indent));
  while (at < text.length) {
    const char = text[at] ?? "";
    if (char === '"') {
      const end = afterString(text, at);
      out.push(text.slice(at, end));
      at = end;
      continue;
    }
    at += 1;
    if (SPACE.test(char)) continue;
    if (char === "{" || char === "[") {
      out.push(char);
      const next = afterSpace(text, at);
      if (text[next] === (char === "{" ? "}" : "]")) {
        out.push(text[next] ?? "");
        at = next + 1;
        continue;
      }
      depth += 1;
      line();
    } else if (char === "}" || char === "]") {
      depth -= 1;
      line();
      out.push(char);
    } else if (char === ",") {
      out.push(char);
      line();
    } else {
      out.push(char === ":" ? ": " : char);
    }
  }
  return out.join("");
}

/** The text without the space between its tokens; as it is where it is no JSON. */
export function compact(text: string): string {
  try {
    JSON.parse(text);
  } catch {
    return text;
  }
  const out: string[] = [];
  let at = 0;
  while (at < text.length) {
    const char = text[at] ?? "";
    const end = char === '"' ? afterString(text, at) : at + 1;
    if (!SPACE.test(char)) out.push(text.slice(at, end));
    at = end;
  }
  return out.join("");
}

/** Index behind the string that begins at `at`. */
function afterString(text: string, at: number): number {
  let end = at + 1;
  while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
  return Math.min(end + 1, text.length);
}

function afterSpace(text: string, at: number): number {
  let end = at;
  while (end < text.length && SPACE.test(text[end] ?? "")) end += 1;
  return end;
}
