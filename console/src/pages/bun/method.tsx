import { clsx } from "clsx";

const COLOURS: Readonly<Record<string, string>> = {
  GET: "text-brand-text",
  HEAD: "text-brand-text",
  POST: "text-info",
  PUT: "text-warning",
  PATCH: "text-warning",
  DELETE: "text-danger",
};

/** An HTTP method, coloured by what it does. */
export function Method({ method }: { method: string }) {
  return (
    <span
      className={clsx(
        "w-12 shrink-0 font-mono text-[11px] font-semibold",
        COLOURS[method] ?? "text-text-light",
      )}
    >
      {method}
    </span>
  );
}
