import { type FormEvent, useState } from "react";
import { Input } from "@/ui";
import { globOf } from "../keys/pattern";

/** A filter for names that asks the server on Enter, or when it is emptied. */
export function Filter({
  label,
  onFilter,
}: {
  label: string;
  /** A glob; empty for all. */
  onFilter: (glob: string) => void;
}) {
  const [text, setText] = useState("");
  function submit(event: FormEvent) {
    event.preventDefault();
    onFilter(globOf(text));
  }
  return (
    <form onSubmit={submit} role="search" aria-label={label} className="min-w-40 flex-1">
      <Input
        type="search"
        aria-label={label}
        title="A glob, or part of the text; Enter looks for it."
        placeholder={`${label}, then Enter`}
        className="!h-[26px] !px-2 font-mono !text-xs"
        value={text}
        onChange={(event) => {
          setText(event.target.value);
          if (event.target.value === "") onFilter("");
        }}
      />
    </form>
  );
}
