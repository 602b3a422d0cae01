/** `--raw`: a file sent to a path of the server as it is, and the answer printed as it comes. */
import { readFileSync } from 'node:fs';
import { parseJson } from '#pkg/apimachinery/json.ts';
import type { ApiCall } from './api.ts';
import type { KubectlContext } from './context.ts';

/** Sends the one file, `-` for standard input; resolves to the exit code. Throws what the API answers. */
export async function postRaw(
  context: KubectlContext,
  {
    path,
    files,
    method,
  }: { readonly path: string; readonly files: readonly string[]; readonly method: ApiCall['method'] },
): Promise<number> {
  const [file = ''] = files;
  const text = file === '-' ? await context.readStdin() : file === '' ? '' : readFileSync(file, 'utf8');
  const { pathname, searchParams } = new URL(path, 'http://localhost');
  const body: unknown = text === '' ? undefined : parseJson(text);
  const query = Object.fromEntries(searchParams);
  const chunks = await context.api.stream({ method, path: pathname, query, body, signal: context.signal });
  for await (const chunk of chunks) await context.machine.writeBytes(chunk);
  return 0;
}
