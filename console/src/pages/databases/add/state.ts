/** What the form holds: the connection string is the truth, its parts are another view of it. */

import type { CreateDatabase, TestConnection } from "@studio-databases/client/react";
import { useState } from "react";
import { EMPTY, format, type Parts, parse } from "@/lib/connection";
import type { EngineType } from "@/lib/engines";

export interface Draft {
  type: EngineType;
  projectRef: string;
  name: string;
  description: string;
  connection: string;
  readOnly: boolean;
  production: boolean;
}

const NAME = /^[a-z0-9-]{1,63}$/;

export interface DraftState {
  draft: Draft;
  /** The parts of the connection string, or a sentence why there are none. */
  parts: Parts | string;
  set: (change: Partial<Draft>) => void;
  setPart: (change: Partial<Parts>) => void;
  /** What is wrong, by field; empty texts are wrong only once they were left. */
  problems: { name: string | undefined; connection: string | undefined; projectRef: string | undefined };
  isComplete: boolean;
}

export function useDraft(first: Draft): DraftState {
  const [draft, setDraft] = useState(first);
  const parts = draft.connection ? parse(draft.type, draft.connection) : EMPTY;
  const problems = {
    name:
      !draft.name || NAME.test(draft.name)
        ? undefined
        : "Lower-case letters, digits and hyphens, at most 63 of them.",
    connection: draft.connection && typeof parts === "string" ? parts : undefined,
    projectRef: undefined,
  };
  return {
    draft,
    parts,
    problems,
    set: (change) => setDraft((before) => ({ ...before, ...change })),
    setPart: (change) => {
      const before = typeof parts === "string" ? EMPTY : parts;
      const scheme = /^([a-z0-9+]+):\/\//i.exec(draft.connection)?.[1];
      setDraft((now) => ({ ...now, connection: format(now.type, { ...before, ...change }, scheme) }));
    },
    isComplete: NAME.test(draft.name) && draft.connection !== "" && draft.projectRef !== "",
  };
}

function config(draft: Draft): Record<string, unknown> {
  return {
    ...(draft.readOnly ? { read_only: true } : {}),
    ...(draft.production ? { production: true } : {}),
  };
}

/** The request that registers it. */
export function toCreate(draft: Draft, skipTest: boolean, requestId: string): CreateDatabase {
  return {
    project_ref: draft.projectRef,
    name: draft.name,
    type: draft.type,
    connection_string: draft.connection.trim(),
    description: draft.description,
    config: config(draft),
    skip_test: skipTest,
    request_id: requestId,
  };
}

/** The request that tests it. */
export function toTest(draft: Draft): TestConnection {
  return { type: draft.type, connection_string: draft.connection.trim(), config: config(draft) };
}
