import { Eye, EyeOff } from "lucide-react";
import { useState } from "react";
import { defaultPort, example, masked, typeOf } from "@/lib/connection";
import { Checkbox, Field, IconButton, Input } from "@/ui";
import type { DraftState } from "./state";

/** The connection: the string, and below its parts; changing one changes the other. */
export function Connection({ draft, parts, set, setPart, problems }: DraftState) {
  const [revealed, setRevealed] = useState(false);
  const reveal = (
    <IconButton
      label={revealed ? "Hide the password" : "Show the password"}
      onClick={() => setRevealed(!revealed)}
      className="!absolute top-1 right-1"
    >
      {revealed ? <EyeOff size={15} aria-hidden /> : <Eye size={15} aria-hidden />}
    </IconButton>
  );
  const known = typeof parts !== "string";
  const isApi = draft.type === "bun_api";
  const pathLabel = isApi ? "Base path" : draft.type === "redis" ? "Database number" : "Database";

  function change(text: string) {
    const type = typeOf(text);
    set({ connection: text, ...(type && type !== draft.type ? { type } : {}) });
  }

  return (
    <section aria-label="Connection" className="flex flex-col gap-3">
      <Field
        label="Connection string"
        error={problems.connection}
        hint="Stored encrypted; shown to nobody again, not even to you."
      >
        {(control) => (
          <div className="relative">
            <Input
              {...control}
              value={revealed ? draft.connection : masked(draft.connection)}
              // What is hidden can't be edited character by character: it is replaced, or its parts are changed.
              onChange={(event) => change(event.target.value)}
              onFocus={() => setRevealed(true)}
              placeholder={example(draft.type)}
              autoComplete="off"
              spellCheck={false}
              className="pr-10 font-mono !text-xs"
            />
            {reveal}
          </div>
        )}
      </Field>
      {known ? (
        <div className="grid grid-cols-6 gap-3">
          <Field label="Host" className="col-span-4">
            {(control) => (
              <Input
                {...control}
                value={parts.host}
                spellCheck={false}
                onChange={(event) => setPart({ host: event.target.value.trim() })}
              />
            )}
          </Field>
          <Field label="Port" className="col-span-2">
            {(control) => (
              <Input
                {...control}
                inputMode="numeric"
                value={parts.port}
                placeholder={defaultPort(draft.type)}
                disabled={parts.host.includes(",")}
                onChange={(event) => setPart({ port: event.target.value.replaceAll(/\D/g, "").slice(0, 5) })}
              />
            )}
          </Field>
          <Field label="User" optional className="col-span-3">
            {(control) => (
              <Input
                {...control}
                value={parts.username}
                autoComplete="off"
                spellCheck={false}
                onChange={(event) => setPart({ username: event.target.value })}
              />
            )}
          </Field>
          <Field label={isApi ? "Key" : "Password"} optional className="col-span-3">
            {(control) => (
              <div className="relative">
                <Input
                  {...control}
                  type={revealed ? "text" : "password"}
                  value={parts.password}
                  autoComplete="new-password"
                  spellCheck={false}
                  onChange={(event) => setPart({ password: event.target.value })}
                  className="pr-10"
                />
                {reveal}
              </div>
            )}
          </Field>
          <Field label={pathLabel} optional className="col-span-3">
            {(control) => (
              <Input
                {...control}
                value={parts.path}
                spellCheck={false}
                onChange={(event) => setPart({ path: event.target.value })}
              />
            )}
          </Field>
          <div className="col-span-3 flex items-end pb-2">
            <Checkbox
              label="Connect by TLS"
              checked={parts.tls}
              onChange={(event) => setPart({ tls: event.target.checked })}
            />
          </div>
        </div>
      ) : null}
    </section>
  );
}
