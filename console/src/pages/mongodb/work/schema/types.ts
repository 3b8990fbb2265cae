/** How types and shares of a schema are shown. */

const COLOURS: Readonly<Record<string, `--${string}`>> = {
  string: "--brand",
  int: "--info",
  long: "--info",
  double: "--info",
  decimal: "--info",
  date: "--warning",
  timestamp: "--warning",
  objectId: "--text-muted",
  bool: "--brand-line",
  null: "--danger",
  object: "--line-strong",
  array: "--text-light",
};

/** The theme's colour for a type, as `$type` names it. */
export function colourOf(type: string): `--${string}` {
  return COLOURS[type] ?? "--text-muted";
}

/** `12 %`; what is there at all is never shown as none, and what lacks something never as all. */
export function percent(share: number): string {
  if (share <= 0) return "0 %";
  if (share >= 1) return "100 %";
  const whole = share * 100;
  if (whole < 1) return "< 1 %";
  return whole > 99 ? "> 99 %" : `${Math.round(whole)} %`;
}
