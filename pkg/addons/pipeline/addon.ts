/** The addon `pipeline`: the kinds of the delivery pipeline, and the program that serves repositories and brings runs on. It keeps both where `coxswain pipeline serve` does. */
import { dirname, join } from 'node:path';
import { pipelineDefinitions } from '#pkg/pipeline/crds.ts';
import { imageCommandOf } from '#pkg/pipeline/image-command.ts';
import { pipelineRuns, pipelines } from '#pkg/pipeline/model/types.ts';
import type { AddonCluster, AddonParts } from '../addon.ts';
import {
  type AddonObject,
  accountWithRights,
  hostProgramProblem,
  loneDeployment,
  namespaceOf,
  programPlace,
  type Rule,
} from '../objects.ts';
import {
  folderVariable,
  gitPort,
  imageCommandVariable,
  pipelineNamespace as namespace,
  runtimeClassVariable,
} from './places.ts';

const name = 'pipeline';
const labels = { app: 'coxswain-pipeline' };
const reads = ['get', 'list', 'watch'];
const { group } = pipelineRuns;

/** It deploys nothing in its own name but what the account of a pipeline may patch, and asks for that first. */
const rules: readonly Rule[] = [
  { apiGroups: [group], resources: [pipelines.resource], verbs: reads },
  { apiGroups: [group], resources: [pipelineRuns.resource], verbs: [...reads, 'create', 'delete'] },
  { apiGroups: [group], resources: [`${pipelineRuns.resource}/status`], verbs: ['patch', 'update'] },
  { apiGroups: [''], resources: ['pods'], verbs: [...reads, 'create', 'delete'] },
  { apiGroups: ['apps'], resources: ['deployments'], verbs: ['get', 'patch'] },
  { apiGroups: ['authentication.k8s.io'], resources: ['tokenreviews'], verbs: ['create'] },
  { apiGroups: ['authorization.k8s.io'], resources: ['subjectaccessreviews'], verbs: ['create'] },
];

/** The addon. */
export const pipelineAddon: AddonParts = {
  problem: (cluster) => hostProgramProblem(cluster, 'git'),
  hints: [
    'Repositories are at http://ADDRESS:5001/NAMESPACE/NAME.git, with a token of the cluster as the password:',
    'kubectl get service git -n coxswain-pipeline     says at which address, and at which port of the nodes',
    'kubectl apply -f manifests/pipeline/pipeline.yaml     is a pipeline to begin with',
  ],
  objects,
};

function objects(cluster: AddonCluster): readonly AddonObject[] {
  const place = programPlace(name, cluster);
  return [
    ...pipelineDefinitions(),
    namespaceOf(namespace),
    ...accountWithRights({ name, namespace }, rules),
    ...place.objects,
    {
      apiVersion: 'v1',
      kind: 'Service',
      metadata: { name: 'git', namespace },
      spec: { type: 'NodePort', selector: labels, ports: [{ port: gitPort, targetPort: gitPort, protocol: 'TCP' }] },
    },
    deployment(cluster, place.spec),
  ];
}

function deployment(cluster: AddonCluster, spec: Readonly<Record<string, string>>): AddonObject {
  const folder = join(cluster.dataDir, 'pipeline');
  const { runtimes, command, dataDir } = cluster;
  const imageCommand = imageCommandOf({ runtimes, command, dataDir });
  const { runtimeClassName } = spec;
  const gitFolder = dirname(cluster.programPath('git') ?? '');
  const container = {
    image: 'coxswain.dev/pipeline',
    env: [
      { name: folderVariable, value: folder },
      ...(runtimeClassName === undefined ? [] : [{ name: runtimeClassVariable, value: runtimeClassName }]),
      ...(imageCommand === undefined ? [] : [{ name: imageCommandVariable, value: JSON.stringify(imageCommand) }]),
      { name: 'PATH', value: [...new Set([gitFolder, '/usr/bin', '/bin'])].join(':') },
    ],
    ports: [{ containerPort: gitPort, protocol: 'TCP' }],
    readinessProbe: { tcpSocket: { port: gitPort }, periodSeconds: 1 },
    // The machine's own path in the container too: git and the pods of steps are told it.
    volumeMounts: [{ name: 'data', mountPath: folder }],
  };
  const volumes = [{ name: 'data', hostPath: { path: folder, type: 'DirectoryOrCreate' } }];
  return loneDeployment({ name, namespace, labels, spec: { ...spec, volumes }, container });
}
