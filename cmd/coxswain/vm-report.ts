/** `coxswain vm report`: how the last migration of a machine went, or goes, as tables and as a picture. */
import type { VirtualMachineMigration } from '#pkg/api/virtual-machine-migration.ts';
import { virtualMachineMigrations } from '#pkg/api/virtual-machine-migration.ts';
import { bytesText } from '#pkg/base/bytes-text.ts';
import type { Client } from '#pkg/client/client.ts';
import { UserError } from '#pkg/component/user-error.ts';
import { TableLayout } from '#pkg/kubectl/tables.ts';
import { dirtyRate, type MigrationReport, migrationPicture } from '#pkg/vmm/migration/report-picture.ts';
import { pictureFile } from './vm-picture.ts';
import type { World } from './world.ts';

/** Which machine, and a file for the picture (`''`: none). */
export interface ReportOptions {
  readonly machine: string;
  readonly namespace: string;
  readonly out: string;
}

/** Prints the report, and writes the picture. Throws `UserError` where there is nothing to say, or the picture cannot be made. */
export async function reportMigration(world: World, client: Client, options: ReportOptions): Promise<number> {
  const { machine, namespace, out } = options;
  const file = pictureFile(out);
  const { items } = await client.resource(virtualMachineMigrations).list({ namespace });
  const begun = ({ status }: VirtualMachineMigration): number => Date.parse(status?.startTime ?? '');
  const last = items
    .filter(({ spec, status }) => spec?.vmName === machine && status?.source?.figures !== undefined)
    .toSorted((one, other) => begun(one) - begun(other))
    .at(-1);
  if (last === undefined) throw new UserError(`no migration of ${machine} has begun yet`);
  const report = reportOf(last);
  world.write(`${report.title}, ${(last.status?.phase ?? 'Pending').toLowerCase()}\n\n${tables(report)}`);
  await file?.write(world, migrationPicture(report));
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
