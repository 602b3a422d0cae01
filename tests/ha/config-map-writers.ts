/**
 * A client process that changes ConfigMaps with many writers at once until the server is gone, and says on a line of standard output what
 * it tries and what was acknowledged: `try|done put|delete <name> <change> <resourceVersion>`. A line is written before the next call of that
 * writer, so a line of `done` is never ahead of the server's answer and at most one try per writer is open when the server dies.
 */
import { writeSync } from 'node:fs';
import { connectionOf } from '#cmd/common/connection.ts';
import type { ConfigMap } from '#pkg/api/types/core-v1.ts';
import { configMaps } from '#pkg/api/types/refs.ts';
import { StatusError } from '#pkg/apimachinery/status-error.ts';
import { createClient } from '#pkg/client/rest-client.ts';

export interface WritersOptions {
  readonly kubeconfig: string;
  readonly namespace: string;
  readonly writers: number;
  /** Begins every name, so that rounds do not meet. */
  readonly prefix: string;
}

/** The contents of an object after its `change`-th change: a function of its name, so that a reader knows them too. */
export function contentsOf(name: string, change: number): Readonly<Record<string, string>> {
  const length = 200 + ((name.length * 7919 + change * 104_729 + name.charCodeAt(name.length - 1) * 31) % 3000);
  return { change: String(change), text: `${name}/${change} `.repeat(Math.ceil(length / (name.length + 3))) };
}

/** Objects with an even number are deleted again; each is changed this often before. */
export const changesPerObject = 3;

export async function writeUntilGone(options: WritersOptions): Promise<void> {
  const { namespace, prefix, writers } = options;
  const transport = await connectionOf(options.kubeconfig);
  const client = createClient({ transport, userAgent: 'writers' }).resource(configMaps);
  const tell = (what: string, name: string, rest: string): void => void writeSync(1, `${what} ${name} ${rest}\n`);
  const write = async (writer: number): Promise<void> => {
    for (let n = 0; ; n++) {
      const name = `${prefix}-${writer}-${n}`;
      let current: ConfigMap | undefined;
      for (let change = 0; change < changesPerObject; change++) {
        tell('try put', name, `${change} 0`);
        const metadata = { name, namespace, ...(current && { resourceVersion: current.metadata!.resourceVersion! }) };
        const object: ConfigMap = { apiVersion: 'v1', kind: 'ConfigMap', metadata, data: contentsOf(name, change) };
        current = current === undefined ? await client.create(object) : await client.update(object);
        tell('done put', name, `${change} ${current.metadata?.resourceVersion}`);
      }
      if (n % 2 === 1) continue;
      tell('try delete', name, `${changesPerObject} 0`);
      await client.delete(name, { namespace });
      tell('done delete', name, `${changesPerObject} 0`);
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: writers }, (_, writer) => write(writer)));
  for (const end of ends) {
    // A server that is gone is what ends the writers; that it refuses a write is not.
    if (end.status === 'rejected' && !isGone(end.reason)) tell('refused', String(end.reason), '');
  }
  await transport.close();
}

function isGone(error: unknown): boolean {
  return error instanceof StatusError && error.reason === 'ServiceUnavailable';
}
