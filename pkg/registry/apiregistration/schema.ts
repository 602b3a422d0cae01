/** The schema of APIServices. Source: kube-aggregator `pkg/apis/apiregistration/v1/types.go`. */
import type { JsonObject } from '#pkg/apimachinery/object.ts';

const text = { type: 'string' };
const number = { type: 'integer', format: 'int32' };

/** As the definition of a custom resource has it. */
export const apiServiceSchema: JsonObject = {
  type: 'object',
  properties: {
    apiVersion: text,
    kind: text,
    metadata: { type: 'object' },
    spec: {
      type: 'object',
      properties: {
        service: { type: 'object', properties: { namespace: text, name: text, port: number } },
        group: text,
        version: text,
        insecureSkipTLSVerify: { type: 'boolean' },
        caBundle: { type: 'string', format: 'byte' },
        groupPriorityMinimum: number,
        versionPriority: number,
      },
    },
    status: {
      type: 'object',
      properties: {
        conditions: {
          type: 'array',
          'x-kubernetes-list-type': 'map',
          'x-kubernetes-list-map-keys': ['type'],
          'x-kubernetes-patch-strategy': 'merge',
          'x-kubernetes-patch-merge-key': 'type',
          items: {
            type: 'object',
            required: ['type', 'status'],
            properties: {
              type: text,
              status: text,
              lastTransitionTime: { type: 'string', format: 'date-time' },
              reason: text,
              message: text,
            },
          },
        },
      },
    },
  },
};
