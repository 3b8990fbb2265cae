import { type PgRow, SqlError, useMayChange, useRunSql } from "@studio-databases/client/react";
import { Play, Square } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { count, duration } from "@/lib/format";
import { Button, Code, Empty, Failure, Menu } from "@/ui";
import { Results } from "./results";

const HISTORY = 50;

/** SQL: run what is written, see its rows or where it is wrong. What was run stays in this page's memory alone. */
export function Sql({ databaseId }: { databaseId: string }) {
  const [query, setQuery] = useState("");
  const [history, setHistory] = useState<readonly string[]>([]);
  const run = useRunSql(databaseId);
  const mayChange = useMayChange(databaseId);
  const control = useRef<AbortController>(null);
  useEffect(() => () => control.current?.abort(), []);

  function start() {
    const statement = query.trim();
    if (!statement || run.isPending) return;
    control.current = new AbortController();
    setHistory((before) => [statement, ...before.filter((each) => each !== statement)].slice(0, HISTORY));
    run.mutate({ query: statement, signal: control.current.signal });
  }

  const aborted = control.current?.signal.aborted ?? false;
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <Code
        label="SQL"
        language="sql"
        className="m-3 h-44 shrink-0"
        placeholder="SELECT …"
        value={query}
        onChange={setQuery}
        onSubmit={start}
      />
      <div className="flex items-center gap-3 border-b px-3 pb-3">
        {run.isPending ? (
          <Button icon={<Square size={13} aria-hidden />} onClick={() => control.current?.abort()}>
            Stop waiting
          </Button>
        ) : (
          <Button
            kind="primary"
            icon={<Play size={13} aria-hidden />}
            disabled={!query.trim()}
            onClick={start}
          >
            Run
          </Button>
        )}
        <span className="text-xs text-text-muted">Ctrl+Enter</span>
        {mayChange ? null : (
          <span className="text-xs text-text-light">You may run one statement that reads.</span>
        )}
        <div className="flex-1" />
        {history.length > 0 ? (
          <Menu
            trigger={<Button kind="text">History</Button>}
            items={history.map((each) => ({
              label: <span className="block max-w-96 truncate font-mono text-xs">{each}</span>,
              onSelect: () => setQuery(each),
            }))}
          />
        ) : null}
      </div>
      {run.error && !aborted ? <SqlFailure error={run.error} query={query} /> : null}
      {run.data ? <Answer rows={run.data.rows} ms={run.data.ms} /> : null}
      {run.isIdle ? <Empty title="What the statement gives shows here." /> : null}
    </div>
  );
}

function Answer({ rows, ms }: { rows: readonly PgRow[]; ms: number }) {
  return (
    <>
      <p className="px-3 py-1.5 text-xs text-text-light" role="status">
        {count(rows.length)} {rows.length === 1 ? "row" : "rows"} in {duration(ms)}
      </p>
      {rows.length > 0 ? <Results label="Rows" rows={rows} names={Object.keys(rows[0] ?? {})} /> : null}
    </>
  );
}

/** The failure, and the line it is about. */
function SqlFailure({ error, query }: { error: Error; query: string }) {
  const position = error instanceof SqlError ? error.position : 0;
  const before = query.slice(0, position);
  const line = before.split("\n").length;
  return (
    <div className="m-3 flex flex-col gap-2">
      <Failure error={error} />
      {position > 0 ? (
        <p className="font-mono text-xs text-text-light">
          line {line}: {query.split("\n")[line - 1]}
        </p>
      ) : null}
    </div>
  );
}
