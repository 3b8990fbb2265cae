import type { Database } from "@studio-databases/client/react";
import { example, parse } from "@/lib/connection";
import type { EngineType } from "@/lib/engines";
import { Field, Input } from "@/ui";
import type { Edited } from "./edit";

/** Where the database is reached: a new string as a whole, or parts of the stored one. */
export function ConnectionFields({
  database,
  now,
  set,
}: {
  database: Database;
  now: Edited;
  set: (change: Partial<Edited>) => void;
}) {
  const type = database.type as EngineType;
  const read = now.connection ? parse(type, now.connection) : undefined;
  const isApi = type === "bun_api";

  function part(
    name: "host" | "port" | "databaseName" | "username" | "password",
    label: string,
    className: string,
  ) {
    const secret = name === "password";
    return (
      <Field label={label} className={className}>
        {(control) => (
          <Input
            {...control}
            type={secret ? "password" : "text"}
            inputMode={name === "port" ? "numeric" : undefined}
            autoComplete={secret ? "new-password" : "off"}
            spellCheck={false}
            placeholder={secret ? "unchanged" : undefined}
            value={now[name]}
            onChange={({ target: { value } }) =>
              set({ [name]: name === "port" ? value.replaceAll(/\D/g, "").slice(0, 5) : value })
            }
          />
        )}
      </Field>
    );
  }

  return (
    <fieldset className="flex flex-col gap-3">
      <legend className="mb-2 text-sm font-medium">Connection</legend>
      {now.connection ? null : (
        <div className="grid grid-cols-6 gap-3">
          {part("host", "Host", "col-span-4")}
          {part("port", "Port", "col-span-2")}
          {isApi ? null : part("username", "User", "col-span-2")}
          {part("password", isApi ? "New key" : "New password", isApi ? "col-span-6" : "col-span-2")}
          {isApi ? null : part("databaseName", "Database", "col-span-2")}
        </div>
      )}
      <Field
        label="New connection string"
        optional
        error={typeof read === "string" ? read : undefined}
        hint="Replaces the stored one as a whole. Nobody can look at that; what is changed of it is tested before it is saved."
      >
        {(control) => (
          <Input
            {...control}
            type="password"
            autoComplete="new-password"
            spellCheck={false}
            placeholder={example(type)}
            value={now.connection}
            onChange={(event) => set({ connection: event.target.value })}
          />
        )}
      </Field>
    </fieldset>
  );
}
