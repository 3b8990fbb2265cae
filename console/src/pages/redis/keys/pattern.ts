/** The glob for what was typed: `user` finds every name that contains it, `user:*` what it says. */
export function globOf(typed: string): string {
  const text = typed.trim();
  if (text === "" || text === "*") return "";
  return /[*?[\\]/.test(text) ? text : `*${text}*`;
}

/** A glob that means a text and nothing else: https://redis.io/docs/latest/commands/keys/ */
export function quoted(text: string): string {
  return text.replaceAll(/[*?[\]\\^]/g, (char) => `\\${char}`);
}
