import { ApiError } from "@studio-databases/client";
import { type MongoNamespace, useMongoDocument } from "@studio-databases/client/react";
import { useMemo } from "react";
import { merge, type Node, parse } from "@/lib/ejson";
import { Button, Failure, Loading } from "@/ui";
import { Diff } from "./diff";
import { readDocument } from "./page";

/** Somebody else changed the document meanwhile: what they did, and how to go on. */
export function Conflict({
  databaseId,
  of,
  id,
  base,
  mine,
  told,
  onTheirs,
  onMine,
}: {
  databaseId: string;
  of: MongoNamespace;
  id: string | undefined;
  /** As it was read. */
  base: Node;
  /** As it was to be saved. */
  mine: Node;
  /** As it is, where the server told so. */
  told: string | undefined;
  onTheirs: (current: Node) => void;
  /** Goes on from `current` with a change of it. */
  onMine: (current: Node, change: Node) => void;
}) {
  const known = useMemo(() => (told === undefined ? undefined : parse(told)), [told]);
  const asked = useMongoDocument(databaseId, of, known ? undefined : id, readDocument);
  const current = known ?? asked.data;
  const both = useMemo(() => current && merge(base, mine, current), [base, mine, current]);
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
      <div className="flex flex-wrap gap-2">
        {both ? (
          <Button kind="primary" onClick={() => onMine(current, both)}>
            Put my changes on top of it
          </Button>
        ) : null}
        <Button onClick={() => onTheirs(current)}>Start over from it</Button>
        <Button kind="danger" onClick={() => onMine(current, mine)}>
          Replace it by mine
        </Button>
      </div>
      <p className="text-xs text-text-light">
        {both
          ? "You changed other fields, so both can stand."
          : "You both changed the same: the text can be put right before it is saved."}{" "}
        What will be saved is shown first.
      </p>
    </section>
  );
}
