import type { BunParameter, BunRoute } from "@studio-databases/client/react";
import { useState } from "react";
import { Field, Input, Select } from "@/ui";
import { fill } from "./send";

/** What a route takes in its path and query; what is typed goes into the path of the request. */
export function Parameters({ route, onPath }: { route: BunRoute; onPath: (path: string) => void }) {
  const [values, setValues] = useState<Readonly<Record<string, string>>>({});
  const shown = route.parameters.filter((each) => each.in === "path" || each.in === "query");
  if (shown.length === 0) return null;

  function set(parameter: BunParameter, value: string) {
    const next = { ...values, [`${parameter.in} ${parameter.name}`]: value };
    setValues(next);
    const path = Object.fromEntries(
      shown.filter((each) => each.in === "path").map((each) => [each.name, next[`path ${each.name}`] ?? ""]),
    );
    const query = shown
      .filter((each) => each.in === "query")
      .map((each) => ({ name: each.name, value: next[`query ${each.name}`] ?? "" }));
    onPath(fill(route.proxy_path || route.path, path, query));
  }

  return (
    <div className="grid grid-cols-2 gap-3 lg:grid-cols-3">
      {shown.map((parameter) => {
        const value = values[`${parameter.in} ${parameter.name}`] ?? "";
        return (
          <Field
            key={`${parameter.in} ${parameter.name}`}
            label={<span className="font-mono text-xs">{parameter.name}</span>}
            optional={!parameter.required}
            hint={
              [parameter.type, parameter.format, parameter.description].filter(Boolean).join(" · ") ||
              undefined
            }
          >
            {(control) =>
              parameter.values.length > 0 ? (
                <Select {...control} value={value} onChange={(event) => set(parameter, event.target.value)}>
                  <option value="" />
                  {parameter.values.map((each) => (
                    <option key={each}>{each}</option>
                  ))}
                </Select>
              ) : (
                <Input
                  {...control}
                  className="!h-8"
                  spellCheck={false}
                  value={value}
                  placeholder={parameter.default_value}
                  onChange={(event) => set(parameter, event.target.value)}
                />
              )
            }
          </Field>
        );
      })}
    </div>
  );
}
