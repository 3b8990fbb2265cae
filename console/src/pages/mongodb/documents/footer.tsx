import { type MongoQuery, useMongoCount } from "@studio-databases/client/react";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { useState } from "react";
import { count, duration } from "@/lib/format";
import { Button, IconButton, Select } from "@/ui";
import { PAGE_SIZES } from "./query";

/** Under the documents: the page, its size, and how many match. */
export function Footer({
  databaseId,
  query,
  page,
  shown,
  ms,
  hasNext,
  onPage,
  onSize,
}: {
  databaseId: string;
  query: MongoQuery;
  page: number;
  /** Documents of this page. */
  shown: number;
  ms: number | undefined;
  hasNext: boolean;
  onPage: (page: number) => void;
  onSize: (size: number) => void;
}) {
  return (
    <footer className="flex h-10 shrink-0 items-center gap-3 border-t px-3 text-xs text-text-light">
      <IconButton label="Page before" disabled={page === 0} onClick={() => onPage(page - 1)}>
        <ChevronLeft size={14} aria-hidden />
      </IconButton>
      <span>Page {count(page + 1)}</span>
      <IconButton label="Next page" disabled={!hasNext} onClick={() => onPage(page + 1)}>
        <ChevronRight size={14} aria-hidden />
      </IconButton>
      <Select
        aria-label="Documents a page"
        className="!h-7 !w-36 !text-xs"
        value={query.limit}
        onChange={(event) => onSize(Number(event.target.value))}
      >
        {(PAGE_SIZES.includes(query.limit) ? PAGE_SIZES : [query.limit, ...PAGE_SIZES]).map((each) => (
          <option key={each} value={each}>
            {each} documents
          </option>
        ))}
      </Select>
      <span>{count(shown)} shown</span>
      <Count key={query.filter + query.collation + query.hint} databaseId={databaseId} query={query} />
      <span className="flex-1" />
      {ms === undefined ? null : <span className="text-text-muted">{duration(ms)}</span>}
    </footer>
  );
}

function Count({ databaseId, query }: { databaseId: string; query: MongoQuery }) {
  const [all, setAll] = useState(false);
  const { databaseName, collection, filter, collation, hint } = query;
  const found = useMongoCount(databaseId, { databaseName, collection, filter, collation, hint }, all);
  if (found.isPending) return <span>counting…</span>;
  if (found.isError) {
    return (
      <span title={found.error.message}>
        not counted: {found.error.message}{" "}
        <Button kind="text" onClick={() => found.refetch()}>
          Try again
        </Button>
      </span>
    );
  }
  const { precision } = found.data;
  const number = count(found.data.count);
  return (
    <span className="flex items-center gap-1">
      {precision === "estimated" ? (
        <span title="As the server's bookkeeping has it">of ~{number}</span>
      ) : (
        <span>
          of {precision === "at_least" ? "at least " : ""}
          {number}
        </span>
      )}
      {precision === "exact" ? null : (
        <Button kind="text" onClick={() => setAll(true)}>
          Count exactly
        </Button>
      )}
    </span>
  );
}
