/** Commands that ask for names: `dig`, `getent` and `nslookup`, by the name servers and the search list of the pod. */
import { getServers, lookup, Resolver } from 'node:dns/promises';
import { isIP } from 'node:net';
import { ndotsDefault, numberOption, readResolvConf, searchedNames } from '#pkg/network/resolv-conf.ts';
import { CommandError, put } from '../io.ts';
import type { Invocation, Utility } from '../utility.ts';

/** A question of `dig`. */
interface Question {
  readonly name: string;
  readonly type: string;
}

/** What an answer is shown as; the name it was found under. */
interface Found {
  readonly name: string;
  readonly lines: readonly { readonly ttl: number; readonly data: string }[];
}

/** Of records whose time to live Node does not say, as cluster DNS has it. */
const ttlDefault = 30;

const asks: Readonly<Record<string, (resolver: Resolver, name: string) => Promise<Found['lines']>>> = {
  A: (resolver, name) => addressLines(resolver.resolve4(name, { ttl: true })),
  AAAA: (resolver, name) => addressLines(resolver.resolve6(name, { ttl: true })),
  CNAME: async (resolver, name) => lines((await resolver.resolveCname(name)).map((target) => `${target}.`)),
  NS: async (resolver, name) => lines((await resolver.resolveNs(name)).map((target) => `${target}.`)),
  PTR: async (resolver, name) => lines((await resolver.resolvePtr(name)).map((target) => `${target}.`)),
  SRV: async (resolver, name) =>
    lines((await resolver.resolveSrv(name)).map((one) => `${one.priority} ${one.weight} ${one.port} ${one.name}.`)),
  TXT: async (resolver, name) =>
    lines((await resolver.resolveTxt(name)).map((parts) => parts.map((part) => JSON.stringify(part)).join(' '))),
};

async function addressLines(
  answer: Promise<readonly { readonly address: string; readonly ttl: number }[]>,
): Promise<Found['lines']> {
  return (await answer).map(({ address, ttl }) => ({ ttl, data: address }));
}

function lines(data: readonly string[]): Found['lines'] {
  return data.map((one) => ({ ttl: ttlDefault, data: one }));
}

/** `dig [@SERVER] [+short] [+search] [-x ADDRESS] NAME [TYPE]`; a name that is not there prints nothing, as dig itself does with `+short`. */
const dig: Utility = async (invocation) => {
  const { servers, flags, questions } = digArguments(invocation.args);
  const [{ name, type }] = questions;
  const ask = asks[type];
  if (ask === undefined) throw new CommandError(`unsupported type ${type}`);
  const resolver = new Resolver();
  resolver.setServers(servers.length > 0 ? servers : getServers());
  const found = await firstFound(
    (candidate) => ask(resolver, candidate),
    flags.has('+search') ? await searched(invocation, name) : [name.replace(/\.$/, '')],
  );
  const text = (found?.lines ?? []).map(({ ttl, data }) =>
    flags.has('+short') ? `${data}\n` : `${found?.name}.\t${ttl}\tIN\t${type}\t${data}\n`,
  );
  await put(invocation.stdout, text.join(''));
  return 0;
};

function digArguments(args: readonly string[]): {
  readonly servers: readonly string[];
  readonly flags: ReadonlySet<string>;
  readonly questions: readonly [Question];
} {
  const flags = new Set<string>();
  const servers: string[] = [];
  const words: string[] = [];
  let reverse: string | undefined;
  for (let index = 0; index < args.length; index++) {
    const arg = args[index] ?? '';
    if (arg.startsWith('+')) flags.add(arg);
    else if (arg.startsWith('@')) servers.push(arg.slice(1));
    else if (arg === '-x') reverse = args[++index];
    else if (arg === '-t') words.push(args[++index] ?? '');
    else words.push(arg);
  }
  if (reverse !== undefined) return { servers, flags, questions: [{ name: reverseName(reverse), type: 'PTR' }] };
  const type = words.find((word) => Object.hasOwn(asks, word.toUpperCase()))?.toUpperCase();
  const name = words.find((word) => word.toUpperCase() !== type);
  if (name === undefined) throw new CommandError('usage: dig [@SERVER] [+short] [+search] [-x ADDRESS] NAME [TYPE]');
  return { servers, flags, questions: [{ name, type: type ?? 'A' }] };
}

/** Only addresses of IPv4. */
function reverseName(address: string): string {
  if (isIP(address) !== 4) throw new CommandError(`invalid address ${address}`);
  return `${address.split('.').reverse().join('.')}.in-addr.arpa`;
}

/** The first candidate that has an answer. Throws for servers that do not answer at all. */
async function firstFound(
  ask: (name: string) => Promise<Found['lines']>,
  candidates: readonly string[],
): Promise<Found | undefined> {
  for (const name of candidates) {
    try {
      const found = await ask(name);
      if (found.length > 0) return { name, lines: found };
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : undefined;
      if (code !== 'ENOTFOUND' && code !== 'ENODATA') throw new CommandError(`no servers could be reached: ${code}`);
    }
  }
  return undefined;
}

/** A name with the domains of the search list, as `resolv.conf` says. */
async function searched({ container }: Invocation, name: string): Promise<readonly string[]> {
  const handle = await container.files.open('/etc/resolv.conf', 'r').catch(() => undefined);
  const { searches, options } = readResolvConf((await handle?.readFile('utf8')) ?? '');
  await handle?.close();
  return searchedNames(name, { searches, ndots: numberOption(options, 'ndots', ndotsDefault) });
}

const nslookup: Utility = async ({ args: [name = ''], stdout }) => {
  try {
    const found = await lookup(name, { all: true });
    await put(stdout, `Name:\t${name}\n${found.map(({ address }) => `Address: ${address}\n`).join('')}`);
    return 0;
  } catch {
    throw new CommandError(`can't find ${name}: NXDOMAIN`);
  }
};

/** `getent hosts NAME`: 2, as getent itself has it, for a name that is not there. */
const getent: Utility = async ({ args: [database, name], stdout }) => {
  if (database !== 'hosts' || name === undefined) throw new CommandError('usage: getent hosts NAME');
  const found = await lookup(name, { all: true }).catch(() => []);
  for (const { address } of found) await put(stdout, `${address.padEnd(15)} ${name}\n`);
  return found.length === 0 ? 2 : 0;
};

/** The commands by name. */
export const nameCommands: Readonly<Record<string, Utility>> = { dig, getent, nslookup };
