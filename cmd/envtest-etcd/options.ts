/**
 * The command line of the `etcd` stand-in, read as Go's flag package reads etcd's: one dash or two, a value after `=` or as the next argument, a
 * switch without a value. Source: etcd `server/etcdmain/help.go`, releases 3.4 to 3.6.
 */

/** What the stand-in goes by. */
export interface EtcdOptions {
  readonly dataDir: string;
  /** Where it listens, as URLs. */
  readonly clientUrls: readonly string[];
  /** Whether writes are on the disk once they are acknowledged. */
  readonly waitsForDisk: boolean;
}

/** What came of reading the arguments; a refusal is one line. */
export type EtcdArguments =
  | { readonly kind: 'run'; readonly options: EtcdOptions }
  | { readonly kind: 'help' }
  | { readonly kind: 'version' }
  | { readonly kind: 'refused'; readonly message: string };

/** The switch with which nothing waits for the disk. */
const unsafeSwitch = 'unsafe-no-fsync';

/** Flags of etcd that may stand without a value. */
const switches: ReadonlySet<string> = new Set([
  unsafeSwitch,
  'force-new-cluster',
  'strict-reconfig-check',
  'pre-vote',
  'enable-pprof',
  'enable-v2',
  'enable-grpc-gateway',
  'debug',
  'socket-reuse-port',
  'socket-reuse-address',
  'initial-election-tick-advance',
]);

/** Flags of etcd that say how a member is to be found, to write or to log, which is nothing to a stand-in that has no members. */
const withoutEffect: ReadonlySet<string> = new Set([
  'name',
  'wal-dir',
  'snapshot-count',
  'heartbeat-interval',
  'election-timeout',
  'listen-peer-urls',
  'listen-metrics-urls',
  'max-snapshots',
  'max-wals',
  'quota-backend-bytes',
  'backend-bbolt-freelist-type',
  'backend-batch-interval',
  'backend-batch-limit',
  'max-txn-ops',
  'max-request-bytes',
  'grpc-keepalive-min-time',
  'grpc-keepalive-interval',
  'grpc-keepalive-timeout',
  'initial-advertise-peer-urls',
  'advertise-client-urls',
  'initial-cluster',
  'initial-cluster-state',
  'initial-cluster-token',
  'auto-compaction-retention',
  'auto-compaction-mode',
  'log-level',
  'log-rotation-config-json',
  'logger',
  'log-outputs',
  'log-format',
  'log-package-levels',
  'metrics',
]);

/** Where etcd listens when nothing says where. */
const defaultClientUrl = 'http://localhost:2379';

/** Reads the arguments of the program. */
export function etcdArguments(args: readonly string[]): EtcdArguments {
  const given = new Map<string, string>();
  const waiting = args.values();
  for (const argument of waiting) {
    const [, name = '', attached] = /^--?([^-=][^=]*)(?:=(.*))?$/s.exec(argument) ?? [];
    if (name === 'help' || name === 'h') return { kind: 'help' };
    if (name === 'version') return { kind: 'version' };
    if (name === '') return refused(`${JSON.stringify(argument)} is not a valid flag`);
    if (!isKnown(name)) return refused(`flag provided but not defined: -${name}`);
    const value = attached ?? (switches.has(name) ? 'true' : waiting.next().value);
    if (value === undefined) return refused(`flag needs an argument: -${name}`);
    given.set(name, value);
  }
  const clientUrls = (given.get('listen-client-urls') ?? defaultClientUrl).split(',');
  const wrong = clientUrls.find((url) => !/^http:\/\/[^/]+:\d+$/.test(url) || !URL.canParse(url));
  if (wrong !== undefined)
    return refused(`Cannot listen at ${JSON.stringify(wrong)} of --listen-client-urls: it must be http://ADDRESS:PORT`);
  const dataDir = given.get('data-dir') || `${given.get('name') ?? 'default'}.etcd`;
  // As Go reads a truth: what is none of its words for one waits.
  const waitsForDisk = !/^(1|t|T|true|TRUE|True)$/.test(given.get(unsafeSwitch) ?? '');
  return { kind: 'run', options: { dataDir, clientUrls, waitsForDisk } };
}

function isKnown(name: string): boolean {
  return name === 'data-dir' || name === 'listen-client-urls' || switches.has(name) || withoutEffect.has(name);
}

function refused(message: string): EtcdArguments {
  return { kind: 'refused', message };
}

/** The text of `--help`, each flag at the head of a line. */
export function etcdHelp(): string {
  const used = {
    'data-dir': 'Folder of the data.',
    'listen-client-urls': 'Where to listen, as http://ADDRESS:PORT.',
    [unsafeSwitch]: 'Acknowledge writes that are not on the disk yet.',
  };
  const ignored = [...switches, ...withoutEffect].filter((name) => name !== unsafeSwitch).sort();
  return [
    'Usage: etcd [flags]',
    '',
    'The stand-in for etcd of "coxswain envtest": it keeps the data of one kube-apiserver stand-in, and serves nobody else.',
    '',
    ...Object.entries(used).map(([name, help]) => `  --${name}\n        ${help}`),
    '',
    'Taken without effect:',
    ...ignored.map((name) => `  --${name}`),
    '',
  ].join('\n');
}
