import { clsx } from "clsx";
import { List, ListTree, Plus, RefreshCw, Search } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { Button, IconButton, Input, Select } from "@/ui";
import { useRedis } from "../context";
import { TYPES } from "../type-badge";

/** Which keys are listed, and how. */
export function KeysToolbar({
  pattern,
  type,
  layout,
  onFilter,
  onLayout,
  onRefresh,
  onAdd,
}: {
  pattern: string;
  type: string;
  layout: "list" | "tree";
  onFilter: (filter: { pattern?: string; type?: string }) => void;
  onLayout: (layout: "list" | "tree") => void;
  onRefresh: () => void;
  onAdd: () => void;
}) {
  const { may } = useRedis();
  const [text, setText] = useState(pattern);
  useEffect(() => setText(pattern), [pattern]);

  function submit(event: FormEvent) {
    event.preventDefault();
    onFilter({ pattern: text });
  }

  return (
    <form onSubmit={submit} role="search" aria-label="Keys" className="flex flex-col gap-2 border-b p-2">
      <div className="flex gap-1.5">
        <div className="relative min-w-0 flex-1">
          <Search
            size={13}
            className="pointer-events-none absolute top-1/2 left-2.5 -translate-y-1/2 text-text-muted"
            aria-hidden
          />
          <Input
            type="search"
            aria-label="Pattern of names"
            title="A glob: * any characters, ? one, [a-z] one of these; \ quotes. Without any of these the name contains it."
            placeholder={layout === "tree" ? "Search all keys" : "Search: user:* or part of a name"}
            className="!h-[30px] !pl-8 font-mono !text-xs"
            value={text}
            onChange={(event) => {
              setText(event.target.value);
              if (event.target.value === "") onFilter({ pattern: "" });
            }}
          />
        </div>
        <Button type="submit" className="!h-[30px]">
          Search
        </Button>
      </div>
      <div className="flex items-center gap-1.5">
        <Select
          aria-label="Type"
          className="!h-[26px] !w-32 !px-2 !text-xs"
          value={type}
          onChange={(event) => onFilter({ type: event.target.value })}
        >
          <option value="">All types</option>
          {Object.entries(TYPES).map(([value, kind]) => (
            <option key={value} value={value}>
              {kind.label}
            </option>
          ))}
          {type && !(type in TYPES) ? <option value={type}>{type}</option> : null}
        </Select>
        <fieldset className="flex rounded-md border border-line-strong">
          <legend className="sr-only">Layout</legend>
          <Layout label="As a list" isOn={layout === "list"} onChoose={() => onLayout("list")}>
            <List size={14} aria-hidden />
          </Layout>
          <Layout label="As a tree of namespaces" isOn={layout === "tree"} onChoose={() => onLayout("tree")}>
            <ListTree size={14} aria-hidden />
          </Layout>
        </fieldset>
        <div className="flex-1" />
        <IconButton label="List the keys anew" onClick={onRefresh}>
          <RefreshCw size={14} aria-hidden />
        </IconButton>
        {may("redis.key.set") ? (
          <Button kind="primary" icon={<Plus size={14} aria-hidden />} onClick={onAdd}>
            Add key
          </Button>
        ) : null}
      </div>
    </form>
  );
}

function Layout({
  label,
  isOn,
  onChoose,
  children,
}: {
  label: string;
  isOn: boolean;
  onChoose: () => void;
  children: React.ReactNode;
}) {
  return (
    <button
      type="button"
      aria-label={label}
      title={label}
      aria-pressed={isOn}
      onClick={onChoose}
      className={clsx(
        "flex h-6 w-7 items-center justify-center rounded",
        isOn ? "bg-surface-300 text-text" : "text-text-light hover:text-text",
      )}
    >
      {children}
    </button>
  );
}
