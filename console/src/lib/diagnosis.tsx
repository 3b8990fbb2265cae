/** The result of a connection test, drawn by its stages. */

import type { Diagnosis } from "@studio-databases/client/react";
import { clsx } from "clsx";
import { Check, Minus, X } from "lucide-react";
import type { EngineType } from "./engines";
import { duration } from "./format";

const BEFORE = ["parse", "address", "dns", "tcp", "tls"] as const;
const STAGES: Readonly<Record<EngineType, readonly string[]>> = {
  redis: [...BEFORE, "protocol", "authentication", "permission"],
  mongodb: [...BEFORE, "protocol", "authentication", "permission"],
  postgres: [...BEFORE, "protocol", "authentication", "permission"],
  bun_api: [...BEFORE, "http", "authentication"],
};
const NAMES: Readonly<Record<string, string>> = {
  parse: "Options",
  address: "Address allowed",
  dns: "Name resolved",
  tcp: "Connected",
  tls: "TLS",
  protocol: "Answers as expected",
  http: "Answers HTTP",
  authentication: "Login",
  permission: "Permission",
};

/** The stages that a test passed, the one that failed and why, and what to try. */
export function DiagnosisView({ type, diagnosis }: { type: EngineType; diagnosis: Diagnosis }) {
  const { success, stage } = diagnosis;
  const stages = STAGES[type];
  const failed = success ? stages.length : stages.indexOf(stage);
  return (
    <section
      aria-label="Result of the test"
      aria-live="polite"
      className={clsx(
        "rounded-md border p-3 text-sm",
        success ? "border-brand-line" : "border-danger bg-danger-surface",
      )}
    >
      <p className="font-medium">
        {success ? "The connection works" : "The connection fails"}
        <span className="ml-2 font-normal text-text-light">
          {duration(diagnosis.latency_ms)}
          {diagnosis.server_version ? `, server ${diagnosis.server_version}` : ""}
        </span>
      </p>
      {failed >= 0 ? (
        <ol className="mt-2 flex flex-wrap gap-x-4 gap-y-1.5">
          {stages.map((each, index) => {
            const state = index < failed ? "passed" : index === failed ? "failed" : "not reached";
            return (
              <li
                key={each}
                className={clsx(
                  "flex items-center gap-1.5 text-xs",
                  state === "passed" && "text-text-light",
                  state === "failed" && "font-medium text-danger",
                  state === "not reached" && "text-text-muted",
                )}
              >
                {state === "passed" ? <Check size={13} className="text-brand-text" aria-hidden /> : null}
                {state === "failed" ? <X size={13} aria-hidden /> : null}
                {state === "not reached" ? <Minus size={13} aria-hidden /> : null}
                {NAMES[each] ?? each}
                <span className="sr-only">: {state}</span>
              </li>
            );
          })}
        </ol>
      ) : null}
      {success ? null : (
        <>
          <p className="mt-2 break-words">{diagnosis.message}</p>
          {diagnosis.hint ? <p className="mt-1 break-words text-text-light">{diagnosis.hint}</p> : null}
        </>
      )}
    </section>
  );
}
