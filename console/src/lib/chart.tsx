/** A line chart over time; loaded when the first one is shown. */

import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

const DAY_S = 86_400;

export interface Series {
  label: string;
  /** A colour of the theme: `--brand`. */
  colour: `--${string}`;
  /** One value a time; null for none. */
  values: readonly (number | null)[];
  /** Points instead of a line. */
  points?: boolean;
}

export interface ChartProps {
  /** Says what is drawn, and what it shows, to those who don't see it. */
  label: string;
  /** Seconds since 1970. */
  times: readonly number[];
  /** Where the axis of time begins; it ends now. Without it, it spans the times. */
  from?: number;
  series: readonly Series[];
  height?: number;
  format?: (value: number) => string;
}

/** A time on the axis, as exact as its steps, both in seconds; a day where one begins. */
function clock(time: number, step: number): string {
  const at = new Date(time * 1000);
  if (step >= DAY_S || (step >= 3600 && at.getHours() === 0)) {
    return at.toLocaleDateString(undefined, { month: "short", day: "numeric" });
  }
  const seconds = step < 60 ? ({ second: "2-digit" } as const) : {};
  return at.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", ...seconds, hour12: false });
}

/** Seconds that an axis spans where there is one time to show. */
const LEAST_S = 60;

function spanned(first: number | null, last: number | null, from: number | undefined): [number, number] {
  if (from !== undefined) return [from, Date.now() / 1000];
  const end = last ?? Date.now() / 1000;
  return [Math.min(first ?? end, end - LEAST_S), end];
}

export default function Chart({ label, times, from, series, height = 180, format = String }: ChartProps) {
  const host = useRef<HTMLDivElement>(null);

  useEffect(() => {
    const element = host.current;
    if (!element) return;
    const style = getComputedStyle(document.documentElement);
    const colour = (name: string) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--text-muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { stroke: colour("--line"), width: 1 },
    };
    const plot = new uPlot(
      {
        width: element.clientWidth,
        height,
        legend: { show: false },
        cursor: { y: false },
        scales: {
          x: { range: (_, first, last) => spanned(first, last, from) },
          // From zero on, or a change of a thousandth would look like a fall.
          y: { range: (_, __, most) => [0, most > 0 ? most * 1.1 : 10] as [number, number] },
        },
        axes: [
          {
            ...axis,
            space: 64,
            size: 30,
            values: (_, times, __, ___, step) => times.map((time) => clock(time, step)),
          },
          { ...axis, size: 64, values: (_, values) => values.map((value) => format(value)) },
        ],
        series: [
          {},
          ...series.map((each) => ({
            label: each.label,
            stroke: colour(each.colour),
            width: each.points ? 0 : 1.5,
            // A line through one value is a point.
            points: { show: each.points || times.length < 2, size: 5, fill: colour(each.colour) },
          })),
        ],
      },
      [times as number[], ...series.map((each) => each.values as (number | null)[])],
      element,
    );
    const observer = new ResizeObserver(() => plot.setSize({ width: element.clientWidth, height }));
    observer.observe(element);
    return () => {
      observer.disconnect();
      plot.destroy();
    };
  }, [times, from, series, height, format]);

  return <div ref={host} role="img" aria-label={label} className="w-full" style={{ height }} />;
}
