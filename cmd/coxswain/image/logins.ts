/** Logins to registries that `docker login`, `skopeo login` and the like have left: `config.json` of Docker's client, as far as it has passwords itself. */
import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { isObject } from '#pkg/apimachinery/json.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { loginOfAuth } from '#pkg/images/client/docker-auth.ts';
import type { RegistryLogin } from '#pkg/images/image-store.ts';
import { parseReference } from '#pkg/images/reference.ts';
import type { World } from '../world.ts';

/** By which Docker's client knows its hub. */
const hubKeys: readonly string[] = ['https://index.docker.io/v1/', 'index.docker.io', 'docker.io'];

/** The logins for the registry of an image's name. */
export async function loginsFor(world: World, name: string): Promise<readonly RegistryLogin[]> {
  const { host } = parseReference(name);
  const path = join(world.environment.DOCKER_CONFIG ?? join(homedir(), '.docker'), 'config.json');
  let document: unknown;
  try {
    document = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return [];
    throw new UserError(`Cannot read the logins in ${path}`, error);
  }
  const auths = isObject(document) && isObject(document.auths) ? document.auths : {};
  const keys = host === 'docker.io' ? hubKeys : [host, `https://${host}`, `http://${host}`];
  return keys.flatMap((key) => loginOf(auths[key]));
}

function loginOf(entry: unknown): RegistryLogin | readonly [] {
  if (!isObject(entry) || typeof entry.auth !== 'string') return [];
  return loginOfAuth(entry.auth) ?? [];
}
