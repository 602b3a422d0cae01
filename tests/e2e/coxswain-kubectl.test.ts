/**
 * `coxswain kubectl` beside kubectl 1.35: the same commands against the same cluster, each in a namespace of its own, print the same
 * lines. Names, ages and addresses that chance or time give are replaced before the comparison.
 */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { root } from '#tests/tidy/source-files.ts';
import { binary } from './kubectl-binary.ts';
import { coxswainMain, type Started, start } from './machine.ts';
import { type CommandResult, eventually, hookMs, RunningCluster, run } from './running-cluster.ts';
import { type GuestEnvironment, guestOf, runTranscript, transcripts } from './transcripts.ts';

/** The two tools and the namespace of each. */
const tools = [
  { tool: 'coxswain kubectl', namespace: 'side-a' },
  { tool: 'kubectl', namespace: 'side-b' },
] as const;

let cluster: RunningCluster;
let place: string;

beforeAll(async () => {
  place = mkdtempSync(join(tmpdir(), 'coxswain-kubectl-'));
  cluster = await RunningCluster.start();
  mkdirSync(join(place, 'folder/deeper'), { recursive: true });
  const configMap = (name: string): string =>
    JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } });
  writeFileSync(join(place, 'folder/a.yaml'), configMap('from-a'));
  writeFileSync(join(place, 'folder/b.json'), configMap('from-b'));
  writeFileSync(join(place, 'folder/notes.txt'), 'no manifest');
  writeFileSync(join(place, 'folder/deeper/c.yml'), configMap('from-c'));
  for (const { namespace } of tools) await cluster.kubectl('35', ['create', 'namespace', namespace]);
}, hookMs);

afterAll(async () => {
  await cluster?.remove();
  rmSync(place, { recursive: true, force: true });
}, hookMs);

interface Side {
  readonly tool: (typeof tools)[number]['tool'];
  readonly namespace: string;
}

function commandOf({ tool, namespace }: Side, args: readonly string[]): readonly [string, readonly string[]] {
  const words = ['--kubeconfig', cluster.kubeconfig, '-n', namespace];
  if (tool === 'kubectl') return [binary('35', 'kubectl'), [...words, ...args]];
  return [process.execPath, [coxswainMain, 'kubectl', ...args, ...words]];
}

function runOn(side: Side, args: readonly string[], input?: string): Promise<CommandResult> {
  const [command, words] = commandOf(side, args);
  return run(command, words, { ...(input === undefined ? {} : { input }), env: { HOME: place } });
}

function startOn(side: Side, args: readonly string[]): Started {
  const [command, words] = commandOf(side, args);
  return start(command, words, { env: { HOME: place } });
}

/** Between two and ten minutes an age has seconds but for a whole minute, and from then on none; CPUs are in `m` too. */
const age = /\b(\d+d)?(\d+h)?(\d+m)?\d+s\b|(?<!cpu:\s*)\b(\d+h|[2-9]m|\d\dm)\b(?! \()/g;

/** The lines of a text without what differs between two namespaces and two moments. */
function linesOf(text: string): readonly string[] {
  return text
    .replaceAll(/side-[ab]/g, 'NAMESPACE')
    .replaceAll(/\b(guestbook|kv|web|kubernetes)-[a-z0-9]{6,10}(-[a-z0-9]{5})?\b/g, '$1-HASH')
    .replaceAll(/\b3[0-2]\d{3}\/TCP/g, 'PORT/TCP')
    .replaceAll(/\bpod-template-hash[=:] ?[^\s,]+/g, 'pod-template-hash=HASH')
    .replaceAll(/\b127\.\d+\.\d+\.\d+\b/g, 'ADDRESS')
    .replaceAll(/\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}\b/g, 'UID')
    .replaceAll(/\b\S+:\/\/[0-9a-f]{16,}/g, 'CONTAINER')
    .replaceAll(/\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z\b/g, 'TIME')
    .replaceAll(/\b(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} [\d:]+ [+-]\d{4}/g, 'TIME')
    .replaceAll(age, 'AGE')
    .replaceAll(/resourceVersion: "\d+"/g, 'resourceVersion: "N"')
    .replaceAll(/"resourceVersion": "\d+"/g, '"resourceVersion": "N"')
    .split('\n')
    .map((line) => line.replaceAll(/-{3,}/g, '---').replaceAll(/\s+/g, ' ').trimEnd())
    .filter((line) => line !== '');
}

interface Shown {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
}

async function both(args: readonly string[], input?: string): Promise<readonly [Shown, Shown]> {
  const shown = await Promise.all(
    tools.map(async (side): Promise<Shown> => {
      const { code, stdout, stderr } = await runOn(side, args, input);
      return { code, out: linesOf(stdout), err: linesOf(stderr) };
    }),
  );
  return shown as unknown as readonly [Shown, Shown];
}

/** Both print the same lines; sorted where their order is that of names which chance gives. */
async function same(
  args: readonly string[],
  options: { readonly input?: string; readonly anyOrder?: boolean } = {},
): Promise<Shown> {
  const ordered = (lines: readonly string[]): readonly string[] =>
    options.anyOrder === true ? lines.toSorted() : lines;
  const [ours, theirs] = await both(args, options.input);
  expect({ ...ours, out: ordered(ours.out) }, args.join(' ')).toEqual({ ...theirs, out: ordered(theirs.out) });
  return ours;
}

/** The lines that one of them says of these objects and the other does not. */
async function describedOtherwise(args: readonly string[]): Promise<readonly string[]> {
  const [ours, theirs] = await both(['describe', ...args]);
  // Events come in the order of their times, which differ, and only kubectl's own apply leaves an annotation.
  const comparable = (lines: readonly string[]): readonly string[] =>
    lines
      .filter((line) => !/^ ?(Normal|Warning) |last-applied-configuration|deployment.kubernetes.io/.test(line))
      .map((line) => line.trim().replace(/kube-api-access-[a-z0-9]{5}/, 'kube-api-access-xxxxx'));
  const [mine, real] = [comparable(ours.out), comparable(theirs.out)];
  return [
    ...real.filter((line) => !mine.includes(line)).map((line) => `${args.join(' ')}: only kubectl: ${line}`),
    ...mine.filter((line) => !real.includes(line)).map((line) => `${args.join(' ')}: only ours: ${line}`),
  ];
}

const configMaps = (value: string): string =>
  ['one', 'two']
    .map(
      (name) =>
        `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}}\ndata: {a: ${name === 'one' ? value : 'fixed'}}\n`,
    )
    .join('---\n');

describe('the same lines as kubectl', () => {
  test('apply: created, unchanged, configured; many documents, standard input, a folder', async () => {
    await same(['apply', '-f', '-'], { input: configMaps('b') });
    await same(['apply', '-f', '-'], { input: configMaps('b') });
    expect((await same(['apply', '-f', '-'], { input: configMaps('c') })).out).toEqual([
      'configmap/one configured',
      'configmap/two unchanged',
    ]);
    expect((await same(['apply', '-f', join(place, 'folder')])).out).toHaveLength(2);
    expect((await same(['apply', '-R', '-f', join(place, 'folder')])).out).toHaveLength(3);
    await same(['delete', '-R', '-f', join(place, 'folder')]);
    await same(['apply', '-f', '-', '-o', 'name'], { input: configMaps('c') });
  });

  test('apply of the guestbook, rollout status, and every form of get', async () => {
    const manifest = (await import('node:fs'))
      .readFileSync('manifests/guestbook.yaml', 'utf8')
      .replace(/\n *nodePort: \d+/, '');
    await same(['apply', '-f', '-'], { input: manifest });
    for (const side of tools) {
      const status = await runOn(side, ['rollout', 'status', 'deployment/guestbook', '--timeout=60s']);
      expect(status.stdout).toMatch(/deployment "guestbook" successfully rolled out\n$/);
      await runOn(side, ['rollout', 'status', 'deployment/kv', '--timeout=60s']);
    }
    await same(['rollout', 'status', 'deployment/guestbook']);
    await same(['get', 'deployments']);
    await same(['get', 'deploy', '-o', 'wide']);
    await same(['get', 'deploy/kv', 'svc/kv', '-o', 'name']);
    await same(['get', 'deploy,services,configmaps']);
    await same(['get', 'pods', '-l', 'tier=frontend'], { anyOrder: true });
    await same(['get', 'pods', '-l', 'tier=frontend', '-o', 'name'], { anyOrder: true });
    await same(['get', 'pods', '--no-headers', '-l', 'tier=store', '-o', 'wide']);
    await same(['get', 'pods', '--show-labels', '-l', 'tier=store']);
    await same(['get', 'configmap', 'one', '-o', 'jsonpath={.data.a}']);
    await same(['get', 'all'], { anyOrder: true });
    await same(['get', 'nodes']);
    await same(['get', 'namespaces'], { anyOrder: true });
    await same(['get', 'pods', 'missing']);
    await same(['get', 'ships']);
    await same(['get', 'secrets', '-l', 'no=such']);
    await same(['get', 'service', 'kv', 'missing', '-o', 'name']);
  });

  test('get -A lists all namespaces', async () => {
    const { out } = await same(['get', 'services', '-A'], { anyOrder: true });
    expect(out.filter((line) => line.startsWith('NAMESPACE kv '))).toHaveLength(2);
  });

  test('get -o yaml and json hold the same object', async () => {
    const [ours, theirs] = await Promise.all(
      tools.map((side) => runOn(side, ['get', 'configmap', 'two', '-o', 'yaml'])),
    );
    // What kubectl's own client-side apply notes of itself is not ours to write.
    const plain = (text: string): readonly string[] =>
      linesOf(text).filter((line) => !/annotations:|last-applied|^ \{"apiVersion"/.test(line));
    expect(plain(ours!.stdout)).toEqual(plain(theirs!.stdout));
    const [one, other] = await Promise.all(tools.map((side) => runOn(side, ['get', 'services', '-o', 'json'])));
    expect(Object.keys(JSON.parse(one!.stdout))).toEqual(Object.keys(JSON.parse(other!.stdout)));
  });

  test('label and annotate', async () => {
    await same(['label', 'configmap/one', 'tier=front']);
    await same(['label', 'configmap/one', 'tier=front']);
    await same(['label', 'configmap/one', 'tier=back']);
    await same(['label', 'configmap/one', 'tier=back', '--overwrite']);
    await same(['label', 'configmap', 'one', 'tier-']);
    await same(['label', 'configmap', '--all', 'all=yes'], { anyOrder: true });
    await same(['annotate', 'configmap/one', 'note=seen']);
    await same(['annotate', 'configmap/one', 'note-']);
    await same(['label', 'configmap/one']);
    await same(['label', 'configmap/one', 'bad label=x']);
  });

  test('scale, rollout history, pause, resume, restart, undo', async () => {
    await same(['scale', 'deployment/kv', '--replicas=0']);
    await same(['scale', 'deployment', 'kv', '--replicas=1', '--current-replicas=7']);
    await same(['scale', 'deployment', 'kv', '--replicas=1']);
    await same(['scale', 'deployment', 'missing', '--replicas=1']);
    await same(['rollout', 'history', 'deployment/guestbook']);
    await same(['rollout', 'pause', 'deployment/guestbook']);
    await same(['rollout', 'pause', 'deployment/guestbook']);
    await same(['rollout', 'undo', 'deployment/guestbook']);
    await same(['rollout', 'resume', 'deployment/guestbook']);
    await same(['rollout', 'undo', 'deployment/guestbook']);
    await same(['rollout', 'restart', 'deployment/guestbook']);
    for (const side of tools) await runOn(side, ['rollout', 'status', 'deployment/guestbook', '--timeout=60s']);
    await same(['rollout', 'history', 'deployment/guestbook']);
    await same(['rollout', 'undo', 'deployment/guestbook']);
    await same(['rollout', 'undo', 'deployment/guestbook', '--to-revision=99']);
    for (const side of tools) await runOn(side, ['rollout', 'status', 'deployment/guestbook', '--timeout=60s']);
  });

  test('wait', async () => {
    await same(['wait', '--for=condition=Available', 'deployment/guestbook', '--timeout=30s']);
    await same(['wait', '--for=jsonpath={.data.a}=c', 'configmap/one', '--timeout=5s']);
    await same(['wait', '--for=condition=Ready', 'pod', '-l', 'no=such', '--timeout=1s']);
    await same(['wait', '--for=condition=Sunk', 'deployment/guestbook', '--timeout=1s']);
    await same(['wait', '--for=condition=Ready', 'pod/missing', '--timeout=1s']);
    await same(['wait', '--for=delete', 'pod/missing', '--timeout=1s']);
  });

  test('describe', async () => {
    for (const args of [
      ['deployment', 'guestbook'],
      ['service', 'guestbook'],
      ['pod', '-l', 'tier=store'],
      ['configmap', 'one'],
      ['secret', 'kv'],
      ['node'],
      ['namespace', 'default'],
    ]) {
      // What the tests before have changed may still be on its way.
      await eventually(
        () => describedOtherwise(args),
        (lines) => lines.length === 0,
      );
    }
  });

  test('delete', async () => {
    await same(['delete', 'configmap', 'one', 'two']);
    await same(['delete', 'configmap', 'one']);
    await same(['delete', 'configmap', 'one', '--ignore-not-found']);
    await same(['delete', 'pods']);
    await same(['delete', 'deployment/kv', 'service/kv']);
    await same(['delete', 'configmaps', '-l', 'app=guestbook']);
  });
});

/** What is read of the same objects is the same to the byte, but for the ages that pass between the two commands. */
describe('the same bytes as kubectl', () => {
  const [{ namespace }] = tools;
  const read = async (side: Side, args: readonly string[]) => {
    const { code, stdout, stderr } = await runOn({ ...side, namespace }, args);
    const plain = (text: string): string =>
      text.replaceAll(/\b((\d+m)?\d+s|\d+m)( +|\b)/g, 'AGE ').replaceAll("See 'kubectl", "See 'coxswain kubectl");
    return { code, stdout: plain(stdout), stderr: plain(stderr) };
  };

  beforeAll(async () => {
    const weird = {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: { name: 'weird', labels: { set: 'bytes', tier: 'one' }, annotations: { 'a/b': '<html>&amp;' } },
      data: {
        a1: '<b>&</b>',
        a10: 'true',
        a2: '0x1F',
        'block.yaml': 'a: b\n- c\n',
        dash: '- dash',
        double: 'tab\there \u0007 🚀',
        edges: ' both ',
        empty: '',
        long: Array.from({ length: 60 }, (_, index) => `word${index}`).join(' '),
        plain: 'ünï: ok',
        quoted: "it's: 'so'",
      },
    };
    const other = {
      ...weird,
      metadata: { name: 'weird-2', labels: { set: 'bytes', tier: 'two' } },
      data: { size: '1Ki' },
    };
    for (const object of [weird, other])
      expect((await runOn({ ...tools[1], namespace }, ['create', '-f', '-'], JSON.stringify(object))).code).toBe(0);
  }, hookMs);

  test.each([
    ...[
      'yaml',
      'json',
      'name',
      'wide',
      'jsonpath={.items[*].data}',
      'jsonpath-as-json={.items[0].metadata.labels}',
    ].map((form) => ['get', 'configmaps', '-l', 'set=bytes', '-o', form]),
    ['get', 'configmap', 'weird', '-o', 'yaml'],
    ['get', 'configmap', 'weird', '-o', 'json', '--show-managed-fields'],
    ['get', 'cm', '-l', 'set=bytes', '-o', 'jsonpath={range .items[*]}{.metadata.name}{"\\t"}{.data.a2}{"\\n"}{end}'],
    ['get', 'cm', '-l', 'set=bytes', '-o', 'jsonpath={.items[?(@.data.size=="1Ki")].metadata.name}'],
    ['get', 'cm', '-l', 'set=bytes', '-o', 'custom-columns=NAME:.metadata.name,LABELS:.metadata.labels,NONE:.none'],
    ['get', 'cm', '-l', 'set=bytes', '-L', 'tier,none', '--show-labels'],
    ['get', 'cm', '-l', 'set=bytes', '--show-kind', '--no-headers'],
    ['get', 'cm', '-l', 'set=bytes', '--sort-by=.metadata.labels.tier'],
    ['get', 'cm', '-l', 'set=bytes', '--sort-by={.data.size}', '-o', 'name'],
    ['get', '--raw', '/healthz'],
    ['get', '-Al', 'set=bytes', 'cm'],
    ['get'],
    ['get', 'CM'],
    ['get', 'cm/weird', 'cm'],
    ['get', 'cm/weird/more'],
    ['get', 'cm', 'missing'],
    ['get', 'cm', '-l', 'a in ('],
    ['get', 'cm', '--field-selector', 'data.a=b'],
    ['get', 'cm', '--bogus'],
    ['get', 'cm', '-Az'],
    ['get', 'cm', '-o', 'jsonpath={.a'],
    ['describe'],
    ['describe', 'cm', '-l', 'set=bytes'],
    ['describe', 'cm', 'weird-'],
    ['describe', 'sa', 'default'],
    ['describe', 'ns', 'default'],
    ['delete'],
    ['delete', 'cm', '--all', 'x'],
    ['delete', 'pod', 'x', '--now', '--grace-period=3'],
    ['logs'],
    ['logs', 'deploy/missing'],
    ['scale', 'deploy/x'],
    ['scale', '--replicas=x', 'deploy/x'],
    ['rollout', 'status'],
    ['rollout', 'restart', 'cm/weird'],
    ['rollout', 'history', 'pod/missing'],
    ['wait', '--for=condition=Ready'],
    ['wait', '--for=create', 'cm/missing', '--timeout=1s'],
    ['label', 'cm', 'weird', 'a=b=c'],
    ['label', 'cm', 'weird', 'a=b', 'a-'],
    ['annotate'],
    ['apply'],
    ['apply', '-f', '/does/not/exist'],
  ])('%j %j %j %j %j %j', async (...args) => {
    const [ours, theirs] = await Promise.all(tools.map((side) => read(side, args)));
    expect(ours).toEqual(theirs);
  });
});

describe('what goes on', () => {
  const [ours] = tools;

  test('get -w shows what is there and what changes', async () => {
    const watch = startOn(ours, ['get', 'configmaps', '-w', '-l', 'watched=yes']);
    try {
      await cluster.kubectl('35', ['-n', ours.namespace, 'create', 'configmap', 'seen']);
      await cluster.kubectl('35', ['-n', ours.namespace, 'label', 'configmap', 'seen', 'watched=yes']);
      await eventually(
        async () => watch.stdout(),
        (text) => /^seen +0 +\d+s$/m.test(text),
      );
    } finally {
      watch.child.kill('SIGINT');
    }
    expect((await watch.ended).stdout).toMatch(/^NAME +DATA +AGE\n/);
  });

  test('logs, logs -f until the pod has gone, and logs --previous', async () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'talker' },
      spec: {
        terminationGracePeriodSeconds: 1,
        containers: [{ name: 'main', image: 'coxswain.dev/job:v1', args: ['--seconds', '0', '--exit-code', '3'] }],
      },
    };
    expect((await runOn(ours, ['apply', '-f', '-'], JSON.stringify(pod))).stdout).toBe('pod/talker created\n');
    await eventually(
      () => runOn(ours, ['get', 'pod', 'talker', '-o', 'jsonpath={.status.containerStatuses[0].restartCount}']),
      ({ stdout }) => Number(stdout) >= 1,
    );
    const previous = await runOn(ours, ['logs', 'talker', '--previous']);
    expect(previous).toMatchObject({ code: 0, stderr: '' });
    const real = await cluster.tryKubectl('35', ['-n', ours.namespace, 'logs', 'talker', '--previous']);
    expect(previous.stdout).toBe(real.stdout);
    const missing = await runOn(ours, ['logs', 'nobody']);
    expect(missing).toMatchObject({
      code: 1,
      stderr: 'error: error from server (NotFound): pods "nobody" not found in namespace "side-a"\n',
    });
    expect((await cluster.tryKubectl('35', ['-n', ours.namespace, 'logs', 'nobody'])).stderr).toBe(missing.stderr);

    const web = { name: 'web', image: 'coxswain.dev/echo:v1' };
    const server = { ...pod, metadata: { name: 'web' }, spec: { ...pod.spec, containers: [web] } };
    await runOn(ours, ['apply', '-f', '-'], JSON.stringify(server));
    expect((await runOn(ours, ['wait', '--for=condition=Ready', 'pod/web', '--timeout=100s'])).code).toBe(0);
    const follow = startOn(ours, ['logs', '-f', 'pod/web']);
    await eventually(
      async () => follow.stdout(),
      (text) => text.length > 0,
    );
    expect((await runOn(ours, ['delete', 'pod', 'web', 'talker'])).code).toBe(0);
    expect((await follow.ended).code).toBe(0);
  });
});

/** What is said otherwise: kustomizations are read here, by no version of kustomize. */
const leftOut = ['kubectl version'];

describe('the transcripts of kubectl', () => {
  let env: GuestEnvironment;

  beforeAll(async () => {
    const words = [process.execPath, join(root, 'cmd/coxswain/bin.js'), 'kubectl'];
    env = await guestOf(cluster, 'ours', { words });
  }, hookMs);

  test.each(transcripts)('%s', (file) =>
    runTranscript(file, env, (command) => leftOut.some((word) => command.startsWith(word))),
  );
});

/** Commands, files and ports of a container, as `streams.test.ts` has them for kubectl. */
describe('what goes over streams', () => {
  const [ours] = tools;
  const pod = { kind: 'Pod', apiVersion: 'v1', metadata: { name: 'streams' }, spec: { containers: [container()] } };

  function container() {
    return { name: 'main', image: 'coxswain.dev/echo', ports: [{ containerPort: 8080 }] };
  }

  beforeAll(async () => {
    expect((await runOn(ours, ['create', '-f', '-'], JSON.stringify(pod))).code).toBe(0);
    expect((await runOn(ours, ['wait', '--for=condition=Ready', 'pod/streams', '--timeout=100s'])).code).toBe(0);
  }, hookMs);

  /** The connection's flags stand before the command, whose words end the line. */
  function runCommand(words: readonly string[], input?: string): Promise<CommandResult> {
    const where = ['--kubeconfig', cluster.kubeconfig, '-n', ours.namespace];
    return run(process.execPath, [coxswainMain, 'kubectl', ...where, ...words], {
      env: { HOME: cluster.dataDir },
      ...(input === undefined ? {} : { input }),
    });
  }

  test('exec: output, input, exit codes and what is missing', async () => {
    const both = await runCommand(['exec', 'streams', '--', 'sh', '-c', 'echo out; echo err >&2; exit 3']);
    expect(both).toEqual({ code: 3, stdout: 'out\n', stderr: 'err\ncommand terminated with exit code 3\n' });
    const typed = await runCommand(
      ['exec', '-i', 'streams', '--', 'sh', '-c', 'read x; echo "<$x>"; wc -c'],
      'one\ntwo\n',
    );
    expect([typed.code, typed.stdout]).toEqual([0, '<one>\n4\n']);
    const missing = await runCommand(['exec', 'streams', '--', 'nonesuch']);
    expect([missing.code, missing.stderr]).toEqual([1, expect.stringContaining('executable file not found in $PATH')]);
    const long = await runCommand(['exec', 'streams', '--', 'sh', '-c', 'yes 0123456789 | head -n 100000']);
    expect(long.stdout.length).toBe(1_100_000);
  });

  test('cp there and back', async () => {
    const text = 'x'.repeat(300_000);
    mkdirSync(join(place, 'tree/deep'), { recursive: true });
    writeFileSync(join(place, 'tree/deep/big'), text);
    expect((await runCommand(['cp', join(place, 'tree'), 'streams:/tmp/tree'])).code).toBe(0);
    expect((await runCommand(['cp', 'streams:/tmp/tree', join(place, 'back')])).code).toBe(0);
    expect(readFileSync(join(place, 'back/deep/big'), 'utf8') === text).toBe(true);
    const none = await runCommand(['cp', 'streams:/tmp/none', join(place, 'none')]);
    expect([none.code, existsSync(join(place, 'none'))]).toEqual([1, false]);
  });

  test('run with an input gives back the exit code, and takes the pod away', async () => {
    const words = [
      'run',
      'reader',
      '-i',
      '--rm',
      '--restart=Never',
      '--image=coxswain.dev/pause',
      '--command',
      '--',
      'sh',
    ];
    const { code, stdout } = await runCommand(words, 'echo "I am $HOSTNAME"; exit 4\n');
    expect([code, stdout]).toEqual([4, expect.stringMatching(/I am reader\n[\s\S]*pod "reader" deleted/)]);
  });
});
