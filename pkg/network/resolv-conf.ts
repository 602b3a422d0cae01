/** The file `resolv.conf`: read, and what it means for a name that is asked for. Pure. Source: resolv.conf(5); kubelet `parseResolvConf`. */

/** What such a file says. */
export interface ResolvConf {
  /** As they are written. */
  readonly servers: readonly string[];
  readonly searches: readonly string[];
  /** Such as `ndots:5`, each once. */
  readonly options: readonly string[];
}

/** Names with as many dots are tried as they are first, where the options do not say it. */
export const ndotsDefault = 1;

/** Lines that say nothing of names are passed over. */
export function readResolvConf(text: string): ResolvConf {
  const servers: string[] = [];
  let searches: readonly string[] = [];
  const options = new Set<string>();
  for (const line of text.split('\n')) {
    const [keyword, ...values] = line.trim().split(/\s+/);
    const [first] = values;
    if (keyword === 'nameserver' && first !== undefined) servers.push(first);
    // Of several lines the last one counts.
    else if (keyword === 'search') searches = values.map((value) => (value === '.' ? value : value.replace(/\.$/, '')));
    else if (keyword === 'options') for (const value of values) options.add(value);
  }
  return { servers, searches, options: [...options] };
}

/** The number that an option such as `ndots` says: the last one of its name, where it is a whole number; else the fallback. */
export function numberOption(options: readonly string[], name: string, fallback: number): number {
  const found = options.findLast((one) => one.startsWith(`${name}:`));
  const value = Number(found?.slice(name.length + 1) ?? fallback);
  return Number.isInteger(value) && value >= 0 ? value : fallback;
}

/** The whole names under which a name is looked for, in order. One that ends with a dot is whole already. */
export function searchedNames(
  name: string,
  { searches, ndots }: { readonly searches: readonly string[]; readonly ndots: number },
): readonly string[] {
  if (name.endsWith('.')) return [name.slice(0, -1)];
  const longer = searches.map((domain) => `${name}.${domain}`);
  return name.split('.').length > ndots ? [name, ...longer] : [...longer, name];
}
