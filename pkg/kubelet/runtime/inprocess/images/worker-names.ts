/**
 * Gives a program the names of its pod: what `/etc/hosts` of the container says, then the pod's name servers with its search list, as the C library of a
 * container asks them. Where no name server can be reached, names are what the machine says. Nothing is loaded before the first name is asked for.
 * Upstream's counterpart is a container's own `/etc/hosts` and `/etc/resolv.conf`. Source: resolv.conf(5), hosts(5).
 */
import dns, { type LookupAddress } from 'node:dns';
import fs from 'node:fs';
import { isIP } from 'node:net';
import { searchedNames } from '#pkg/network/resolv-conf.ts';
import type { ProgramDns } from '../program.ts';

/** Answers that say that a name is not there, or has nothing of the kind asked for. */
const absences: ReadonlySet<unknown> = new Set(['ENODATA', 'ENOTFOUND']);
/** Those of a server that is not there: the machine is asked then. */
const silences: ReadonlySet<unknown> = new Set(['ECONNREFUSED', 'ECANCELLED', 'ETIMEOUT']);

/** Changes the built-in modules; `syncBuiltinESMExports` is the caller's. */
export function mapNames(options: ProgramDns): void {
  const names = new Names(options);
  const machine: unknown = dns.lookup;
  const machinePromise: unknown = dns.promises.lookup;
  const lookup = (hostname: unknown, second: unknown, third: unknown): unknown => {
    if (!isName(hostname)) return call(machine, hostname, second, third);
    const [wanted, callback] = typeof second === 'function' ? [wishesIn(undefined), second] : [wishesIn(second), third];
    names.find(hostname, wanted.family).then(
      (found) => {
        if (found === undefined) call(machine, hostname, second, third);
        else if (wanted.all) call(callback, null, found);
        else call(callback, null, found[0]?.address, found[0]?.family);
      },
      (error: unknown) => call(callback, error),
    );
    return {};
  };
  // Node tells by a mark of the function how to make a promise of it.
  Reflect.set(dns, 'lookup', Object.assign(lookup, dns.lookup));
  Reflect.set(dns.promises, 'lookup', async (hostname: unknown, second?: unknown) => {
    const wanted = wishesIn(second);
    const found = isName(hostname) ? await names.find(hostname, wanted.family) : undefined;
    if (found === undefined) return call(machinePromise, hostname, second);
    return wanted.all ? found : found[0];
  });
  takeServersAtFirstUse(dns, options);
  takeServersAtFirstUse(dns.promises, options);
}

/**
 * `resolve4` and the like ask the pod's name servers: they are set before the first question, as that costs some milliseconds. Setting them puts other
 * functions into the place of these.
 */
function takeServersAtFirstUse(module: object, { servers }: ProgramDns): void {
  let isDone = servers.length === 0;
  for (const [name, original] of Object.entries(module)) {
    if (typeof original !== 'function' || !/^(resolve|reverse|getServers)/.test(name)) continue;
    const wrapped = (...args: readonly unknown[]): unknown => {
      if (!isDone) dns.setServers(servers);
      isDone = true;
      const now: unknown = Reflect.get(module, name);
      return call(now === wrapped ? original : now, ...args);
    };
    Reflect.set(module, name, wrapped);
  }
}

function call(target: unknown, ...args: readonly unknown[]): unknown {
  if (typeof target !== 'function') throw new TypeError('The "callback" argument must be of type function');
  return Reflect.apply(target, undefined, args);
}

function isName(hostname: unknown): hostname is string {
  return typeof hostname === 'string' && hostname !== '' && isIP(hostname) === 0;
}

interface Wishes {
  readonly family: 0 | 4 | 6;
  readonly all: boolean;
}

function wishesIn(options: unknown): Wishes {
  if (typeof options === 'number') return { family: familyOf(options), all: false };
  if (typeof options !== 'object' || options === null) return { family: 0, all: false };
  const family = 'family' in options ? options.family : 0;
  return { family: familyOf(family), all: 'all' in options && options.all === true };
}

function familyOf(value: unknown): 0 | 4 | 6 {
  if (value === 4 || value === 'IPv4') return 4;
  return value === 6 || value === 'IPv6' ? 6 : 0;
}

class Names {
  readonly #options: ProgramDns;
  #resolver: dns.promises.Resolver | undefined;

  constructor(options: ProgramDns) {
    this.#options = options;
  }

  /** Addresses of a name; undefined where only the machine can say. Rejects, as the system does, for a name that nobody knows. */
  async find(hostname: string, family: 0 | 4 | 6): Promise<readonly LookupAddress[] | undefined> {
    const written = await this.#inHostsFile(hostname.replace(/\.$/, '').toLowerCase(), family);
    if (written.length > 0) return written;
    if (this.#options.servers.length === 0) return undefined;
    let failed: unknown;
    for (const name of searchedNames(hostname, this.#options)) {
      try {
        const found = await this.#ask(name, family);
        if (found.length > 0) return found;
      } catch (error) {
        if (silences.has(codeOf(error))) return undefined;
        failed = error;
      }
    }
    throw failed === undefined ? lookupError('ENOTFOUND', hostname) : lookupError('EAI_AGAIN', hostname);
  }

  /** Addresses of a whole name; none where it is not there. */
  async #ask(name: string, family: 0 | 4 | 6): Promise<readonly LookupAddress[]> {
    const resolver = this.#opened();
    const asked: readonly (4 | 6)[] = family === 0 ? [4, 6] : [family];
    let failed: unknown;
    for (const one of asked) {
      try {
        const addresses = one === 4 ? await resolver.resolve4(name) : await resolver.resolve6(name);
        if (addresses.length > 0) return addresses.map((address) => ({ address, family: one }));
      } catch (error) {
        if (!absences.has(codeOf(error))) failed = error;
        // A name that is not there has no other addresses either.
        if (codeOf(error) === 'ENOTFOUND') break;
      }
    }
    if (failed !== undefined) throw failed;
    return [];
  }

  #opened(): dns.promises.Resolver {
    if (this.#resolver === undefined) {
      const { timeoutMs, attempts, servers } = this.#options;
      this.#resolver = new dns.promises.Resolver({ timeout: timeoutMs, tries: attempts });
      this.#resolver.setServers(servers);
    }
    return this.#resolver;
  }

  async #inHostsFile(name: string, family: 0 | 4 | 6): Promise<readonly LookupAddress[]> {
    const text = await fs.promises.readFile('/etc/hosts', 'utf8').catch(() => '');
    return text.split('\n').flatMap((line) => {
      const [address = '', ...names] = line.replace(/#.*/, '').trim().split(/\s+/);
      const is = isIP(address);
      if ((is !== 4 && is !== 6) || (family !== 0 && family !== is)) return [];
      return names.some((one) => one.toLowerCase() === name) ? [{ address, family: is }] : [];
    });
  }
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** As `getaddrinfo` fails. */
function lookupError(code: string, hostname: string): Error {
  return Object.assign(new Error(`getaddrinfo ${code} ${hostname}`), { code, syscall: 'getaddrinfo', hostname });
}
