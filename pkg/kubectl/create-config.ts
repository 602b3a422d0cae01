/** `create configmap` and `create secret`. Source: kubectl `cmd/create/create_configmap.go`, `create_secret*.go`, `util/hash/hash.go`. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { configMapKeyProblems } from '#pkg/apimachinery/names.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { type FlagTable, type FlagValues, repeated, text, toggle } from '#pkg/component/flags.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { KubectlContext } from './context.ts';
import { generatorCommand, requireFlags } from './generator.ts';
import { sortedJson } from './sorted-json.ts';
import { type Commands, group } from './subcommand.ts';

const hashFlag = toggle({ help: 'Add a hash of what it holds to the name.' });
const sourceFlags = {
  'append-hash': hashFlag,
  'from-file': repeated({ help: 'A file or folder, under its own name or as key=path.', placeholder: '[key=]path' }),
  'from-literal': repeated({ help: 'A key and its value.', placeholder: 'key=value' }),
  'from-env-file': repeated({ help: 'A file of lines such as key=value.', placeholder: 'file' }),
} satisfies FlagTable;
type Sources = FlagValues<typeof sourceFlags>;

const genericFlags = { ...sourceFlags, type: text({ help: 'Type of the secret.', placeholder: 'type' }) };
const registryFlags = {
  'append-hash': hashFlag,
  'from-file': sourceFlags['from-file'],
  'docker-server': text({ help: 'Address of the registry.', fallback: 'https://index.docker.io/v1/' }),
  'docker-username': text({ help: 'User of the registry.', placeholder: 'name' }),
  'docker-password': text({ help: 'Password of that user.', placeholder: 'password' }),
  'docker-email': text({ help: 'Email of that user.', placeholder: 'email' }),
} satisfies FlagTable;
const tlsFlags = {
  'append-hash': hashFlag,
  cert: text({ help: 'File of the certificate in PEM.', placeholder: 'file' }),
  key: text({ help: 'File of its key in PEM.', placeholder: 'file' }),
} satisfies FlagTable;

/** The generators of what holds configuration. */
export const configGenerators: Commands = {
  configmap: generatorCommand<Sources>({
    summary: 'Create a config map from files, folders or literals.',
    usage: 'configmap NAME --from-literal=KEY=VALUE',
    resource: 'configmaps',
    failure: 'configmap:',
    aliases: ['cm'],
    flags: sourceFlags,
    build: (values, { name }) => configMap(name, values),
  }),
  secret: group('create secret', 'Create a secret using a specified subcommand.', {
    'docker-registry': generatorCommand<FlagValues<typeof registryFlags>>({
      summary: 'Create a secret for a registry.',
      usage: 'docker-registry NAME --docker-username=USER --docker-password=PASSWORD',
      resource: 'secrets',
      failure: 'secret',
      flags: registryFlags,
      build: (values, { name, context }) => registrySecret(name, values, context),
    }),
    generic: generatorCommand<FlagValues<typeof genericFlags>>({
      summary: 'Create a secret from files, folders or literals.',
      usage: 'generic NAME --from-literal=KEY=VALUE',
      resource: 'secrets',
      failure: 'secret',
      flags: genericFlags,
      build: (values, { name }) => secret(name, sourcesOf(values), { type: values.type, hash: values['append-hash'] }),
    }),
    tls: generatorCommand<FlagValues<typeof tlsFlags>>({
      summary: 'Create a secret with a certificate and its key.',
      usage: 'tls NAME --cert=FILE --key=FILE',
      resource: 'secrets',
      failure: 'secret',
      flags: tlsFlags,
      build: (values, { name }) => {
        if (values.cert === '' || values.key === '') throw new UserError('error: key and cert must be specified');
        const data = new Map([
          ['tls.crt', readData(values.cert)],
          ['tls.key', readData(values.key)],
        ]);
        return secret(name, data, { type: 'kubernetes.io/tls', hash: values['append-hash'] });
      },
    }),
  }),
};

type Data = Map<string, Buffer>;

function configMap(name: string, values: Sources): JsonObject {
  const sources = sourcesOf(values);
  const data: JsonObject = {};
  const binaryData: JsonObject = {};
  for (const [key, bytes] of sources) {
    const text = bytes.toString('utf8');
    if (Buffer.from(text).equals(bytes)) data[key] = text;
    else binaryData[key] = bytes.toString('base64');
  }
  const held = {
    ...(Object.keys(data).length === 0 ? {} : { data }),
    ...(Object.keys(binaryData).length === 0 ? {} : { binaryData }),
  };
  const hash = values['append-hash'] ? `-${hashOf({ kind: 'ConfigMap', name, data, ...held })}` : '';
  return { apiVersion: 'v1', ...held, kind: 'ConfigMap', metadata: { name: `${name}${hash}` } };
}

function secret(name: string, sources: Data, options: { readonly type: string; readonly hash: boolean }): JsonObject {
  const data = Object.fromEntries([...sources].map(([key, bytes]) => [key, bytes.toString('base64')]));
  const hash = options.hash ? `-${hashOf({ kind: 'Secret', type: options.type, name, data })}` : '';
  return {
    apiVersion: 'v1',
    ...(sources.size === 0 ? {} : { data }),
    kind: 'Secret',
    metadata: { name: `${name}${hash}` },
    ...(options.type === '' ? {} : { type: options.type }),
  };
}

function registrySecret(name: string, values: FlagValues<typeof registryFlags>, context: KubectlContext): JsonObject {
  const type = 'kubernetes.io/dockerconfigjson';
  const hash = values['append-hash'];
  if (values['from-file'].length > 0)
    return secret(name, sourcesOf({ ...values, 'from-literal': [], 'from-env-file': [] }), { type, hash });
  requireFlags(context, ['docker-username', 'docker-password']);
  const [username, password, email] = [values['docker-username'], values['docker-password'], values['docker-email']];
  const auth = Buffer.from(`${username}:${password}`).toString('base64');
  const entry = { username, password, ...(email === '' ? {} : { email }), auth };
  const config = JSON.stringify({ auths: { [values['docker-server']]: entry } });
  return secret(name, new Map([['.dockerconfigjson', Buffer.from(config)]]), { type, hash });
}

function sourcesOf(values: Sources): Data {
  if (values['from-env-file'].length > 0 && values['from-file'].length + values['from-literal'].length > 0)
    throw new UserError('error: from-env-file cannot be combined with from-file or from-literal');
  const data: Data = new Map();
  for (const source of values['from-file']) addFile(data, source);
  for (const literal of values['from-literal']) {
    const equals = literal.indexOf('=');
    if (equals <= 0) throw new UserError(`error: invalid literal source ${literal}, expected key=value`);
    const value = literal.slice(equals + 1).replace(/^(['"])(.*)\1$/s, '$2');
    addKey(data, literal.slice(0, equals), Buffer.from(value));
  }
  for (const file of values['from-env-file']) addEnvFile(data, file);
  return data;
}

function addKey(data: Data, key: string, bytes: Buffer): void {
  const [problem] = configMapKeyProblems(key);
  if (problem !== undefined) throw new UserError(`error: ${JSON.stringify(key)} is not a valid key name: ${problem}`);
  if (data.has(key))
    throw new UserError(`error: cannot add key ${JSON.stringify(key)}, another key by that name already exists`);
  data.set(key, bytes);
}

function addFile(data: Data, source: string): void {
  const equals = source.indexOf('=');
  const path = source.slice(equals + 1);
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory();
  if (isFolder !== true) {
    addKey(data, equals < 0 ? basename(path) : source.slice(0, equals), readData(path));
    return;
  }
  if (equals >= 0) throw new UserError('error: cannot give a key name for a directory path');
  for (const entry of readdirSync(path, { withFileTypes: true }).toSorted((a, b) => (a.name < b.name ? -1 : 1)))
    if (entry.isFile()) addKey(data, entry.name, readData(join(path, entry.name)));
}

function readData(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new UserError(`error: error reading ${path}: no such file or directory`, error);
  }
}

function addEnvFile(data: Data, path: string): void {
  for (const line of readData(path)
    .toString('utf8')
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)) {
    const plain = line.trimStart();
    if (plain === '' || plain.startsWith('#')) continue;
    const equals = plain.indexOf('=');
    if (equals > 0) addKey(data, plain.slice(0, equals), Buffer.from(plain.slice(equals + 1)));
  }
}

const hashLetters: Readonly<Record<string, string>> = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' };

/** The hash that is added to a name: ten letters that spell nothing. */
function hashOf(object: JsonObject): string {
  const hex = createHash('sha256').update(sortedJson(object)).digest('hex').slice(0, 10);
  return [...hex].map((letter) => hashLetters[letter] ?? letter).join('');
}
