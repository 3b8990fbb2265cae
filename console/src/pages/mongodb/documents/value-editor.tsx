import { Check, X } from "lucide-react";
import { type KeyboardEvent, useState } from "react";
import { EDITABLE, type EditableType, fromText, isEditable, type Node, textOf, typeOf } from "@/lib/ejson";
import { IconButton, Input, Select, TextArea } from "@/ui";
import { nameOf } from "./value";

/** Characters from which a text has room for several lines. */
const LONG = 60;

/** Characters of a value that are edited in its place. */
const MOST_EDITED = 100_000;

/** Whether a value can be edited as a line of text. */
export function mayEditInPlace(value: Node): boolean {
  return isEditable(typeOf(value)) && textOf(value).length <= MOST_EDITED;
}

/** Edits one value in its place: Enter takes it, Escape leaves it. Its type stays unless another is chosen. */
export function ValueEditor({
  label,
  node,
  onDone,
  onCancel,
}: {
  label: string;
  node: Node;
  onDone: (changed: Node) => void;
  onCancel: () => void;
}) {
  const before = typeOf(node);
  const [type, setType] = useState<EditableType>(isEditable(before) ? before : "string");
  const [text, setText] = useState(textOf(node));
  const [error, setError] = useState("");
  const long = type === "string" && (text.length > LONG || text.includes("\n"));
  const Control = long ? TextArea : Input;

  function take() {
    try {
      onDone(fromText(type, text));
    } catch (failure) {
      setError(failure instanceof Error ? failure.message : String(failure));
    }
  }

  function keys(event: KeyboardEvent) {
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      take();
    }
    if (event.key === "Escape") {
      event.stopPropagation();
      onCancel();
    }
  }

  return (
    <span className="flex min-w-0 flex-1 flex-col gap-1 py-0.5">
      <span className="flex items-start gap-1">
        {type === "bool" ? (
          <Select
            autoFocus
            aria-label={label}
            className="!h-7 !w-28 !text-xs"
            value={text}
            onChange={(event) => setText(event.target.value)}
            onKeyDown={keys}
          >
            <option>true</option>
            <option>false</option>
          </Select>
        ) : (
          <Control
            autoFocus
            aria-label={label}
            aria-invalid={error ? true : undefined}
            className={long ? "!min-h-20 !px-2 font-mono !text-xs" : "!h-7 !px-2 font-mono !text-xs"}
            disabled={type === "null" || type === "minKey" || type === "maxKey"}
            value={text}
            onChange={(event: { target: { value: string } }) => {
              setText(event.target.value);
              setError("");
            }}
            onKeyDown={keys}
          />
        )}
        <Select
          aria-label={`Type of ${label}`}
          className="!h-7 !w-32 shrink-0 !text-xs"
          value={type}
          onChange={(event) => {
            const next = EDITABLE.find((each) => each === event.target.value) ?? "string";
            setType(next);
            setError("");
            if (next === "bool" && text !== "true") setText("false");
          }}
          onKeyDown={keys}
        >
          {EDITABLE.map((each) => (
            <option key={each} value={each}>
              {nameOf(each)}
            </option>
          ))}
        </Select>
        <IconButton label="Take this value (Enter)" onClick={take}>
          <Check size={14} aria-hidden />
        </IconButton>
        <IconButton label="Leave it as it was (Escape)" onClick={onCancel}>
          <X size={14} aria-hidden />
        </IconButton>
      </span>
      {error ? (
        <span role="alert" className="text-xs text-danger">
          {error}
        </span>
      ) : null}
    </span>
  );
}
