/** Numbers that may be given as a share of a whole. Source: API reference, `IntOrString`; upstream `intstr.GetScaledValueFromIntOrPercent`. */

/** The number itself, or that share of `total`, rounded by `round`; 0 for a text that is no percentage. */
export function scaled(value: number | string, total: number, round: (value: number) => number): number {
  if (typeof value === 'number') return value;
  const percent = Number.parseInt(value, 10);
  return Number.isNaN(percent) ? 0 : round((percent * total) / 100);
}
