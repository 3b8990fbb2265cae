import { type Content, readable } from "@studio-databases/client/react";
import { quoted } from "./console/reply";

/** A command's words as one would type them: quotes only where a word needs them. */
export function commandText(words: readonly Content[]): string {
  return words
    .map((word) =>
      word.value_base64 || word.full_length || !isPlain(word.value ?? "") ? quotedWord(word) : readable(word),
    )
    .join(" ");
}

function quotedWord(word: Content): string {
  return word.full_length ? `${quoted(word)}…` : quoted(word);
}

function isPlain(text: string): boolean {
  return /^[^\s"'\\]+$/.test(text);
}
