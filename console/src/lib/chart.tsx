/** A line chart over time; loaded when the first one is shown. */

import { useEffect, useRef } from "react";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";

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
        ...(from === undefined
          ? {}
          : { scales: { x: { range: () => [from, Date.now() / 1000] as [number, number] } } }),
        axes: [axis, { ...axis, size: 64, values: (_, values) => values.map((value) => format(value)) }],
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
