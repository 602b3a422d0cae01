/** Reads configuration files: YAML that holds one mapping. What its fields may be is for whoever knows the flags. */

import { readFile } from 'node:fs/promises';
import { isObject } from '#pkg/apimachinery/json.ts';
import type { JsonObject } from '#pkg/apimachinery/object.ts';
import { errorCode } from '#pkg/base/error-code.ts';
import { UserError } from '#pkg/component/user-error.ts';

/** The mapping in a file. Throws `UserError` for one that cannot be read, is no YAML, has a key twice or holds something else or something more. */
export async function readConfigFile(path: string): Promise<JsonObject> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (error) {
    throw new UserError(`Cannot read the configuration file ${path} (${errorCode(error)})`, error);
  }
  const { decodeYaml } = await import('#pkg/apimachinery/decode.ts');
  const decoded = decodeYaml(bytes, { findDuplicates: true, countDocuments: true });
  const problem = decoded.ok ? decoded.yamlDuplicates : decoded.error;
  if (problem !== undefined)
    throw new UserError(`Cannot read the configuration file ${path} as it is not valid YAML: ${problem}`);
  if (decoded.ok && decoded.documents !== undefined && decoded.documents > 1)
    throw new UserError(
      `Cannot read the configuration file ${path} as it holds ${decoded.documents} documents, not one`,
    );
  if (!decoded.ok || !isObject(decoded.value))
    throw new UserError(`Cannot read the configuration file ${path} as it holds no mapping`);
  return decoded.value;
}

/** One line for a file whose fields are wrong. */
export function wrongConfig(path: string, problem: string): UserError {
  return new UserError(`Cannot use the configuration file ${path} as it is wrong: ${problem}`);
}
