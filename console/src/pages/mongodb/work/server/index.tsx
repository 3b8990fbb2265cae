/** A server: how it is doing, where its time goes, and what it says. */

import { useMay } from "@studio-databases/client/react";
import { Parts, Toolbar } from "../parts";
import type { WorkProps } from "../types";
import { Log } from "./log";
import { Overview } from "./overview";
import { Top } from "./top";

const OVERVIEW = ["", "Overview"] as const;
const TOP = ["top", "Collections"] as const;
const LOG = ["log", "Log"] as const;

export function Server({ databaseId, part, onPart }: WorkProps) {
  const may = useMay(databaseId);
  const shown = may("mongodb.server.log") ? [OVERVIEW, TOP, LOG] : [OVERVIEW, TOP];
  const parts = <Parts label="What of the server" parts={shown} chosen={part} onChoose={onPart} />;
  if (part === "log") return <Log databaseId={databaseId} parts={parts} />;
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Toolbar>{parts}</Toolbar>
      {part === "top" ? <Top databaseId={databaseId} /> : <Overview databaseId={databaseId} />}
    </div>
  );
}
