/**
 * Programs with logins for pulls, as a file says which there are: each is run for a question, in the environment of the kubelet, with the question on its standard input. Loaded where a node
 * has some. Source: `kubelet.config.k8s.io` `CredentialProviderConfig`, kubelet `pkg/credentialprovider/plugin/config.go`.
 */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import { parseDurationMs } from '#pkg/apimachinery/time.ts';
import { readYaml } from '#pkg/apimachinery/yaml.ts';
import { errorText } from '#pkg/base/error-text.ts';
import { UserError } from '#pkg/component/user-error.ts';
import type { CredentialProvider } from '#pkg/kubelet/images/credential-providers.ts';
import type { CredentialProviderPlace } from './credential-provider-flags.ts';
import { findProgram } from './host-programs.ts';

const configVersion = /^kubelet\.config\.k8s\.io\/v1(?:alpha1|beta1)?$/;
const providerVersions = ['v1', 'v1beta1', 'v1alpha1'].map((version) => `credentialprovider.kubelet.k8s.io/${version}`);
const fields: readonly string[] = ['name', 'matchImages', 'defaultCacheDuration', 'apiVersion', 'args', 'env'];

/** Longest run of a program. Source: `ExecPlugin`. */
const runMsMax = 60_000;
/** Longest answer: logins of more places than anybody has. Beyond, the program is ended and has failed. */
const answerBytesMax = 1024 * 1024;

/** Those that the file names. Throws `UserError`, with one line, for what is wrong with it. */
export function readCredentialProviders({
  configFile,
  programs,
}: CredentialProviderPlace): readonly CredentialProvider[] {
  const refuse = (why: string): never => {
    throw new UserError(`Cannot use the credential providers of ${configFile} as ${why}`);
  };
  let document: unknown;
  try {
    document = readYaml(readFileSync(configFile, 'utf8'))[0]?.value;
  } catch (error) {
    refuse(errorText(error));
  }
  if (
    !isObject(document) ||
    document.kind !== 'CredentialProviderConfig' ||
    !configVersion.test(String(document.apiVersion))
  )
    return refuse('it is no CredentialProviderConfig of kubelet.config.k8s.io/v1');
  const { providers } = document;
  if (!Array.isArray(providers) || providers.length === 0) return refuse('it names none: providers is required');
  const found = providers.map((one: unknown) => providerOf(one, programs, refuse));
  const twice = found.find(({ name }, index) => found.findIndex((other) => other.name === name) !== index);
  return twice === undefined ? found : refuse(`${twice.name} is there twice`);
}

function providerOf(entry: unknown, programs: string, refuse: (why: string) => never): CredentialProvider {
  if (!isObject(entry)) return refuse('a provider is no object');
  const { name, apiVersion, matchImages, defaultCacheDuration, args, env } = entry;
  if (typeof name !== 'string' || !/^[^/\s]+$/.test(name) || name === '.' || name === '..')
    return refuse(`${JSON.stringify(name)} is no name of a program`);
  const unknown = Object.keys(entry).find((field) => !fields.includes(field));
  if (unknown !== undefined) return refuse(`${unknown} of ${name} is not built here`);
  if (typeof apiVersion !== 'string' || !providerVersions.includes(apiVersion))
    return refuse(`apiVersion of ${name} has to be one of ${providerVersions.join(', ')}`);
  if (!isTexts(matchImages) || matchImages.length === 0) return refuse(`matchImages of ${name} has to name images`);
  const keptMs = typeof defaultCacheDuration === 'string' ? parseDurationMs(defaultCacheDuration) : undefined;
  if (keptMs === undefined || keptMs < 0)
    return refuse(`defaultCacheDuration of ${name} has to be a duration such as 10m, or 0s`);
  const variables = env === undefined ? [] : variablesOf(env);
  if (!(args === undefined || isTexts(args)) || variables === undefined)
    return refuse(`args of ${name} has to be a list of texts, and env one of names and values`);
  const path = findProgram(join(programs, name));
  if (path === undefined) return refuse(`there is no program ${join(programs, name)}`);
  // By a program that adds to the environment that it was given itself.
  const command = variables.length === 0 ? [path] : ['env', ...variables, path];
  const [program = path, ...rest] = [...command, ...(args ?? [])];
  return { name, apiVersion, matchImages, keptMs, ask: (request) => ask(program, rest, request) };
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string');
}

/** As `env` takes them; undefined for what are none. */
function variablesOf(env: unknown): readonly string[] | undefined {
  if (!Array.isArray(env)) return undefined;
  const found = env.map((one: unknown) => {
    const { name, value } = isObject(one) ? one : {};
    return typeof name === 'string' && /^[^=]+$/.test(name) && typeof value === 'string'
      ? `${name}=${value}`
      : undefined;
  });
  return found.every((one) => one !== undefined) ? found : undefined;
}

function ask(program: string, args: readonly string[], request: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { timeout: runMsMax, killSignal: 'SIGKILL', maxBuffer: answerBytesMax } as const;
    const child = execFile(program, args, options, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stderr.trim().split('\n')[0] || errorText(error), { cause: error }));
    });
    // A program that ends before it has read all says so by its exit code.
    child.stdin?.on('error', () => {});
    child.stdin?.end(request);
  });
}
