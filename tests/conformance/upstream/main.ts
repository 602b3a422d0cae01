/**
 * Runs upstream's own conformance specs, from an end-to-end test binary that was built elsewhere, against running clusters, and writes what they show into the
 * tables' column `upstream`:
 *
 *     npx coxswain up --detach --nodes 2 --extra-config kubelet.image-aliases=tests/conformance/images/upstream.yaml
 *     node tests/conformance/upstream/main.ts --binary e2e.test --kubectl kubectl --kubeconfig FILE [--kubeconfig FILE…] [--only REGEX] [--unrun] [--seconds 300]
 *
 * Specs want pods to run as the user 1000 and to listen on port 80, so the cluster is best started by that user with the right to do so (`setpriv --reuid 1000 --ambient-caps
 * +net_bind_service …`), and beside another one, so that its nodes are not at 127.0.0.1.
 *
 * What programs in JavaScript cannot show (users, modes of files, sysctls, read-only roots) takes a cluster of `--runtime container --network bridge`, into which images of the names that
 * the specs use were loaded. Their shell has to be busybox' in one spec, which reads its words, and not Debian's of busybox in another, which drops variables with dashes (`findings/busybox-shell-applets.sh`).
 *
 * Each kubeconfig is a cluster of its own, and the specs take turns on them. A spec that takes longer than `--seconds` has failed: three (two of CronJobs, one of host ports) take more than 300. No spec is known by
 * its name; `--only` and `--unrun` choose rows of the tables. Output of specs that fail is kept in a folder whose name is printed.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { behaviourKey, type Row, readTables, type Tables, type Upstream, writeTables } from './specs.ts';

const { values } = parseArgs({
  options: {
    binary: { type: 'string', default: 'e2e.test' },
    kubectl: { type: 'string', default: 'kubectl' },
    kubeconfig: { type: 'string', multiple: true, default: [] },
    only: { type: 'string', default: '' },
    unrun: { type: 'boolean', default: false },
    seconds: { type: 'string', default: '300' },
  },
});
const limitSeconds = Number(values.seconds);
const folder = mkdtempSync(join(tmpdir(), 'upstream-specs-'));

/** Name of each spec by the key of its behaviour. */
const specs = await listSpecs();
let tables: Tables = Object.fromEntries(
  Object.entries(readTables()).map(([area, rows]) => [
    area,
    rows.map((row) => (specs.has(behaviourKey(row.name)) ? row : { ...row, upstream: 'absent' as const })),
  ]),
);
writeTables(tables);
const only = new RegExp(values.only);
const left = Object.values(tables)
  .flat()
  .filter((row) => row.upstream !== 'absent' && only.test(row.name) && (!values.unrun || row.upstream === 'unrun'));
console.log(`${left.length} specs to run; output in ${folder}`);
await Promise.all(values.kubeconfig.map(runLane));
const counts = Object.entries(Object.groupBy(Object.values(tables).flat(), (row) => row.upstream));
console.log(counts.map(([upstream, rows = []]) => `${upstream} ${rows.length}`).join(', '));

async function runLane(kubeconfig: string): Promise<void> {
  for (let row = left.shift(); row !== undefined; row = left.shift()) {
    const passed = await runSpec(specs.get(behaviourKey(row.name)) ?? '', kubeconfig);
    // That a spec of a changed behaviour fails is no news.
    const upstream: Upstream = passed ? 'pass' : row.upstream === 'changed' ? 'changed' : 'fails';
    console.log(`${upstream}\t${row.name}`);
    record(row.name, upstream);
  }
}

function record(name: string, upstream: Upstream): void {
  const put = ({ changed, ...row }: Row): Row => {
    const why = changed === undefined || (row.name === name && upstream !== 'changed') ? {} : { changed };
    return { ...row, ...(row.name === name ? { upstream } : {}), ...why };
  };
  tables = Object.fromEntries(Object.entries(tables).map(([area, rows]) => [area, rows.map(put)]));
  writeTables(tables);
}

interface SpecReport {
  readonly ContainerHierarchyTexts?: readonly string[] | null;
  readonly LeafNodeText?: string;
  readonly State: string;
}

async function listSpecs(): Promise<ReadonlyMap<string, string>> {
  const file = join(folder, 'specs.json');
  await run(['--ginkgo.dry-run', '--ginkgo.focus=\\[Conformance\\]', `--ginkgo.json-report=${file}`]);
  const [suite] = JSON.parse(readFileSync(file, 'utf8')) as readonly { readonly SpecReports: readonly SpecReport[] }[];
  const found = (suite?.SpecReports ?? [])
    .filter(({ State }) => State !== 'skipped')
    .map(({ ContainerHierarchyTexts, LeafNodeText = '' }) =>
      [...(ContainerHierarchyTexts ?? []), LeafNodeText].join(' '),
    )
    .filter((name) => name.endsWith('[Conformance]'));
  return new Map(found.map((name) => [behaviourKey(name), name]));
}

async function runSpec(name: string, kubeconfig: string): Promise<boolean> {
  const { ok, output } = await run([
    `--kubeconfig=${kubeconfig}`,
    `--kubectl-path=${values.kubectl}`,
    `--ginkgo.focus=${name.replaceAll(/[[\]().*+?{}|^$\\]/g, '\\$&')}`,
    `--ginkgo.timeout=${limitSeconds}s`,
    '--ginkgo.grace-period=8s',
    '--dump-logs-on-failure=false',
    '--disable-log-dump=true',
    '--node-schedulable-timeout=20s',
    '--allowed-not-ready-nodes=0',
    '--system-pods-startup-timeout=20s',
  ]);
  const passed = ok && /Ran 1 of \d+ Specs/.test(output);
  if (!passed) writeFileSync(join(folder, `${name.replaceAll(/\W+/g, '_').slice(0, 150)}.txt`), output);
  return passed;
}

function run(args: readonly string[]): Promise<{ readonly ok: boolean; readonly output: string }> {
  const all = ['--provider=skeleton', '--ginkgo.no-color', ...args];
  const options = { cwd: folder, maxBuffer: 1 << 28, timeout: (limitSeconds + 25) * 1000 };
  return new Promise((resolve) => {
    execFile(values.binary, all, options, (error, stdout, stderr) => {
      resolve({ ok: error === null, output: stdout + stderr });
    });
  });
}
