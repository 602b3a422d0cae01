/**
 * Reads the text that Prometheus reads, and says what is wrong with it: what `promtool check metrics` takes for an error, and what its readers assume
 * of histograms. Source: Prometheus' "text-based format".
 */

/** One family as the text has it. */
export interface ReadFamily {
  readonly name: string;
  readonly type: string;
  readonly samples: readonly ReadSample[];
}

/** One line. */
export interface ReadSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const line = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const label = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/g;

/** The families by name, and one sentence for each fault. */
export function readMetrics(text: string): {
  readonly families: ReadonlyMap<string, ReadFamily>;
  readonly faults: readonly string[];
} {
  const families = new Map<string, ReadFamily & { readonly samples: ReadSample[] }>();
  const faults: string[] = [];
  const helped = new Set<string>();
  const seen = new Set<string>();
  if (!text.endsWith('\n')) faults.push('the text does not end with a new line');
  for (const each of text.split('\n').filter((one) => one.trim() !== '')) {
    const comment = /^# (HELP|TYPE) (\S+) ?(.*)$/.exec(each);
    if (comment !== null) {
      const [, what = '', name = '', rest = ''] = comment;
      if (what === 'HELP') {
        if (helped.has(name)) faults.push(`${name} has two helps`);
        if (rest === '') faults.push(`${name} has an empty help`);
        helped.add(name);
      } else if (families.has(name)) faults.push(`${name} has two types`);
      else families.set(name, { name, type: rest, samples: [] });
      continue;
    }
    const read = line.exec(each);
    if (read === null) {
      faults.push(`no sample: ${each}`);
      continue;
    }
    const [, name = '', inside = '', value = ''] = read;
    const labels = Object.fromEntries([...inside.matchAll(label)].map(([, key = '', text = '']) => [key, text]));
    if (inside.replaceAll(label, '') !== '') faults.push(`labels that cannot be read: ${each}`);
    const series = `${name} ${JSON.stringify(Object.entries(labels).sort())}`;
    if (seen.has(series)) faults.push(`twice: ${series}`);
    seen.add(series);
    const family = families.get(name) ?? families.get(name.replace(/_(bucket|sum|count)$/, ''));
    if (family === undefined) faults.push(`${name} has no type`);
    else family.samples.push({ name, labels, value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value) });
  }
  for (const family of families.values()) {
    if (!helped.has(family.name)) faults.push(`${family.name} has no help`);
    if (family.type === 'histogram') faults.push(...histogramFaults(family));
    if (family.type === 'counter' && !family.name.endsWith('_total'))
      faults.push(`${family.name} is a counter without _total`);
  }
  return { families, faults };
}

function histogramFaults({ name, samples }: ReadFamily): readonly string[] {
  const groups = Map.groupBy(samples, ({ labels: { le: _, ...labels } }) => JSON.stringify(labels));
  return [...groups].flatMap(([labels, of]) => {
    const buckets = of.filter((sample) => sample.name === `${name}_bucket`).map(({ value }) => value);
    const count = of.find((sample) => sample.name === `${name}_count`)?.value;
    const isRising = buckets.every((value, at) => at === 0 || value >= (buckets[at - 1] ?? 0));
    const isWhole = of.some(({ labels: { le } }) => le === '+Inf') && buckets.at(-1) === count;
    return isRising && isWhole && of.some((sample) => sample.name === `${name}_sum`)
      ? []
      : [`${name} ${labels} is no histogram`];
  });
}
