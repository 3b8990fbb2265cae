/** The documents of a collection: a query, a page of what it finds, and what is done with them. */

import { ApiError } from "@studio-databases/client";
import {
  keys,
  type MongoNamespace,
  type MongoQuery,
  useMongoDocuments,
  useMongoFields,
  useMongoStats,
} from "@studio-databases/client/react";
import { useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useEffect, useRef, useState } from "react";
import { fieldsOf } from "@/lib/ejson";
import { Button, Empty, Failure, Loading } from "@/ui";
import type { MongoSearch, QueryText } from "../search";
import type { Fields } from "./complete";
import { Footer } from "./footer";
import { Header } from "./header";
import { Json } from "./json";
import { List } from "./list";
import { readPage } from "./page";
import { Panels, usePanels } from "./panels";
import { queryOf } from "./query";
import { QueryBar } from "./query-bar";
import { Table } from "./table";
import { Toolbar } from "./toolbar";
import { useHistory } from "./use-history";
import { nameOf } from "./value";

interface Props {
  databaseId: string;
  of: MongoNamespace;
  search: MongoSearch;
}

export function Documents(props: Props) {
  if (props.of.collection) return <Chosen {...props} />;
  return <Empty title="Choose a collection to see its documents." />;
}

function Chosen({ databaseId, of, search }: Props) {
  const navigate = useNavigate({ from: "/databases/$id/mongodb" });
  const { view, db, collection, layout = "list", ...text } = search;
  const { query, errors } = queryOf(of, text);
  const [typing, setTyping] = useState(false);
  const sampled = useMongoFields(databaseId, of, typing);
  const { data: stats, error: noStats } = useMongoStats(databaseId, of);
  const fields = useRef<Fields>(new Map());
  const history = useHistory(databaseId, of);

  function ask(next: QueryText) {
    navigate({
      search: (before: MongoSearch) => ({
        view: before.view,
        db: before.db,
        collection: before.collection,
        layout: before.layout,
        ...next,
      }),
    });
  }

  useEffect(() => {
    if (!sampled.data) return;
    const found = new Map(fields.current);
    for (const field of sampled.data) {
      // Items of arrays are named as the array is; what has dots in its name can't be asked for so.
      if (field.items || field.names.some((name) => name.includes("."))) continue;
      found.set(field.names.join("."), field.types.map((each) => each.type).join(", "));
    }
    fields.current = found;
  }, [sampled.data]);

  return (
    <section aria-label="Collection" className="flex min-h-0 flex-1 flex-col">
      <Header
        databaseId={databaseId}
        of={of}
        onChoose={(choice) => navigate({ search: { view, layout: search.layout, ...choice } })}
      />
      <QueryBar
        value={text}
        errors={errors}
        fields={() => fields.current}
        history={history}
        onFocus={() => setTyping(true)}
        onSubmit={ask}
      />
      {query ? (
        <Found
          key={JSON.stringify(query)}
          databaseId={databaseId}
          query={query}
          type={stats?.type ?? ""}
          missing={noStats instanceof ApiError && noStats.status === 404}
          layout={layout}
          fields={fields}
          onLayout={(next) => navigate({ search: (before: MongoSearch) => ({ ...before, layout: next }) })}
          onSize={(limit) => ask({ ...text, limit })}
        />
      ) : (
        <Empty title="The query can't be read; see below its field what is wrong." />
      )}
    </section>
  );
}

/** What a query finds. A new query begins at its first page. */
function Found({
  databaseId,
  query,
  type,
  missing,
  layout,
  fields,
  onLayout,
  onSize,
}: {
  databaseId: string;
  query: MongoQuery;
  type: string;
  /** There is no such collection. */
  missing: boolean;
  layout: NonNullable<MongoSearch["layout"]>;
  fields: { current: Fields };
  onLayout: (layout: NonNullable<MongoSearch["layout"]>) => void;
  onSize: (size: number) => void;
}) {
  // Tokens of the pages up to this one; the first has none.
  const [tokens, setTokens] = useState<readonly string[]>([""]);
  const found = useMongoDocuments(databaseId, query, tokens.at(-1) ?? "", readPage);
  const panels = usePanels(databaseId, query, type);
  const queries = useQueryClient();
  const stop = () =>
    queries.cancelQueries({
      queryKey: keys.engine("mongodb", databaseId, "documents", query.databaseName, query.collection, "page"),
    });
  const documents = found.data?.page.documents ?? [];
  const next = found.data?.page.next ?? "";

  useEffect(() => {
    if (!found.data) return;
    const names = fieldsOf(found.data.page.documents.slice(0, 100).map((each) => each.node));
    const known = new Map(fields.current);
    for (const [name, types] of names)
      if (!known.has(name)) known.set(name, [...types].map(nameOf).join(", "));
    fields.current = known;
  }, [found.data, fields]);

  return (
    <>
      <Toolbar
        layout={layout}
        busy={found.isFetching}
        onLayout={onLayout}
        onRefresh={() => found.refetch()}
        {...panels.toolbar}
      />
      {found.isPending ? (
        <Waiting stopped={found.fetchStatus === "idle"} onStop={stop} onRetry={() => found.refetch()} />
      ) : null}
      {found.isError ? (
        <div className="flex-1 p-4">
          <Failure error={found.error} onRetry={() => found.refetch()} />
        </div>
      ) : null}
      {found.isSuccess && documents.length === 0 ? (
        <div className="flex-1">
          <Empty
            title={
              missing
                ? "There is no collection of this name."
                : query.filter
                  ? "No document matches."
                  : "This collection has no documents."
            }
            action={
              !query.filter && panels.toolbar.onInsert ? (
                <Button kind="primary" onClick={panels.toolbar.onInsert}>
                  Insert the first
                </Button>
              ) : null
            }
          >
            {missing
              ? "It was dropped or renamed, or never was."
              : query.filter
                ? "Change the filter, or reset the query."
                : null}
          </Empty>
        </div>
      ) : null}
      {found.isSuccess && documents.length > 0 ? (
        layout === "table" ? (
          <Table documents={documents} actions={panels.actions} />
        ) : layout === "json" ? (
          <Json documents={documents} />
        ) : (
          <List documents={documents} actions={panels.actions} />
        )
      ) : null}
      <Footer
        databaseId={databaseId}
        query={query}
        page={tokens.length - 1}
        shown={documents.length}
        ms={found.data?.ms}
        hasNext={next !== ""}
        onPage={(page) => setTokens(page < tokens.length ? tokens.slice(0, page + 1) : [...tokens, next])}
        onSize={onSize}
      />
      <Panels databaseId={databaseId} query={query} panels={panels} fields={() => fields.current} />
    </>
  );
}

/** While the server works on the query; stopping closes its cursor. */
function Waiting({
  stopped,
  onStop,
  onRetry,
}: {
  stopped: boolean;
  onStop: () => void;
  onRetry: () => void;
}) {
  return (
    <div className="flex-1">
      {stopped ? (
        <Empty title="The query was stopped." action={<Button onClick={onRetry}>Find again</Button>} />
      ) : (
        <div className="flex items-center gap-2">
          <Loading>Finding documents…</Loading>
          <Button onClick={onStop}>Stop</Button>
        </div>
      )}
    </div>
  );
}
