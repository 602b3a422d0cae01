/** Schemas of what the pipeline's kinds have, with the limits and rules by which the server refuses what could not be run. */

/** A structural schema, as a CustomResourceDefinition has it. */
export type Schema = Readonly<Record<string, unknown>>;

type Rule = readonly [rule: string, message: string];

/** Most steps of a pipeline, and most that one of them waits for: the cost of the rules depends on it. */
const stepsMax = 24;
const afterMax = 8;

function text(maxLength: number, more: Schema = {}): Schema {
  return { type: 'string', maxLength, ...more };
}

/** A name as objects have it. */
const objectName = text(63, { pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' });
/** A path in the sources, which does not lead out of them. */
const sourcePath = text(256, {
  pattern: '^[^/\\s]',
  'x-kubernetes-validations': rules([
    ["!self.split('/').exists(part, part == '..')", 'must not lead out of the sources'],
  ]),
});
const seconds = { type: 'integer', format: 'int32', minimum: 0, maximum: 604_800 };
const port = { type: 'integer', format: 'int32', minimum: 1, maximum: 65_535 };
const time = text(64, { format: 'date-time' });

function rules(list: readonly Rule[]): readonly Schema[] {
  return list.map(([rule, message]) => ({ rule, message }));
}

function object(
  properties: Readonly<Record<string, Schema>>,
  required: readonly string[],
  list: readonly Rule[] = [],
): Schema {
  const validations = list.length === 0 ? {} : { 'x-kubernetes-validations': rules(list) };
  return { type: 'object', properties, ...(required.length === 0 ? {} : { required }), ...validations };
}

function listOf(items: Schema, maxItems: number, more: Schema = {}): Schema {
  return { type: 'array', items, maxItems, ...more };
}

const run = object(
  {
    image: text(512, {
      minLength: 1,
      'x-kubernetes-validations': rules([
        [
          "!self.startsWith('workspace:') || !self.replace(':', '/').split('/').exists(part, part == '..')",
          'must not lead out of the sources',
        ],
      ]),
    }),
    command: listOf(text(1024), 64),
    args: listOf(text(1024), 64),
    env: listOf(object({ name: text(128, { minLength: 1 }), value: text(4096) }, ['name', 'value']), 64),
  },
  ['image'],
);

const build = object(
  {
    image: objectName,
    context: sourcePath,
    entry: sourcePath,
    dockerfile: sourcePath,
    registry: text(256, { pattern: '^([a-z0-9-]+([.][a-z0-9-]+)+|localhost)(:[0-9]+)?$' }),
  },
  ['image'],
  [
    ['has(self.entry) != has(self.dockerfile)', 'must have exactly one of entry and dockerfile'],
    ['!has(self.registry) || has(self.dockerfile)', 'only images of a dockerfile are published to a registry'],
  ],
);

const metric = object(
  {
    port,
    path: text(256, { pattern: '^/' }),
    name: text(128, { minLength: 1 }),
    labels: { type: 'object', additionalProperties: text(256), maxProperties: 16 },
    per: text(128, { minLength: 1 }),
    max: { type: 'number' },
  },
  ['port', 'name', 'max'],
);

const deploy = object(
  {
    from: objectName,
    namespace: objectName,
    deployment: text(253, { minLength: 1 }),
    container: objectName,
    approval: { type: 'string', enum: ['Automatic', 'Manual'] },
    approvalTimeoutSeconds: { ...seconds, minimum: 1 },
    watchSeconds: seconds,
    metric,
  },
  ['from', 'namespace', 'deployment', 'container'],
);

const step = object(
  {
    name: objectName,
    after: listOf(objectName, afterMax),
    timeoutSeconds: { ...seconds, minimum: 1 },
    run,
    build,
    deploy,
  },
  ['name'],
  [
    ["self.name != 'checkout'", 'every run begins with a step of the name checkout'],
    [
      '[has(self.run), has(self.build), has(self.deploy)].filter(has, has).size() == 1',
      'must have exactly one of run, build and deploy',
    ],
  ],
);

const keyedByName = { 'x-kubernetes-list-type': 'map', 'x-kubernetes-list-map-keys': ['name'] };

const steps = {
  ...listOf(step, stepsMax, { minItems: 1, ...keyedByName }),
  'x-kubernetes-validations': rules([
    [
      'self.all(s, !has(s.after) || s.after.all(a, self.exists(t, t.name == a)))',
      'a step waits for a step that is not there',
    ],
    [
      'self.all(i, s, !has(s.after) || s.after.all(a, self.exists(j, t, j < i && t.name == a)))',
      'a step waits for steps that stand before it alone, so that none wait for each other in a circle',
    ],
    [
      'self.all(s, !has(s.deploy) || self.exists(t, t.name == s.deploy.from && has(t.build)))',
      'a step deploys what no step builds',
    ],
  ]),
};

const webhook = text(1024, { pattern: '^https?://' });
const repository = objectName;
const refPatterns = listOf(text(256, { minLength: 1 }), 16);

/** Of a Pipeline. */
export const pipelineSpec = object(
  {
    repository,
    branches: refPatterns,
    tags: refPatterns,
    serviceAccountName: objectName,
    webhook,
    keep: { type: 'integer', format: 'int32', minimum: 1, maximum: 1000 },
    steps,
  },
  ['repository', 'steps'],
);

const unchanging = ['pipeline', 'repository', 'ref', 'commit', 'sequence', 'steps'];

/** Of a PipelineRun. */
export const runSpec = object(
  {
    pipeline: objectName,
    repository,
    ref: text(256, { pattern: '^refs/(heads|tags)/' }),
    commit: text(64, { pattern: '^[0-9a-f]{40,64}$' }),
    sequence: { type: 'integer', format: 'int64', minimum: 1 },
    author: text(256),
    serviceAccountName: objectName,
    webhook,
    steps,
    approved: listOf(objectName, stepsMax, { 'x-kubernetes-list-type': 'set' }),
    cancelled: { type: 'boolean' },
  },
  unchanging,
  [
    [
      unchanging.map((name) => `self.${name} == oldSelf.${name}`).join(' && '),
      'only approved and cancelled can be changed',
    ],
    [
      '!has(oldSelf.cancelled) || !oldSelf.cancelled || (has(self.cancelled) && self.cancelled)',
      'a run stays cancelled',
    ],
  ],
);

const message = text(4096);
const stepPhase = text(32);
const verdict = object({ phase: stepPhase, reason: text(64), message }, ['phase', 'reason']);
const stepStatus = object(
  {
    name: text(63),
    phase: stepPhase,
    reason: text(64),
    message,
    approvalTime: time,
    startTime: time,
    completionTime: time,
    podName: text(253),
    image: text(4096),
    rolledOutTime: time,
    verdict,
  },
  ['name', 'phase'],
);

/** Of a PipelineRun. */
export const runStatus = object(
  {
    phase: text(32),
    reason: text(64),
    message,
    startTime: time,
    completionTime: time,
    steps: listOf(stepStatus, stepsMax + 1, keyedByName),
    notified: text(32),
  },
  ['phase', 'steps'],
  [['!has(oldSelf.completionTime) || self.phase == oldSelf.phase', 'a run that has ended stays as it ended']],
);
