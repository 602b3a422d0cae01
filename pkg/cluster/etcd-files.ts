/** What an API server and the etcd that it keeps its data in know each other by: files, and the name of a user. */

/**
 * For an etcd whose members answer at https: PEM files of their authority (default: those that Node trusts), and of what to show to them. For an etcd
 * with users: which to be, and a file with its password.
 */
export interface EtcdFiles {
  readonly etcdCafile?: string;
  readonly etcdCertfile?: string;
  readonly etcdKeyfile?: string;
  readonly etcdUsername?: string;
  readonly etcdPasswordFile?: string;
}

/** The flag of each, of `coxswain up` and of the API server. */
export const etcdFlags = {
  etcdCafile: 'etcd-cafile',
  etcdCertfile: 'etcd-certfile',
  etcdKeyfile: 'etcd-keyfile',
  etcdUsername: 'etcd-username',
  etcdPasswordFile: 'etcd-password-file',
} as const satisfies Readonly<Record<keyof EtcdFiles, string>>;

const etcdFields: readonly (keyof EtcdFiles)[] = [
  'etcdCafile',
  'etcdCertfile',
  'etcdKeyfile',
  'etcdUsername',
  'etcdPasswordFile',
];

/** Those that are set, and nothing else that is there. */
export function etcdFilesOf(settings: EtcdFiles): EtcdFiles {
  return Object.fromEntries(
    etcdFields.flatMap((field) => (settings[field] === undefined ? [] : [[field, settings[field]]])),
  );
}

/** The same as flags of the API server. */
export function etcdFlagValues(settings: EtcdFiles): Readonly<Record<string, string>> {
  const values: Record<string, string> = {};
  for (const field of etcdFields) {
    const value = settings[field];
    if (value !== undefined) values[etcdFlags[field]] = value;
  }
  return values;
}

/** The first that is no text; undefined where all are, as they are in settings that were not changed by hand. */
export function etcdFieldProblem(settings: EtcdFiles): string | undefined {
  const wrong = etcdFields.find((field) => settings[field] !== undefined && typeof settings[field] !== 'string');
  return wrong === undefined ? undefined : `${wrong} is no text`;
}
