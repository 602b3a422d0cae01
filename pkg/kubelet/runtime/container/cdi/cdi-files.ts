/** The files of vendors that say what devices of the Container Device Interface are, and a container with what they say. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { readYaml } from '#pkg/apimachinery/yaml.ts';
import { errorText } from '#pkg/base/error-text.ts';
import type { ContainerConfig } from '../../container-config.ts';
import { RuntimeError } from '../../runtime.ts';
import type { OciHooks } from '../spec/oci-types.ts';
import { CdiError, type CdiSpec, cdiSpecOf, editsFor } from './cdi-edits.ts';

/** Where they are; what a later folder says goes before an earlier one. Source: `cdi.DefaultSpecDirs`. */
const cdiFolders: readonly string[] = ['/etc/cdi', '/var/run/cdi'];

/** A container with what its devices bring, and what is to be run beside it. */
export interface CdiContainer {
  readonly config: ContainerConfig;
  readonly hooks: OciHooks;
}

/** The container, as it is where it names no such device. Rejects with `failed` where one is in no file, or asks for what is not known. */
export async function withCdiDevices(
  config: ContainerConfig,
  folders: readonly string[] = cdiFolders,
): Promise<CdiContainer> {
  const { cdiDevices = [] } = config;
  if (cdiDevices.length === 0) return { config, hooks: {} };
  const { specs, problems } = await readSpecs(folders);
  try {
    const { env, devices, mounts, groups, hooks } = editsFor(cdiDevices, specs);
    const { supplementalGroups = [] } = config.security;
    const variables = env.map((entry) => entry.split(/=(.*)/s).slice(0, 2));
    return {
      config: {
        ...config,
        env: { ...config.env, ...Object.fromEntries(variables) },
        devices: [...config.devices, ...devices],
        mounts: [...config.mounts, ...mounts],
        security:
          groups.length === 0
            ? config.security
            : { ...config.security, supplementalGroups: [...new Set([...supplementalGroups, ...groups])] },
      },
      hooks,
    };
  } catch (error) {
    if (!(error instanceof CdiError)) throw error;
    throw new RuntimeError('failed', `CDI device injection failed: ${[error.message, ...problems].join('; ')}`, error);
  }
}

/** All that can be read, and why others cannot: these matter only to who names a device that is in none. */
async function readSpecs(
  folders: readonly string[],
): Promise<{ readonly specs: CdiSpec[]; readonly problems: string[] }> {
  const specs: CdiSpec[] = [];
  const problems: string[] = [];
  for (const folder of folders) {
    const names = await readdir(folder).catch(() => []);
    for (const name of names.filter((one) => /\.(?:json|yaml|yml)$/.test(one)).sort()) {
      const path = join(folder, name);
      try {
        specs.push(cdiSpecOf(readYaml(await readFile(path, 'utf8'))[0]?.value));
      } catch (error) {
        problems.push(`${path}: ${errorText(error)}`);
      }
    }
  }
  return { specs, problems };
}
