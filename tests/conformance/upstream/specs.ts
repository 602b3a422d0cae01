/**
 * Upstream's own conformance specs, as its end-to-end test binary of 1.28 has them, beside the rows of our tables, which are those of 1.36. A row and a spec are the same
 * behaviour when their names are, but for tags other than the area and `[Conformance]`, spaces, punctuation and what a spec was renamed to since.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * What upstream's spec of a behaviour shows. `pass` and `fails`: against a running cluster with the images of `images/upstream.yaml`; `changed`: it fails as the
 * behaviour is another one since, which `changed` tells; `absent`: 1.28 does not have it; `unrun`: nobody has tried.
 */
export type Upstream = 'absent' | 'changed' | 'fails' | 'pass' | 'unrun';

/** A row of a table. */
export interface Row {
  readonly name: string;
  readonly status: 'holds' | 'missing' | 'untested';
  /** File and name of the test. A missing behaviour may have one too: it shows the defect. */
  readonly test?: string;
  readonly needs?: string;
  readonly upstream: Upstream;
  /** What is another one since 1.28. */
  readonly changed?: string;
}

/** The rows of each table. */
export type Tables = Readonly<Record<string, readonly Row[]>>;

const folder = join(import.meta.dirname, '..', 'table');

/** Specs that have other names in 1.36: theirs there by that of 1.28. */
const renamed: Readonly<Record<string, string>> = {
  '[sig-network] EndpointSlice should create and delete Endpoints and EndpointSlices for a Service with a selector specified [Conformance]':
    '[sig-network] EndpointSlice should create and delete EndpointSlices for a Service with a selector that matches no pods [Conformance]',
  '[sig-network] Services should test the lifecycle of an Endpoint [Conformance]':
    '[sig-network] Endpoints should test the lifecycle of an Endpoint [Conformance]',
  '[sig-network] Services should provide secure master service [Conformance]':
    '[sig-network] API Server should provide secure master service [Conformance]',
  '[sig-network] EndpointSlice should have Endpoints and EndpointSlices pointing to API Server [Conformance]':
    '[sig-network] API Server should have Endpoints and EndpointSlices pointing to API Server [Conformance]',
};

/** The tables, by area. */
export function readTables(): Tables {
  return Object.fromEntries(
    readdirSync(folder)
      .sort()
      .map((file) => [
        file.slice(0, -'.json'.length),
        JSON.parse(readFileSync(join(folder, file), 'utf8')) as readonly Row[],
      ]),
  );
}

/** Writes tables as they are checked in. */
export function writeTables(tables: Tables): void {
  for (const [area, rows] of Object.entries(tables))
    writeFileSync(join(folder, `${area}.json`), `${JSON.stringify(rows, null, 2)}\n`);
}

/** Names with the same key are one behaviour's. */
export function behaviourKey(name: string): string {
  const spaced = name.replaceAll(/\s+/g, ' ');
  return (renamed[spaced] ?? spaced)
    .replaceAll(/\[(?!Conformance|sig-)[^\]]*\]/g, '')
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, ' ')
    .trim();
}
