import { expect, test } from 'vitest';
import { strictDecodingError } from '#pkg/api/validation/decode-errors.ts';
import { cannotBeHandled, unreadableBody, unusablePatch } from './refused-bodies.ts';

const gvk = { group: 'apps', version: 'v1', kind: 'Deployment' };

test('bodies that cannot be decoded are answered in upstream words', () => {
  expect(
    cannotBeHandled(gvk, 'Deployment', strictDecodingError(['unknown field "spec.foo"', 'duplicate field "a"']))
      .message,
  ).toBe(
    'Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field "spec.foo", duplicate field "a"',
  );
  const broken = unreadableBody('Pod', 'unexpected end of JSON input', Buffer.from(`{"kind":"Pod"${' '.repeat(40)}`));
  expect([broken.code, broken.message]).toEqual([
    400,
    `the object provided is unrecognized (must be of type Pod): couldn't get version/kind; json parse error: unexpected end of JSON input ({"kind":"Pod"${' '.repeat(17)} ...)`,
  ]);
  expect(unreadableBody('Pod', 'x', Buffer.from('[1]')).message).toContain('(5b315d)');
  expect(unreadableBody('Pod', 'x', Buffer.from('')).message).toContain('(<empty>)');
});

test('a patch that makes no object of the kind is answered with 422', () => {
  const error = unusablePatch('{"spec":1}', 'nonsense');
  expect([error.code, error.reason, error.message]).toEqual([
    422,
    'Invalid',
    ' "" is invalid: patch: Invalid value: "{\\"spec\\":1}": nonsense',
  ]);
});
