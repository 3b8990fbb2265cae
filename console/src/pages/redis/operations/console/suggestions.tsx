import { clsx } from "clsx";
import { useEffect, useRef } from "react";
import { type Known, refusal } from "./commands";

/** The commands that what is typed may become, above the field. */
export function Suggestions({
  id,
  offered,
  at,
  role,
  onChoose,
}: {
  id: string;
  offered: readonly Known[];
  at: number;
  role: string | undefined;
  onChoose: (name: string) => void;
}) {
  const list = useRef<HTMLDivElement>(null);
  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);
  return (
    <div
      ref={list}
      id={`${id}-list`}
      role="listbox"
      aria-label="Commands"
      className={clsx(
        "absolute bottom-full left-3 mb-1 max-h-64 w-[min(44rem,calc(100%-1.5rem))] overflow-y-auto rounded-md",
        "border border-line-strong bg-overlay p-1 text-xs shadow-xl",
        offered.length === 0 && "hidden",
      )}
    >
      {offered.map(({ name, description }, index) => {
        const why = refusal(description, role);
        return (
          // biome-ignore lint/a11y/useKeyWithClickEvents: the field has the keys
          <div
            key={name}
            id={`${id}-${index}`}
            role="option"
            tabIndex={-1}
            aria-selected={index === at}
            // The field keeps the focus.
            onMouseDown={(event) => event.preventDefault()}
            onClick={() => onChoose(name)}
            className={clsx("flex gap-3 rounded px-2 py-1", index === at && "bg-surface-300")}
          >
            <span
              className={clsx("w-44 shrink-0 font-mono", why ? "text-text-muted line-through" : "text-text")}
            >
              {name}
            </span>
            <span className="min-w-0 flex-1 truncate text-text-light">{why || description.summary}</span>
            <span className="text-text-muted">{description.group}</span>
          </div>
        );
      })}
    </div>
  );
}
