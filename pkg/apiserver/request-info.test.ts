import { expect, test } from 'vitest';
import { parseRequestInfo } from './request-info.ts';

const cases: readonly [request: string, expected: string][] = [
  ['GET /api/v1/pods', 'list /v1 pods'],
  ['GET /api/v1/pods?watch=true', 'watch /v1 pods'],
  ['GET /api/v1/pods?watch=false', 'list /v1 pods'],
  ['GET /api/v1/watch/namespaces/d/pods', 'watch /v1 pods ns=d'],
  ['GET /api/v1/namespaces', 'list /v1 namespaces'],
  ['GET /api/v1/namespaces/d', 'get /v1 namespaces ns=d name=d'],
  ['PUT /api/v1/namespaces/d/finalize', 'update /v1 namespaces/finalize ns=d name=d'],
  ['GET /api/v1/namespaces/d/pods/p/log', 'get /v1 pods/log ns=d name=p'],
  ['POST /apis/apps/v1/namespaces/d/deployments', 'create apps/v1 deployments ns=d'],
  ['DELETE /apis/apps/v1/namespaces/d/deployments', 'deletecollection apps/v1 deployments ns=d'],
  ['DELETE /apis/apps/v1/namespaces/d/deployments/x', 'delete apps/v1 deployments ns=d name=x'],
  ['PATCH /apis/apps/v1/namespaces/d/deployments/x/status', 'patch apps/v1 deployments/status ns=d name=x'],
  ['GET /api/v1/nodes?fieldSelector=metadata.name%3Dn', 'list /v1 nodes name=n'],
  ['GET /api/v1/namespaces/d/configmaps/a%2Fb/', 'get /v1 configmaps/b ns=d name=a'],
  ['GET /api/v1/pods?watch=%zz', 'list /v1 pods'],
  ['GET /api/v1/pods?limit=%z&watch=1', 'watch /v1 pods'],
  ['GET /api/v1/pods?a=b;c&watch=1;', 'list /v1 pods'],
  ['GET /api/v1/nodes/%C3%A4', 'get /v1 nodes name=ä'],
  ['GET /api/v1/nodes/%ff', 'get /v1 nodes name=\ufffd'],
  ['HEAD /api/v1/nodes/n', 'get /v1 nodes name=n'],
  ['GET /api/v1', 'get (no resource)'],
  ['GET /apis/apps/v1', 'get (no resource)'],
  ['GET /healthz', 'get (no resource)'],
  ['POST /', 'post (no resource)'],
];

test.each(cases)('%s is %s', (request, expected) => {
  const [method = '', target = ''] = request.split(' ');
  const [path = '', query = ''] = target.split('?');
  const { verb, isResource, group, version, resource, subresource, namespace, name } = parseRequestInfo(
    method,
    path,
    query,
  );
  const what = `${group}/${version} ${resource}${subresource && `/${subresource}`}`;
  const found = isResource ? `${what}${namespace && ` ns=${namespace}`}${name && ` name=${name}`}` : '(no resource)';
  expect(`${verb} ${found}`).toBe(expected);
});

test('a path that does not decode is a bad request', () => {
  expect(() => parseRequestInfo('GET', '/api/v1/pods/%zz', '')).toThrow('invalid URL escape');
});
