import { ApiError } from "@studio-databases/client";
import { type MongoNamespace, useMongoDocument } from "@studio-databases/client/react";
import { useMemo } from "react";
import { type Node, parse } from "@/lib/ejson";
import { Button, Failure, Loading } from "@/ui";
import { Diff } from "./diff";
import { readDocument } from "./page";

/** Somebody else changed the document meanwhile: what they did, and how to go on. */
export function Conflict({
  databaseId,
  of,
  id,
  base,
  told,
  onTheirs,
  onMine,
}: {
  databaseId: string;
  of: MongoNamespace;
  id: string | undefined;
  /** As it was read. */
  base: Node;
  /** As it is, where the server told so. */
  told: string | undefined;
  onTheirs: (current: Node) => void;
  onMine: (current: Node) => void;
}) {
  const known = useMemo(() => (told === undefined ? undefined : parse(told)), [told]);
  const asked = useMongoDocument(databaseId, of, known ? undefined : id, readDocument);
  const current = known ?? asked.data;
  if (asked.isError) {
    const gone = asked.error instanceof ApiError && asked.error.status === 404;
    return <Failure error={gone ? "The document was deleted meanwhile." : asked.error} />;
  }
  if (!current) return <Loading>Reading what it is now…</Loading>;
  return (
    <section
      aria-label="Conflict"
      className="flex flex-col gap-2 rounded-md border border-warning bg-warning-surface p-3"
    >
      <p role="alert" className="text-sm">
        The document was changed since you opened it, so nothing was saved. This changed meanwhile:
      </p>
      <Diff before={base} after={current} />
      <div className="flex gap-2">
        <Button onClick={() => onTheirs(current)}>Start over from it</Button>
        <Button kind="danger" onClick={() => onMine(current)}>
          Compare mine with it
        </Button>
      </div>
      <p className="text-xs text-text-light">
        Saving after that replaces it by yours, unless it has changed once more.
      </p>
    </section>
  );
}
