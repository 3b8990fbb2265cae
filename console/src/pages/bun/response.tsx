import { useMemo, useState } from "react";
import { saveBlob } from "@/lib/download";
import { bytes, duration } from "@/lib/format";
import { hexDump } from "@/lib/hex";
import { layOut } from "@/lib/json";
import { Badge, Button, Code, Tabs } from "@/ui";
import type { Answer } from "./send";

const TEXT =
  /^(?:text\/|application\/(?:[a-z0-9.+-]*\+)?(?:json|xml|javascript|x-ndjson|x-www-form-urlencoded|yaml))/i;
const IMAGE = /^image\/(?:png|jpeg|gif|webp)/i;
const HEX_BYTES = 4096;

function tone(status: number): "good" | "info" | "warning" | "bad" {
  if (status >= 500) return "bad";
  if (status >= 400) return "warning";
  return status >= 300 ? "info" : "good";
}

/** What the API answered, as it came; a stream fills while it comes. */
export function Response({ answer }: { answer: Answer }) {
  const [tab, setTab] = useState("body");
  return (
    <section aria-label="Answer" className="flex min-h-80 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-3 px-4 py-2 text-sm" aria-live="polite">
        <Badge tone={tone(answer.status)}>
          {answer.status} {answer.statusText}
        </Badge>
        <span className="text-text-light">
          {duration(answer.answerMs)} to the headers, {duration(answer.totalMs)} in all
        </span>
        <span className="text-text-light">{bytes(answer.bytes)}</span>
        {answer.isOpen ? <Badge tone="info">still coming</Badge> : null}
        {answer.isCut ? (
          <Badge tone="warning">the first {bytes(answer.body.byteLength)} are shown</Badge>
        ) : null}
        <div className="flex-1" />
        {!answer.isOpen && !answer.isCut && answer.bytes > 0 ? (
          <Button
            kind="text"
            onClick={() => saveBlob(new Blob([answer.body as Uint8Array<ArrayBuffer>]), "answer")}
          >
            Save
          </Button>
        ) : null}
      </div>
      <Tabs
        label="Parts of the answer"
        className="flex-1"
        value={tab}
        onChange={setTab}
        tabs={[
          { value: "body", label: "Body", content: <Body answer={answer} /> },
          {
            value: "headers",
            label: `Headers (${answer.headers.length})`,
            content: <Headers answer={answer} />,
          },
        ]}
      />
    </section>
  );
}

function Body({ answer }: { answer: Answer }) {
  const isText = TEXT.test(answer.contentType) || answer.contentType === "";
  const text = useMemo(() => (isText ? pretty(answer) : ""), [answer, isText]);
  if (answer.bytes === 0) return <p className="p-4 text-sm text-text-light">No body.</p>;
  if (IMAGE.test(answer.contentType) && !answer.isOpen && !answer.isCut) {
    return <Picture answer={answer} />;
  }
  if (!isText) {
    return (
      <pre className="overflow-auto p-4 font-mono text-xs">{hexDump(answer.body.subarray(0, HEX_BYTES))}</pre>
    );
  }
  return (
    <Code
      label="Body of the answer"
      readOnly
      className="m-4 h-[calc(100%-2rem)] min-h-60"
      language={answer.contentType.includes("json") ? "json" : "text"}
      value={text}
    />
  );
}

function Picture({ answer }: { answer: Answer }) {
  const url = useMemo(() => {
    let binary = "";
    for (const byte of answer.body) binary += String.fromCharCode(byte);
    return `data:${answer.contentType.split(";")[0]};base64,${btoa(binary)}`;
  }, [answer]);
  return <img src={url} alt="What the API answered" className="m-4 max-h-96 max-w-full border" />;
}

function Headers({ answer }: { answer: Answer }) {
  return (
    <dl className="grid grid-cols-[16rem_1fr] gap-y-1 p-4 font-mono text-xs">
      {answer.headers.map((header) => (
        <div key={`${header.name} ${header.value}`} className="contents">
          <dt className="text-text-light">{header.name}</dt>
          <dd className="break-all">{header.value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** JSON is laid out anew, exactly; everything else stays as it is. */
function pretty(answer: Answer): string {
  const text = new TextDecoder().decode(answer.body);
  return answer.contentType.includes("json") && !answer.isOpen && !answer.isCut ? layOut(text) : text;
}
