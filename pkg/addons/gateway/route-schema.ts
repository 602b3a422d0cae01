/** The schema of an HTTPRoute's spec. Source: Gateway API reference, `HTTPRoute`, standard channel. */

import { listOf, numberOf, objectOf, type Schema, textOf, withDefault, wordOf } from './schema.ts';
import {
  backendFields,
  headerName,
  hostName,
  needsPort,
  parentRefSchema,
  portNumber,
  preciseHostName,
  sectionName,
} from './schema-parts.ts';

const durationText = textOf(32, { pattern: '^([0-9]{1,5}(h|m|s|ms)){1,4}$' });

const headers = listOf(objectOf({ name: headerName, value: textOf(4096, { minLength: 1 }) }, ['name', 'value']), {
  max: 16,
  keys: ['name'],
});
const headerChange = objectOf({
  set: headers,
  add: headers,
  remove: listOf({ type: 'string' }, { max: 16, atomic: true }),
});

const pathChange = objectOf(
  {
    type: wordOf(['ReplaceFullPath', 'ReplacePrefixMatch']),
    replaceFullPath: textOf(1024),
    replacePrefixMatch: textOf(1024),
  },
  ['type'],
  [
    [
      "self.type == 'ReplaceFullPath' ? has(self.replaceFullPath) && !has(self.replacePrefixMatch) : true",
      "replaceFullPath must be specified, and replacePrefixMatch not, when type is set to 'ReplaceFullPath'",
    ],
    [
      "self.type == 'ReplacePrefixMatch' ? has(self.replacePrefixMatch) && !has(self.replaceFullPath) : true",
      "replacePrefixMatch must be specified, and replaceFullPath not, when type is set to 'ReplacePrefixMatch'",
    ],
  ],
);

/** The field that a filter of each type has, and no other. */
const filterFields = {
  RequestHeaderModifier: 'requestHeaderModifier',
  ResponseHeaderModifier: 'responseHeaderModifier',
  RequestRedirect: 'requestRedirect',
  URLRewrite: 'urlRewrite',
  RequestMirror: 'requestMirror',
} as const;

const filterSchema = objectOf(
  {
    type: wordOf(Object.keys(filterFields)),
    requestHeaderModifier: headerChange,
    responseHeaderModifier: headerChange,
    requestRedirect: objectOf({
      scheme: wordOf(['http', 'https']),
      hostname: preciseHostName,
      path: pathChange,
      port: portNumber,
      statusCode: { type: 'integer', enum: [301, 302, 303, 307, 308], default: 302 },
    }),
    urlRewrite: objectOf({ hostname: preciseHostName, path: pathChange }),
    requestMirror: objectOf(
      {
        backendRef: objectOf(backendFields, ['name'], [needsPort]),
        percent: numberOf(0, 100),
        fraction: objectOf(
          { numerator: numberOf(0, 2 ** 31 - 1), denominator: numberOf(1, 2 ** 31 - 1, { default: 100 }) },
          ['numerator'],
        ),
      },
      ['backendRef'],
      [
        [
          '!(has(self.percent) && has(self.fraction))',
          'Only one of percent or fraction may be specified in HTTPRequestMirrorFilter',
        ],
      ],
    ),
  },
  ['type'],
  Object.entries(filterFields).map(([type, field]) => [
    `has(self.${field}) == (self.type == '${type}')`,
    `filter.${field} must be specified for ${type} filter.type, and for no other`,
  ]),
);

const onceEach = ['RequestHeaderModifier', 'ResponseHeaderModifier', 'RequestRedirect', 'URLRewrite'].map(
  (type) => [`self.filter(f, f.type == '${type}').size() <= 1`, `${type} filter cannot be repeated`] as const,
);
const filters = listOf(filterSchema, {
  max: 16,
  atomic: true,
  rules: [
    [
      "!(self.exists(f, f.type == 'RequestRedirect') && self.exists(f, f.type == 'URLRewrite'))",
      'May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both',
    ],
    ...onceEach,
  ],
});

function namedMatches(name: Schema): Schema {
  const types = wordOf(['Exact', 'RegularExpression'], 'Exact');
  return listOf(objectOf({ type: types, name, value: textOf(4096, { minLength: 1 }) }, ['name', 'value']), {
    max: 16,
    keys: ['name'],
  });
}

const rootPath = { type: 'PathPrefix', value: '/' };
const matchSchema = objectOf({
  path: withDefault(
    objectOf(
      {
        type: wordOf(['Exact', 'PathPrefix', 'RegularExpression'], 'PathPrefix'),
        value: withDefault(textOf(1024), '/'),
      },
      [],
      [
        [
          "self.type in ['Exact', 'PathPrefix'] ? self.value.startsWith('/') && !self.value.contains('//') && !self.value.contains('/./') && !self.value.contains('/../') && !self.value.contains('#') && !self.value.endsWith('/..') && !self.value.endsWith('/.') : true",
          "value must be an absolute path and start with '/', without '//', '#' and elements '.' and '..', when type is one of ['Exact', 'PathPrefix']",
        ],
      ],
    ),
    rootPath,
  ),
  headers: namedMatches(headerName),
  queryParams: namedMatches(headerName),
  method: wordOf(['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'CONNECT', 'OPTIONS', 'TRACE', 'PATCH']),
});

const backendSchema = objectOf(
  { ...backendFields, weight: numberOf(0, 1_000_000, { default: 1 }), filters },
  ['name'],
  [needsPort],
);

const ruleSchema = objectOf(
  {
    name: sectionName,
    matches: withDefault(listOf(matchSchema, { max: 64, atomic: true }), [{ path: rootPath }]),
    filters,
    backendRefs: listOf(backendSchema, { max: 16, atomic: true }),
    timeouts: objectOf(
      { request: durationText, backendRequest: durationText },
      [],
      [
        [
          "!(has(self.request) && has(self.backendRequest) && duration(self.request) != duration('0s') && duration(self.backendRequest) > duration(self.request))",
          'backendRequest timeout cannot be longer than request timeout',
        ],
      ],
    ),
  },
  [],
  [
    [
      "has(self.backendRefs) && size(self.backendRefs) > 0 ? !has(self.filters) || !self.filters.exists(f, f.type == 'RequestRedirect') : true",
      'RequestRedirect filter must not be used together with backendRefs',
    ],
    [
      "has(self.filters) && self.filters.exists(f, (has(f.requestRedirect) && has(f.requestRedirect.path) && f.requestRedirect.path.type == 'ReplacePrefixMatch') || (has(f.urlRewrite) && has(f.urlRewrite.path) && f.urlRewrite.path.type == 'ReplacePrefixMatch')) ? size(self.matches) == 1 && self.matches[0].path.type == 'PathPrefix' : true",
      'When using a path of type ReplacePrefixMatch, exactly one PathPrefix match must be specified',
    ],
  ],
);

/** The spec. */
export const httpRouteSpec: Schema = objectOf({
  parentRefs: listOf(parentRefSchema, { max: 32, atomic: true }),
  hostnames: listOf(hostName, { max: 16, atomic: true }),
  rules: withDefault(listOf(ruleSchema, { max: 16, min: 1, atomic: true }), [{ matches: [{ path: rootPath }] }]),
});
