import { clsx } from "clsx";
import { ChevronRight, Pencil, Trash2 } from "lucide-react";
import { children, get, isContainer, type Node, type Path, typeOf } from "@/lib/ejson";
import { IconButton } from "@/ui";
import { TypeMark, Value } from "./value";
import { mayEditInPlace, ValueEditor } from "./value-editor";

/** Fields of a document, and items of an array, that are shown at first. */
const SHOWN = 25;
const SHOWN_MORE = 500;

/** What is open and being edited in the documents of a page; keys are places: `3/1.0`. */
export interface FieldsState {
  open: ReadonlySet<string>;
  editing: string | undefined;
  toggle: (key: string) => void;
  edit: (key: string | undefined) => void;
}

/** What is in a value, a line each. */
export function Fields({
  node,
  before,
  prefix,
  path = [],
  state,
  onChange,
}: {
  node: Node;
  /** The value as the server has it, to mark what differs. */
  before: Node | undefined;
  /** Of the document, for `state`. */
  prefix: string;
  path?: Path;
  state: FieldsState;
  /** Replaces the value at a path, or takes it away; undefined where nothing may be changed. */
  onChange?: ((path: Path, value: Node | undefined) => void) | undefined;
}) {
  const members =
    node.kind === "object"
      ? node.members
      : node.kind === "array"
        ? node.items.map((value, index) => ({ name: String(index), value }))
        : [];
  const key = `${prefix}/${path.join(".")}`;
  const all = state.open.has(`${key}+`);
  const shown = members.slice(0, all ? SHOWN_MORE : SHOWN);
  const left = members.length - shown.length;
  return (
    <div className={clsx(path.length > 0 && "ml-2 border-l pl-2.5")}>
      {shown.map(({ name, value }, index) => (
        <Field
          // biome-ignore lint/suspicious/noArrayIndexKey: names may come twice, places do not
          key={index}
          name={name}
          isItem={node.kind === "array"}
          value={value}
          before={childOf(before, name, index, value)}
          prefix={prefix}
          path={[...path, index]}
          state={state}
          onChange={path.length === 0 && name === "_id" ? undefined : onChange}
        />
      ))}
      {left > 0 ? (
        <button
          type="button"
          className="py-0.5 pl-5 text-xs text-brand-text hover:underline disabled:text-text-muted disabled:no-underline"
          disabled={all}
          onClick={() => state.toggle(`${key}+`)}
        >
          {all ? `${left} more; the editor shows all` : `Show ${Math.min(left, SHOWN_MORE)} more`}
        </button>
      ) : null}
    </div>
  );
}

/** What was in the place of a value: the value itself where it only moved, as when one before it was taken out. */
function childOf(before: Node | undefined, name: string, index: number, value: Node): Node | undefined {
  if (!before) return undefined;
  const all = children(before);
  if (all.includes(value)) return value;
  return before.kind === "object" ? get(before, name) : all[index];
}

function Field({
  name,
  isItem,
  value,
  before,
  prefix,
  path,
  state,
  onChange,
}: {
  name: string;
  isItem: boolean;
  value: Node;
  before: Node | undefined;
  prefix: string;
  path: Path;
  state: FieldsState;
  onChange?: ((path: Path, value: Node | undefined) => void) | undefined;
}) {
  const key = `${prefix}/${path.join(".")}`;
  const type = typeOf(value);
  const container = isContainer(value);
  const open = container && state.open.has(key);
  const editable = onChange !== undefined && mayEditInPlace(value);
  const changed = before !== undefined && before !== value && !container;
  return (
    <>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: a shortcut; the button beside the value does the same */}
      <div
        className={clsx(
          "group/field flex min-h-[22px] items-start gap-1 rounded px-0.5 hover:bg-surface-200",
          changed && "bg-warning-surface",
        )}
        onDoubleClick={editable && state.editing !== key ? () => state.edit(key) : undefined}
      >
        {container ? (
          <button
            type="button"
            aria-expanded={open}
            aria-label={`${open ? "Close" : "Open"} ${name}`}
            className="mt-1 shrink-0 text-text-muted hover:text-text"
            onClick={() => state.toggle(key)}
          >
            <ChevronRight size={13} className={open ? "rotate-90" : ""} aria-hidden />
          </button>
        ) : (
          <span className="w-[13px] shrink-0" />
        )}
        <span
          className={clsx(
            "mt-0.5 max-w-64 shrink-0 truncate font-mono text-xs",
            isItem ? "text-text-muted" : "text-text-light",
          )}
          title={name}
        >
          {name === "" ? '""' : name}:
        </span>
        {state.editing === key && onChange ? (
          <ValueEditor
            label={name}
            node={value}
            onCancel={() => state.edit(undefined)}
            onDone={(next) => {
              onChange(path, next);
              state.edit(undefined);
            }}
          />
        ) : (
          <>
            <Value node={value} className="mt-0.5 min-w-0 break-all whitespace-pre-wrap" />
            <span className="ml-1 shrink-0">
              <TypeMark type={type} />
            </span>
            {onChange ? (
              <span className="flex h-5 shrink-0 opacity-0 group-hover/field:opacity-100 focus-within:opacity-100">
                {editable ? (
                  <IconButton label={`Edit ${name}`} className="!h-5 !px-1" onClick={() => state.edit(key)}>
                    <Pencil size={11} aria-hidden />
                  </IconButton>
                ) : null}
                <IconButton
                  label={`Remove ${name}`}
                  className="!h-5 !px-1"
                  onClick={() => onChange(path, undefined)}
                >
                  <Trash2 size={11} aria-hidden />
                </IconButton>
              </span>
            ) : null}
          </>
        )}
      </div>
      {open ? (
        <Fields node={value} before={before} prefix={prefix} path={path} state={state} onChange={onChange} />
      ) : null}
    </>
  );
}
