/** What pods may ask for: one row for each rule about volumes, containers and placement that is easily broken. */
import { expect, test } from 'vitest';
import { createErrors, strategyOf } from '../../testing.ts';

const pods = strategyOf('pods');

function pod(spec: object = {}, container: object = {}): object {
  return {
    metadata: { name: 'web', namespace: 'default' },
    spec: { containers: [{ name: 'c', image: 'web', ...container }], ...spec },
  };
}

const volume = (source: object): object => ({ volumes: [{ name: 'v', ...source }] });
const mount = (fields: object): object => ({ volumeMounts: [{ name: 'v', mountPath: '/v', ...fields }] });
const onEmptyDir = volume({ emptyDir: {} });

test.each<[string, object, readonly string[]]>([
  ['no source', volume({}), []],
  [
    'a claim without name',
    volume({ persistentVolumeClaim: {} }),
    ['spec.volumes[0].persistentVolumeClaim.claimName: Required value'],
  ],
  ['a claim', volume({ persistentVolumeClaim: { claimName: 'data' } }), []],
  [
    'a host path that goes up',
    volume({ hostPath: { path: '/a/../b' } }),
    ['spec.volumes[0].hostPath.path: Invalid value: "/a/../b": must not contain \'..\''],
  ],
  [
    'a host path of unknown type',
    volume({ hostPath: { path: '/a', type: 'Pipe' } }),
    [
      'spec.volumes[0].hostPath.type: Unsupported value: "Pipe": supported values: "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket"',
    ],
  ],
  [
    'a negative size',
    volume({ emptyDir: { sizeLimit: '-1' } }),
    ['spec.volumes[0].emptyDir.sizeLimit: Forbidden: SizeLimit field must be a valid resource quantity'],
  ],
  [
    'an NFS path that is relative',
    volume({ nfs: { server: 's', path: 'a' } }),
    ['spec.volumes[0].nfs.path: Invalid value: "a": must be an absolute path'],
  ],
  [
    'a file mode too high',
    volume({ configMap: { name: 'c', defaultMode: 0o1000 } }),
    [
      'spec.volumes[0].configMap.defaultMode: Invalid value: 512: must be a number between 0 and 0777 (octal), both inclusive',
    ],
  ],
  [
    'a key without path',
    volume({ secret: { secretName: 's', items: [{ key: 'k', path: '' }] } }),
    ['spec.volumes[0].secret.items[0].path: Required value'],
  ],
  [
    'a path that leaves the volume',
    volume({ configMap: { name: 'c', items: [{ key: 'k', path: '../x' }] } }),
    ['spec.volumes[0].configMap.items[0].path: Invalid value: "../x": must not contain \'..\''],
  ],
  [
    'a downward field of nothing',
    volume({ downwardAPI: { items: [{ path: 'a' }] } }),
    ['spec.volumes[0].downwardAPI: Required value: one of fieldRef and resourceFieldRef is required'],
  ],
  [
    'a downward field of the pod that is none',
    volume({ downwardAPI: { items: [{ path: 'a', fieldRef: { fieldPath: 'spec.image' } }] } }),
    [
      'spec.volumes[0].downwardAPI.fieldRef.fieldPath: Invalid value: "spec.image": error converting fieldPath: field label not supported: spec.image',
    ],
  ],
  [
    'a token that lives a minute',
    volume({ projected: { sources: [{ serviceAccountToken: { path: 't', expirationSeconds: 60 } }] } }),
    [
      'spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds: Invalid value: 60: may not specify a duration less than 10 minutes',
      'spec.volumes[0].projected.sources[0].serviceAccountToken: Forbidden: must not be specified when serviceAccountName is not set',
    ],
  ],
  [
    'two projected files at one path',
    volume({
      projected: {
        sources: [
          { secret: { name: 's', items: [{ key: 'k', path: 'x' }] } },
          { configMap: { name: 'c', items: [{ key: 'k', path: 'x' }] } },
        ],
      },
    }),
    ['spec.volumes[0].projected: Invalid value: "c": conflicting duplicate paths'],
  ],
  [
    'a CSI driver without name',
    volume({ csi: {} }),
    [
      'spec.volumes[0].csi.driver: Required value',
      "spec.volumes[0].csi.driver: Invalid value: \"\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  [
    'an ephemeral claim without spec',
    volume({ ephemeral: { volumeClaimTemplate: {} } }),
    [
      'spec.volumes[0].ephemeral.volumeClaimTemplate.spec.accessModes: Required value: at least 1 access mode is required',
      'spec.volumes[0].ephemeral.volumeClaimTemplate.spec.resources[storage]: Required value',
    ],
  ],
  [
    'a name that is no label',
    { volumes: [{ name: 'V_1', emptyDir: {} }] },
    [
      "spec.volumes[0].name: Invalid value: \"V_1\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  [
    'a name that comes twice',
    {
      volumes: [
        { name: 'v', emptyDir: {} },
        { name: 'v', emptyDir: {} },
      ],
    },
    ['spec.volumes[1].name: Duplicate value: "v"'],
  ],
])('volumes with %s', (_what, spec, errors) => {
  expect(createErrors(pods, pod(spec))).toEqual(errors);
});

test.each<[string, object, readonly string[]]>([
  [
    'a mount of no volume',
    { volumeMounts: [{ name: 'x', mountPath: '/x' }] },
    ['spec.containers[0].volumeMounts[0].name: Not found: "x"'],
  ],
  ['a mount without path', mount({ mountPath: '' }), ['spec.containers[0].volumeMounts[0].mountPath: Required value']],
  [
    'two mounts at one path',
    {
      volumeMounts: [
        { name: 'v', mountPath: '/v' },
        { name: 'v', mountPath: '/v' },
      ],
    },
    ['spec.containers[0].volumeMounts[1].mountPath: Invalid value: "/v": must be unique'],
  ],
  [
    'a mount of a part above',
    mount({ subPath: '../x' }),
    ['spec.containers[0].volumeMounts.subPath: Invalid value: "../x": must not contain \'..\''],
  ],
  [
    'both kinds of parts',
    mount({ subPath: 'a', subPathExpr: '$(A)' }),
    [
      'spec.containers[0].volumeMounts[0].subPathExpr: Invalid value: "$(A)": subPathExpr and subPath are mutually exclusive',
    ],
  ],
  [
    'propagation to the host without privilege',
    mount({ mountPropagation: 'Bidirectional' }),
    [
      'spec.containers[0].volumeMounts.mountPropagation: Forbidden: Bidirectional mount propagation is available only to privileged containers',
    ],
  ],
  [
    'a read-only mount that is so only in part',
    mount({ recursiveReadOnly: 'Enabled' }),
    ['spec.containers[0].volumeMounts.recursiveReadOnly: Forbidden: may only be specified when readOnly is true'],
  ],
  ['no image', { image: '' }, ['spec.containers[0].image: Required value']],
  [
    'an image with a blank',
    { image: ' web' },
    ['spec.containers[0].image: Invalid value: " web": must not have leading or trailing whitespace'],
  ],
  [
    'an unknown pull policy',
    { imagePullPolicy: 'Sometimes' },
    [
      'spec.containers[0].imagePullPolicy: Unsupported value: "Sometimes": supported values: "Always", "IfNotPresent", "Never"',
    ],
  ],
  [
    'a port of unknown protocol',
    { ports: [{ containerPort: 80, protocol: 'HTTP' }] },
    ['spec.containers[0].ports[0].protocol: Unsupported value: "HTTP": supported values: "SCTP", "TCP", "UDP"'],
  ],
  [
    'a host port unlike its port on the network of the host',
    { ports: [{ containerPort: 80, hostPort: 70_000 }] },
    ['spec.containers[0].ports[0].hostPort: Invalid value: 70000: must be between 1 and 65535, inclusive'],
  ],
  [
    'a port name too long',
    { ports: [{ containerPort: 80, name: 'a-very-long-name' }] },
    ['spec.containers[0].ports[0].name: Invalid value: "a-very-long-name": must be no more than 15 bytes'],
  ],
  [
    'a variable name with =',
    { env: [{ name: 'a=b' }] },
    [
      'spec.containers[0].env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of printable ASCII characters other than \'=\'',
    ],
  ],
  [
    'a variable with value and source',
    { env: [{ name: 'A', value: 'x', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }] },
    ['spec.containers[0].env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty'],
  ],
  [
    'a variable from an unknown field',
    { env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'status.phase' } } }] },
    [
      'spec.containers[0].env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: "metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", "status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
    ],
  ],
  [
    'variables from nowhere',
    { envFrom: [{}] },
    ['spec.containers[0].envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`'],
  ],
  [
    'a limit below the request',
    { resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } },
    ['spec.containers[0].resources.requests: Invalid value: "2": must be less than or equal to cpu limit of 1'],
  ],
  [
    'a resource of unknown name',
    { resources: { requests: { gpu: '1' } } },
    [
      'spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
      'spec.containers[0].resources.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers',
    ],
  ],
  [
    'half an extended resource',
    { resources: { requests: { 'example.com/gpu': '500m' }, limits: { 'example.com/gpu': '500m' } } },
    [
      'spec.containers[0].resources.limits[example.com/gpu]: Invalid value: "500m": must be an integer',
      'spec.containers[0].resources.requests[example.com/gpu]: Invalid value: "500m": must be an integer',
    ],
  ],
  [
    'an extended resource without limit',
    { resources: { requests: { 'example.com/gpu': '1' } } },
    ['spec.containers[0].resources.limits: Required value: Limit must be set for non overcommitable resources'],
  ],
  [
    'a probe of no kind',
    { livenessProbe: {} },
    ['spec.containers[0].livenessProbe: Required value: must specify a handler type'],
  ],
  [
    'a probe of a path that is empty',
    { readinessProbe: { exec: { command: [] } } },
    ['spec.containers[0].readinessProbe.exec.command: Required value'],
  ],
  [
    'a probe at a port too high',
    { readinessProbe: { tcpSocket: { port: 70_000 } } },
    ['spec.containers[0].readinessProbe.tcpSocket.port: Invalid value: 70000: must be between 1 and 65535, inclusive'],
  ],
  [
    'a hook with an unknown scheme',
    { lifecycle: { preStop: { httpGet: { path: '/', port: 80, scheme: 'FTP' } } } },
    [
      'spec.containers[0].lifecycle.preStop.httpGet.scheme: Unsupported value: "FTP": supported values: "HTTP", "HTTPS"',
    ],
  ],
  [
    'a privileged user below zero',
    { securityContext: { runAsUser: -1 } },
    ['spec.containers[0].securityContext.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive'],
  ],
  [
    'privilege without escalation',
    { securityContext: { privileged: true, allowPrivilegeEscalation: false } },
    [
      'spec.containers[0].securityContext: Invalid value: {"privileged":true,"allowPrivilegeEscalation":false}: cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
    ],
  ],
  [
    'a working folder and an unknown message policy',
    { workingDir: '/x', terminationMessagePolicy: 'Never' },
    [
      'spec.containers[0].terminationMessagePolicy: Unsupported value: "Never": supported values: "File", "FallbackToLogsOnError"',
    ],
  ],
  ['a relative message path', { terminationMessagePath: 'log' }, []],
  ['a terminal without input', { tty: true, stdin: false }, []],
  [
    'a seccomp profile that names no file',
    { securityContext: { seccompProfile: { type: 'Localhost' } } },
    [
      'spec.containers[0].securityContext.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost',
    ],
  ],
])('a container with %s', (_what, container, errors) => {
  expect(createErrors(pods, pod(onEmptyDir, container))).toEqual(errors);
});

test.each<[string, object, readonly string[]]>([
  ['no containers', { containers: [] }, ['spec.containers: Required value']],
  [
    'two containers of one name',
    {
      containers: [
        { name: 'c', image: 'a' },
        { name: 'c', image: 'b' },
      ],
    },
    ['spec.containers[1].name: Duplicate value: "c"'],
  ],
  [
    'an init container named like another',
    { initContainers: [{ name: 'c', image: 'a' }] },
    ['spec.initContainers[0].name: Duplicate value: "c"'],
  ],
  [
    'an init container with a hook',
    { initContainers: [{ name: 'i', image: 'a', lifecycle: { postStart: { exec: { command: ['x'] } } } }] },
    ['spec.initContainers[0].lifecycle: Forbidden: may not be set for init containers without restartPolicy=Always'],
  ],
  [
    'restart rules of a container',
    {
      restartPolicy: 'Never',
      initContainers: [{ name: 'i', image: 'a', restartPolicy: 'OnFailure' }],
      containers: [
        {
          name: 'c',
          image: 'a',
          restartPolicy: 'Never',
          restartPolicyRules: [{ action: 'Restart', exitCodes: { operator: 'In', values: [42] } }],
        },
      ],
    },
    [],
  ],
  [
    'restart rules that are none',
    {
      containers: [
        {
          name: 'c',
          image: 'a',
          restartPolicyRules: [
            { action: 'Stop' },
            { action: 'Restart', exitCodes: { operator: 'Like', values: Array.from({ length: 256 }, () => 1) } },
          ],
        },
        { name: 'd', image: 'a', restartPolicy: 'Sometimes' },
      ],
    },
    [
      'spec.containers[0].restartPolicy: Required value: must specify restartPolicy when restart rules are used',
      'spec.containers[0].restartPolicyRules[0].action: Unsupported value: "Stop": supported values: "Restart"',
      'spec.containers[0].restartPolicyRules[0].exitCodes: Required value: must be specified',
      'spec.containers[0].restartPolicyRules[1].exitCodes.operator: Unsupported value: "Like": supported values: "In", "NotIn"',
      'spec.containers[0].restartPolicyRules[1].exitCodes.values: Too many: 256: must have at most 255 items',
      'spec.containers[1].restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
    ],
  ],
  [
    'a deadline of zero',
    { activeDeadlineSeconds: 0 },
    ['spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive'],
  ],
  [
    'a host name that is none',
    { hostname: 'A' },
    [
      "spec.hostname: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  [
    'a name of a service account that is none',
    { serviceAccountName: 'A_' },
    [
      "spec.serviceAccountName: Invalid value: \"A_\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
    ],
  ],
  [
    'name servers of its own, and none',
    { dnsPolicy: 'None' },
    ['spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None'],
  ],
  [
    'too many search domains',
    { dnsConfig: { searches: Array.from({ length: 33 }, (_, index) => `d${index}`) } },
    [
      'spec.dnsConfig.searches: Invalid value: ["d0","d1","d2","d3","d4","d5","d6","d7","d8","d9","d10","d11","d12","d13","d14","d15","d16","d17","d18","d19","d20","d21","d22","d23","d24","d25","d26","d27","d28","d29","d30","d31","d32"]: must not have more than 32 search paths',
    ],
  ],
  [
    'a host alias at no address',
    { hostAliases: [{ ip: 'x', hostnames: ['a'] }] },
    ['spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'],
  ],
  [
    'a sysctl that comes twice',
    {
      securityContext: {
        sysctls: [
          { name: 'a.b', value: '1' },
          { name: 'a.b', value: '2' },
        ],
      },
    },
    ['spec.securityContext.sysctls[1].name: Duplicate value: "a.b"'],
  ],
  [
    'an unknown rule for groups of files',
    { securityContext: { fsGroupChangePolicy: 'Never' } },
    [
      'spec.securityContext.fsGroupChangePolicy: Unsupported value: "Never": supported values: "Always", "OnRootMismatch"',
    ],
  ],
  [
    'an unknown readiness gate',
    { readinessGates: [{ conditionType: 'a b' }] },
    [
      "spec.readinessGates[0].conditionType: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
  ],
  [
    'an unknown pre-emption policy',
    { preemptionPolicy: 'Maybe' },
    ['spec.preemptionPolicy: Unsupported value: "Maybe": supported values: "PreemptLowerPriority", "Never"'],
  ],
  [
    'fields of another system',
    { os: { name: 'windows' }, securityContext: { runAsUser: 1 } },
    ['spec.securityContext.runAsUser: Forbidden: cannot be set for a windows pod'],
  ],
  [
    'an unknown system',
    { os: { name: 'plan9' } },
    ['spec.os: Unsupported value: "plan9": supported values: "linux", "windows"'],
  ],
  [
    'a gate that comes twice',
    { schedulingGates: [{ name: 'a' }, { name: 'a' }] },
    ['spec.schedulingGates[1]: Duplicate value: "a"'],
  ],
  [
    'a gate and a node',
    { nodeName: 'n', schedulingGates: [{ name: 'a' }] },
    ['spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared'],
  ],
  [
    'a process namespace of the host, shared',
    { hostPID: true, shareProcessNamespace: true },
    [
      'spec.securityContext.shareProcessNamespace: Invalid value: true: ShareProcessNamespace and HostPID cannot both be enabled',
    ],
  ],
])('a pod with %s', (_what, spec, errors) => {
  expect(createErrors(pods, pod(spec))).toEqual(errors);
});

const term = { topologyKey: 'zone', labelSelector: {} };
const required = (affinity: string, terms: unknown): object => ({
  affinity: { [affinity]: { requiredDuringSchedulingIgnoredDuringExecution: terms } },
});

test.each<[string, object, readonly string[]]>([
  [
    'no node terms',
    required('nodeAffinity', { nodeSelectorTerms: [] }),
    [
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms: Required value: must have at least one node selector term',
    ],
  ],
  [
    'an operator that does not exist',
    required('nodeAffinity', { nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Like' }] }] }),
    [
      'spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].operator: Invalid value: "Like": not a valid selector operator',
    ],
  ],
  [
    'a bound of two numbers',
    required('nodeAffinity', {
      nodeSelectorTerms: [{ matchExpressions: [{ key: 'a', operator: 'Gt', values: ['1', '2'] }] }],
    }),
    [
      "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values: Required value: must be specified single value when `operator` is 'Lt' or 'Gt'",
    ],
  ],
  [
    'a weight too high',
    {
      affinity: {
        nodeAffinity: { preferredDuringSchedulingIgnoredDuringExecution: [{ weight: 101, preference: {} }] },
      },
    },
    [
      'spec.affinity.nodeAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight: Invalid value: 101: must be in the range 1-100',
    ],
  ],
  [
    'no topology',
    required('podAffinity', [{ ...term, topologyKey: '' }]),
    [
      'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Required value: can not be empty',
      'spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: "": name part must be non-empty',
      "spec.affinity.podAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].topologyKey: Invalid value: \"\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
  ],
  [
    'namespaces that are none',
    required('podAntiAffinity', [{ ...term, namespaces: ['A'] }]),
    [
      "spec.affinity.podAntiAffinity.requiredDuringSchedulingIgnoredDuringExecution[0].namespace: Invalid value: \"A\": a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
    ],
  ],
  [
    'a skew of zero',
    { topologySpreadConstraints: [{ maxSkew: 0, topologyKey: 'zone', whenUnsatisfiable: 'DoNotSchedule' }] },
    ['spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: must be greater than zero'],
  ],
  [
    'an unknown way out',
    { topologySpreadConstraints: [{ maxSkew: 1, topologyKey: 'zone', whenUnsatisfiable: 'Maybe' }] },
    [
      'spec.topologySpreadConstraints[0].whenUnsatisfiable: Unsupported value: "Maybe": supported values: "DoNotSchedule", "ScheduleAnyway"',
    ],
  ],
  [
    'few domains and any schedule',
    {
      topologySpreadConstraints: [
        { maxSkew: 1, minDomains: 2, topologyKey: 'zone', whenUnsatisfiable: 'ScheduleAnyway' },
      ],
    },
    [
      'spec.topologySpreadConstraints[0].minDomains: Invalid value: 2: can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway',
    ],
  ],
  [
    'a toleration for a while of no effect',
    { tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule', tolerationSeconds: 1 }] },
    [
      'spec.tolerations[0].effect: Invalid value: "NoSchedule": effect must be \'NoExecute\' when `tolerationSeconds` is set',
    ],
  ],
  [
    'a toleration of a value and of every value',
    { tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] },
    ['spec.tolerations[0].operator: Invalid value: "b": value must be empty when `operator` is \'Exists\''],
  ],
  [
    'a toleration of an unknown effect',
    { tolerations: [{ key: 'a', operator: 'Exists', effect: 'Never' }] },
    [
      'spec.tolerations[0].effect: Unsupported value: "Never": supported values: "NoSchedule", "PreferNoSchedule", "NoExecute"',
    ],
  ],
  [
    'a node label that is none',
    { nodeSelector: { 'a b': 'c' } },
    [
      "spec.nodeSelector: Invalid value: \"a b\": name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
    ],
  ],
])('placement with %s', (_what, spec, errors) => {
  expect(createErrors(pods, pod(spec))).toEqual(errors);
});
