import { Field, Input, Select, TextArea } from "@/ui";
import { TYPES, typeName } from "../type-badge";
import type { Choice } from "./selection";

/** Fields for which keys are meant. */
export function SelectionFields({
  choice,
  onChange,
  disabled,
}: {
  choice: Choice;
  onChange: (change: Partial<Choice>) => void;
  disabled: boolean;
}) {
  return (
    <fieldset disabled={disabled} className="flex flex-col gap-3">
      <legend className="sr-only">Which keys</legend>
      <div className="grid grid-cols-2 gap-3">
        <Field label="Keys by">
          {(control) => (
            <Select
              {...control}
              value={choice.by}
              onChange={(event) => onChange({ by: event.target.value as Choice["by"] })}
            >
              <option value="pattern">Pattern</option>
              <option value="list">List</option>
            </Select>
          )}
        </Field>
        <Field label="Type">
          {(control) => (
            <Select
              {...control}
              value={choice.type}
              onChange={(event) => onChange({ type: event.target.value })}
            >
              <option value="">Any</option>
              {Object.keys(TYPES).map((type) => (
                <option key={type} value={type}>
                  {typeName(type)}
                </option>
              ))}
            </Select>
          )}
        </Field>
      </div>
      {choice.by === "pattern" ? (
        <Field label="Pattern" hint="* any characters, ? one, [ab] one of these; \ before one that is meant.">
          {(control) => (
            <Input
              {...control}
              className="font-mono !text-xs"
              spellCheck={false}
              autoComplete="off"
              placeholder="session:*"
              value={choice.pattern}
              onChange={(event) => onChange({ pattern: event.target.value })}
            />
          )}
        </Field>
      ) : (
        <Field label="Keys" hint={'One a line. Bytes that are no text in quotes: "\\xff\\x00".'}>
          {(control) => (
            <TextArea
              {...control}
              rows={7}
              className="font-mono !text-xs"
              spellCheck={false}
              value={choice.list}
              onChange={(event) => onChange({ list: event.target.value })}
            />
          )}
        </Field>
      )}
    </fieldset>
  );
}
