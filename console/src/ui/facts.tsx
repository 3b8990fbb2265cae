import { clsx } from "clsx";
import { Fragment, type ReactNode } from "react";

/** Names with what they are, one a line; `–` for what is empty. */
export function Facts({
  facts,
  className = "grid-cols-[9rem_1fr] gap-y-1.5 text-sm",
}: {
  facts: readonly (readonly [name: string, value: ReactNode])[];
  /** Tracks and distances; text as small as beside it. */
  className?: string;
}) {
  return (
    <dl className={clsx("grid", className)}>
      {facts.map(([name, value]) => (
        <Fragment key={name}>
          <dt className="text-text-light">{name}</dt>
          <dd className="break-all">{value === "" ? "–" : value}</dd>
        </Fragment>
      ))}
    </dl>
  );
}
