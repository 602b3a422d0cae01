/** `coxswain vm report`: how the last migration of a machine went, or goes, as tables and as a picture. */
import { writeFileSync } from 'node:fs';
import { extname } from 'node:path';
import type { VirtualMachineMigration } from '#pkg/api/virtual-machine-migration.ts';
import { virtualMachineMigrations } from '#pkg/api/virtual-machine-migration.ts';
import type { Client } from '#pkg/client/client.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { dirtyRate, type MigrationReport, migrationPicture } from '#pkg/vmm/migration/report-picture.ts';
import type { Picture } from '#pkg/vmm/picture.ts';
import { bytesText } from './bytes-text.ts';
import type { World } from './world.ts';

/** Pictures by the ends of their files' names. */
const forms: Readonly<Record<string, (picture: Picture) => Promise<string | Uint8Array>>> = {
  '.svg': async (picture) => (await import('#pkg/vmm/picture.ts')).svgOf(picture),
  '.png': async (picture) => (await import('#pkg/vmm/picture-png.ts')).pngOf(picture),
};

/** Which machine, and a file for the picture (`''`: none). */
export interface ReportOptions {
  readonly machine: string;
  readonly namespace: string;
  readonly out: string;
}

/** Prints the report, and writes the picture. Throws `UserError` where there is nothing to say, or the picture cannot be made. */
export async function reportMigration(world: World, client: Client, options: ReportOptions): Promise<number> {
  const { machine, namespace, out } = options;
  const form = out === '' ? undefined : forms[extname(out)];
  if (out !== '' && form === undefined)
    throw new UserError(`the picture is made as ${Object.keys(forms).join(' or ')}: ${JSON.stringify(out)} is neither`);
  const { items } = await client.resource(virtualMachineMigrations).list({ namespace });
  const begun = ({ status }: VirtualMachineMigration): number => Date.parse(status?.startTime ?? '');
  const last = items
    .filter(({ spec, status }) => spec?.vmName === machine && status?.source?.figures !== undefined)
    .toSorted((one, other) => begun(one) - begun(other))
    .at(-1);
  if (last === undefined) throw new UserError(`no migration of ${machine} has begun yet`);
  const report = reportOf(last);
  world.write(`${report.title}, ${(last.status?.phase ?? 'Pending').toLowerCase()}\n\n${tables(report)}`);
  if (form !== undefined) {
    writeFileSync(out, await form(migrationPicture(report)));
    world.write(`\nThe picture is in ${out}\n`);
  }
  return 0;
}

function reportOf({ spec, status }: VirtualMachineMigration): MigrationReport {
  const { sourceNode = '', targetNode = '', source, target } = status ?? {};
  const { rounds = [], classes = {}, downtimeMs, faults = 0, prePaged = 0, pushed = 0 } = source?.figures ?? {};
  return {
    title: `${spec?.vmName}: ${spec?.mode} from ${sourceNode} to ${targetNode}`,
    rounds,
    classes: Object.entries(classes).map(([name, figures]) => ({ name, ...figures })),
    downtimeMs: downtimeMs ?? target?.figures?.downtimeMs,
    ...{ faults, prePaged, pushed },
  };
}

function tables(report: MigrationReport): string {
  const { rounds, classes, downtimeMs, faults, prePaged, pushed } = report;
  const sent = rounds.map((round) => [
    ...[String(round.round), String(round.pages), bytesText(round.bytes), `${round.durationMs.toFixed(0)} ms`],
    ...[String(round.dirtied), dirtyRate(round).toFixed(0)],
  ]);
  const kinds = classes
    .filter(({ pages }) => pages > 0)
    .map(({ name, pages, rawBytes, sentBytes, cpuMs }) => [
      ...[name, String(pages), bytesText(rawBytes), bytesText(sentBytes)],
      ...[`${(100 * (1 - sentBytes / Math.max(1, rawBytes))).toFixed(1)} %`, `${cpuMs.toFixed(1)} ms`],
    ]);
  const stood = downtimeMs === undefined ? 'not known' : `${downtimeMs.toFixed(1)} ms`;
  return [
    new TableLayout().render([['ROUND', 'PAGES', 'SENT', 'TIME', 'WRITTEN', 'WRITTEN A SECOND'], ...sent]),
    '\n',
    new TableLayout().render([['CLASS', 'PAGES', 'BYTES', 'SENT', 'SAVED', 'PROCESSOR'], ...kinds]),
    `\nIt stood still for ${stood}. After it arrived: ${faults} page faults, ${prePaged} pages pre-paged, ${pushed} pushed.\n`,
  ].join('');
}
