import {
  type BunRoute,
  bunRouteName,
  type Database,
  useBunRoute,
  useClient,
  useMayChange,
} from "@studio-databases/client/react";
import { Plus, Send, Square, Trash2 } from "lucide-react";
import { type FormEvent, useCallback, useEffect, useRef, useState } from "react";
import { Button, Code, Empty, Failure, IconButton, Input, Loading, Select } from "@/ui";
import { Parameters } from "./parameters";
import { Response } from "./response";
import { Routes } from "./routes";
import { type Answer, type Draft, type Header, send } from "./send";

const READING = ["GET", "HEAD", "OPTIONS"];
const CHANGING = ["POST", "PUT", "PATCH", "DELETE"];

/** The request builder: a route from the list, or whatever one types. */
export function Requests({
  database,
  chosen,
  onChoose,
}: {
  database: Database;
  /** The name of a route, as it stands in the address; empty for none. */
  chosen: string;
  onChoose: (name: string) => void;
}) {
  const client = useClient();
  const mayChange = useMayChange(database.id);
  const [route, setRoute] = useState<BunRoute>();
  const [draft, setDraft] = useState<Draft>({ method: "GET", path: "/", headers: [], body: "" });
  const [answer, setAnswer] = useState<Answer>();
  const [error, setError] = useState<unknown>();
  const [running, setRunning] = useState(false);
  const control = useRef<AbortController>(null);
  useEffect(() => () => control.current?.abort(), []);

  const methods = mayChange ? [...READING, ...CHANGING] : READING;
  const takesBody = !["GET", "HEAD"].includes(draft.method);

  const fill = useCallback((next: BunRoute) => {
    const type = next.request_content_types[0];
    setRoute(next);
    setAnswer(undefined);
    setError(undefined);
    setDraft({
      method: next.method,
      path: next.proxy_path || next.path,
      headers: type ? [{ name: "content-type", value: type }] : [],
      body: type?.includes("json") ? "{}" : "",
    });
  }, []);

  const named = useBunRoute(database.id, chosen, route);
  const filled = useRef("");
  useEffect(() => {
    // Once for each: what was typed since then stays.
    if (!named.data || filled.current === chosen) return;
    filled.current = chosen;
    fill(named.data);
  }, [named.data, chosen, fill]);

  function choose(next: BunRoute) {
    filled.current = bunRouteName(next);
    fill(next);
    onChoose(filled.current);
  }

  async function run(event?: FormEvent) {
    event?.preventDefault();
    if (!methods.includes(draft.method)) return;
    const started = new AbortController();
    control.current?.abort();
    control.current = started;
    setRunning(true);
    setError(undefined);
    setAnswer(undefined);
    try {
      await send(client, database.id, draft, started.signal, setAnswer);
    } catch (failure) {
      if (!started.signal.aborted) setError(failure);
    } finally {
      if (control.current === started) setRunning(false);
    }
  }

  function setHeader(index: number, change: Partial<Header> | null) {
    const headers = draft.headers.flatMap((each, at) => {
      if (at !== index) return [each];
      return change ? [{ ...each, ...change }] : [];
    });
    setDraft({ ...draft, headers });
  }

  return (
    <div className="flex min-h-0 flex-1">
      <Routes databaseId={database.id} chosen={route} onChoose={choose} />
      <div className="flex min-w-0 flex-1 flex-col overflow-y-auto">
        <form onSubmit={run} className="flex flex-col gap-3 border-b p-4">
          <div className="flex gap-2">
            <Select
              aria-label="Method"
              className="!w-28 font-mono"
              value={draft.method}
              onChange={(event) => setDraft({ ...draft, method: event.target.value })}
            >
              {[...new Set([...methods, draft.method])].map((method) => (
                <option key={method}>{method}</option>
              ))}
            </Select>
            <Input
              aria-label="Path and query, below the API's base path"
              className="font-mono !text-xs"
              spellCheck={false}
              value={draft.path}
              onChange={(event) => setDraft({ ...draft, path: event.target.value })}
            />
            {running ? (
              <Button
                size="small"
                icon={<Square size={13} aria-hidden />}
                onClick={() => control.current?.abort()}
              >
                Stop
              </Button>
            ) : null}
            {!running && methods.includes(draft.method) ? (
              <Button type="submit" size="small" kind="primary" icon={<Send size={13} aria-hidden />}>
                Send
              </Button>
            ) : null}
          </div>
          {methods.includes(draft.method) ? null : (
            <p className="text-sm text-text-light">You may only read from this API.</p>
          )}
          {route ? (
            <Parameters
              key={`${route.method} ${route.path}`}
              route={route}
              onPath={(path) => setDraft((now) => ({ ...now, path }))}
            />
          ) : null}
          <fieldset className="flex flex-col gap-1.5">
            <legend className="mb-1 text-xs text-text-light">Headers</legend>
            {draft.headers.map((header, index) => (
              // biome-ignore lint/suspicious/noArrayIndexKey: a header has no other identity while it is typed
              <div key={index} className="flex gap-2">
                <Input
                  aria-label={`Name of header ${index + 1}`}
                  className="!h-8 !w-56 font-mono !text-xs"
                  spellCheck={false}
                  value={header.name}
                  onChange={(event) => setHeader(index, { name: event.target.value })}
                />
                <Input
                  aria-label={`Value of header ${index + 1}`}
                  className="!h-8 font-mono !text-xs"
                  spellCheck={false}
                  value={header.value}
                  onChange={(event) => setHeader(index, { value: event.target.value })}
                />
                <IconButton label={`Remove header ${index + 1}`} onClick={() => setHeader(index, null)}>
                  <Trash2 size={13} aria-hidden />
                </IconButton>
              </div>
            ))}
            <div>
              <Button
                kind="text"
                icon={<Plus size={13} aria-hidden />}
                onClick={() => setDraft({ ...draft, headers: [...draft.headers, { name: "", value: "" }] })}
              >
                Header
              </Button>
              <span className="ml-2 text-xs text-text-muted">The stored key is added by the server.</span>
            </div>
          </fieldset>
          {takesBody ? (
            <Code
              label="Body"
              className="h-40"
              language={draft.headers.some((each) => each.value.includes("json")) ? "json" : "text"}
              value={draft.body}
              onChange={(body) => setDraft((now) => ({ ...now, body }))}
              onSubmit={run}
            />
          ) : null}
        </form>
        {error ? <Failure className="m-4" error={error} /> : null}
        {answer ? <Response answer={answer} /> : null}
        {running && !answer ? <Loading>Waiting for the API…</Loading> : null}
        {answer || error || running ? null : (
          <Empty title="What the API answers shows here.">Choose a route, or write a path.</Empty>
        )}
      </div>
    </div>
  );
}
