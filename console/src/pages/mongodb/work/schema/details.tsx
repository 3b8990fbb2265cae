import type { MongoSchemaField, MongoSchemaType } from "@studio-databases/client/react";
import { parse } from "@/lib/ejson";
import { count, moment } from "@/lib/format";
import { Badge } from "@/ui";
import { line } from "../exact";
import { Figure } from "../parts";
import { Histogram } from "./histogram";
import { percent } from "./types";

const TIMES = new Set(["date", "objectId"]);
const LENGTHS: Readonly<Record<string, string>> = {
  string: "characters",
  binData: "bytes",
  array: "items",
  object: "fields",
};

/** A field: how often it is there, and of each type the values. */
export function FieldDetails({ field }: { field: MongoSchemaField }) {
  return (
    <article aria-label={field.path} className="flex max-w-3xl flex-col gap-5">
      <header>
        <h2 className="font-mono text-sm font-medium break-all">{field.path}</h2>
        <p className="mt-1 text-sm text-text-light">
          {field.items
            ? `Items of arrays: ${count(field.count)}.`
            : `In ${count(field.count)} of ${count(field.parents)} ${field.names.length > 1 ? "documents around it" : "documents"}; ${count(field.missing)} lack it.`}
          {field.repeated > 0 ? ` ${count(field.repeated)} have it more than once.` : ""}
        </p>
      </header>
      {field.types.map((type) => (
        <TypeDetails key={type.type} type={type} />
      ))}
    </article>
  );
}

function TypeDetails({ type }: { type: MongoSchemaType }) {
  const show = TIMES.has(type.type) ? moment : number;
  const unit = LENGTHS[type.type] ?? "";
  const most = Math.max(1, ...type.values.map((each) => each.count));
  return (
    <section aria-label={type.type} className="rounded-md border bg-surface-100">
      <h3 className="flex items-center gap-2 border-b px-4 py-2 text-sm">
        <Badge>{type.type}</Badge>
        <span>{percent(type.share)}</span>
        <span className="text-text-light">
          {count(type.count)} {type.count === 1 ? "value" : "values"}
          {type.distinct > 0
            ? `, ${type.distinct_truncated ? "over " : ""}${count(type.distinct)} different`
            : ""}
        </span>
      </h3>
      <div className="flex flex-col gap-4 p-4">
        {type.range ? (
          <dl className="grid grid-cols-3 gap-3">
            <Figure name={TIMES.has(type.type) ? "Earliest" : "Smallest"}>{show(type.range.min)}</Figure>
            <Figure name={TIMES.has(type.type) ? "Latest" : "Largest"}>{show(type.range.max)}</Figure>
            <Figure name="Mean">{show(type.range.mean)}</Figure>
          </dl>
        ) : null}
        {type.lengths ? (
          <dl className="grid grid-cols-3 gap-3">
            <Figure name={`Fewest ${unit}`}>{number(type.lengths.min)}</Figure>
            <Figure name={`Most ${unit}`}>{number(type.lengths.max)}</Figure>
            <Figure name={`Mean ${unit}`}>{number(type.lengths.mean)}</Figure>
          </dl>
        ) : null}
        {type.histogram.length > 1 ? (
          <Histogram buckets={type.histogram} end={type.range?.max} format={show} label={type.type} />
        ) : null}
        {type.geo ? (
          <p className="text-sm text-text-light">
            {count(type.geo.count)} points between longitude {type.geo.min_longitude} and{" "}
            {type.geo.max_longitude}, latitude {type.geo.min_latitude} and {type.geo.max_latitude}.
          </p>
        ) : null}
        {type.values.length > 0 ? (
          <table className="w-full text-sm">
            <caption className="mb-1 text-left text-xs text-text-light">Most frequent values</caption>
            <tbody>
              {type.values.map((each) => (
                <tr key={each.value}>
                  <th scope="row" className="max-w-0 truncate py-0.5 text-left font-mono text-xs font-normal">
                    {plain(each.value)}
                  </th>
                  <td className="w-32 px-2">
                    <div aria-hidden className="h-2 rounded bg-surface-300">
                      <div
                        className="h-full rounded bg-brand-line"
                        style={{ width: `${(each.count / most) * 100}%` }}
                      />
                    </div>
                  </td>
                  <td className="w-28 text-right text-xs tabular-nums">
                    {count(each.count)} ({percent(each.count / type.count)})
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        ) : null}
      </div>
    </section>
  );
}

function plain(value: string): string {
  try {
    return line(parse(value));
  } catch {
    return value;
  }
}

function number(value: number): string {
  return value.toLocaleString("en", { maximumFractionDigits: 2 });
}
